package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/test/process"
)

// readJob is what iothub_jobs_read.js prints of a job.
type readJob struct {
	ID         string
	Type       string
	Status     string
	Condition  string
	Statistics struct{ DeviceCount, SucceededCount, FailedCount, RunningCount, PendingCount int }
	Results    map[string]int
	Answers    map[string]int
}

// TestTheJobClientReadsWhatTheServicesSchedule schedules jobs over 500 devices through ConnectionServicesHub. Fifty of them are
// devices of Microsoft's SDK that answer, one job is cancelled while it runs; Microsoft's job client reads the same as our services.
func TestTheJobClientReadsWhatTheServicesSchedule(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx, process.Flags{Hub: []string{"--host", "localhost"}})
	at := &site{t: t, stack: stack, platform: stack.Platform}
	stack.AddHubThing(hubThing)
	connected := crowd(t, stack, 50, 450)
	at.connectTwoWay(func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["connectionString"] = stack.Hub.OwnerConnectionString
	})
	const all, answering = "STARTSWITH(deviceId, 'job-')", "STARTSWITH(deviceId, 'job-on-')"

	twins := at.schedule("AzureIotDeviceJobScheduleTwinUpdateJob", map[string]any{"patch": map[string]any{"tags": map[string]any{"site": "Ulm"}}, "queryCondition": all})
	at.jobEnds(twins)
	methods := at.schedule("AzureIotDeviceJobScheduleDeviceMethodJob", map[string]any{"methodName": "reboot", "queryCondition": all})
	at.jobEnds(methods)
	cut := at.schedule("AzureIotDeviceJobScheduleDeviceMethodJob", map[string]any{"methodName": "reboot", "payload": map[string]any{"seconds": 2}, "queryCondition": answering})
	process.Eventually(t, time.Minute, "the job runs and some devices have answered", func() error {
		if row := at.job(cut); row["status"] != "running" || row["succeededCount"] == 0.0 {
			return fmt.Errorf("it is %v", row)
		}
		return nil
	})
	at.platform.Call("Things/ConnectionServicesHub", "AzureIotDeviceJobCancelJob", map[string]any{"jobId": cut})
	at.jobEnds(cut)

	read := readBack(t, stack, twins, methods, cut)
	if j := read[0]; j.Type != "scheduleUpdateTwin" || j.Status != "completed" || j.Condition != all || j.Results["completed"] != 500 {
		t.Errorf("the job of twins is %+v", j)
	}
	answer := `[200,{"was":"running"}]`
	if j := read[1]; j.Type != "scheduleDeviceMethod" || j.Status != "completed" || j.Results["completed"] != connected || j.Results["failed"] != 450 || j.Answers[answer] != connected {
		t.Errorf("the job of methods is %+v", j)
	}
	if j := read[2]; j.Status != "cancelled" || j.Results["completed"] < 1 || j.Results["completed"] >= connected || j.Results["running"] != 0 || j.Answers[answer] != j.Results["completed"] {
		t.Errorf("the job that was cancelled is %+v", j)
	}
	for _, j := range read {
		at.agrees(j)
	}
}

// crowd registers devices job-on-N, which a process of Microsoft's SDK connects, and job-off-N, which nobody does.
func crowd(t *testing.T, stack *process.Stack, on, off int) int {
	t.Helper()
	var specs []iothub.Spec
	for n := range on + off {
		id := fmt.Sprintf("job-on-%d", n)
		if n >= on {
			id = fmt.Sprintf("job-off-%d", n)
		}
		specs = append(specs, iothub.Spec{ID: iothub.ID{Device: id}})
	}
	var made []control.Device
	if err := json.Unmarshal(stack.Control("POST", "/devices", specs), &made); err != nil || len(made) != on+off {
		t.Fatalf("%d devices were made: %v", len(made), err)
	}
	connections := make([]string, on)
	for n := range connections {
		connections[n] = made[n].ConnectionString
	}
	devices := process.Start(t, process.Command{Name: "node", Args: []string{"crowd.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+stack.Hub.CA, "AZX_CONNECTIONS="+strings.Join(connections, "\n"))})
	devices.UntilPrinted(2*time.Minute, `{"ready"`)
	return on
}

// schedule calls a service that gives the id of a job.
func (s *site) schedule(service string, with map[string]any) (id string) {
	s.t.Helper()
	raw, err := s.platform.Result("Things/ConnectionServicesHub", service, with)
	if err == nil {
		err = json.Unmarshal(raw, &id)
	}
	if err != nil {
		s.t.Fatalf("%s: %s %v", service, raw, err)
	}
	return id
}

// jobEnds waits for the event of a job's end.
func (s *site) jobEnds(id string) {
	s.t.Helper()
	process.Eventually(s.t, time.Minute, "the end of job "+id+" is told", func() error {
		told, err := s.platform.Events("ConnectionServicesHub")
		if err == nil && !slices.ContainsFunc(told, func(e process.Fired) bool { return e.Event == "AzureDeviceJobFinishedEvent" && e.Row("jobId") == id }) {
			err = fmt.Errorf("%d events, none of it", len(told))
		}
		return err
	})
}

// job is the row of a job.
func (s *site) job(id string) map[string]any {
	s.t.Helper()
	rows := s.rows("AzureIotDeviceJobGetJob", map[string]any{"jobId": id})
	if len(rows) != 1 {
		s.t.Fatalf("job %s has the rows %v", id, rows)
	}
	return rows[0]
}

// rows calls a service of ConnectionServicesHub that gives an infotable.
func (s *site) rows(service string, with map[string]any) []map[string]any {
	s.t.Helper()
	var table struct{ Rows []map[string]any }
	if err := json.Unmarshal(s.platform.Call("Things/ConnectionServicesHub", service, with), &table); err != nil {
		s.t.Fatal(err)
	}
	return table.Rows
}

// agrees compares a job with what our services tell of it.
func (s *site) agrees(j readJob) {
	s.t.Helper()
	row := s.job(j.ID)
	n := j.Statistics
	got := []any{row["status"], row["deviceCount"], row["succeededCount"], row["failedCount"], row["runningCount"], row["pendingCount"]}
	want := []any{j.Status, float64(n.DeviceCount), float64(n.SucceededCount), float64(n.FailedCount), float64(n.RunningCount), float64(n.PendingCount)}
	if !slices.Equal(got, want) {
		s.t.Errorf("job %s is %v by our service, and %v by the job client", j.ID, got, want)
	}
	results := map[string]int{}
	for _, r := range s.rows("QueryJobResults", map[string]any{"jobId": j.ID, "maxItems": 1000}) {
		results[fmt.Sprint(r["status"])]++
	}
	if fmt.Sprint(results) != fmt.Sprint(j.Results) {
		s.t.Errorf("the results of job %s are %v by our service, and %v by the job client", j.ID, results, j.Results)
	}
}

// readBack has Microsoft's job client read jobs, in their order.
func readBack(t *testing.T, stack *process.Stack, ids ...string) (read []readJob) {
	t.Helper()
	child := process.Start(t, process.Command{Name: "node", Args: []string{"--require", "./websocket_reach.js", "iothub_jobs_read.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+stack.Hub.CA, fmt.Sprintf("AZX_REACH=127.0.0.1:%d", stack.Hub.Ports.HTTPS),
		"AZX_OWNER="+stack.Hub.OwnerConnectionString, "AZX_JOBS="+strings.Join(ids, ","))})
	if code := child.Wait(time.Minute); code != 0 {
		t.Fatalf("exit code %d behind %q:\n%s", code, child.Stdout(), child.Stderr())
	}
	for line := range strings.Lines(child.Stdout()) {
		var j readJob
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		read = append(read, j)
	}
	if len(read) != len(ids) {
		t.Fatalf("%d jobs were read, want %d", len(read), len(ids))
	}
	return read
}
