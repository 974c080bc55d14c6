package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/query"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a hub with jobs that run.
type site struct {
	*testing.T
	hub  *iothub.Hub
	jobs *Jobs
	dir  string
	stop func()
}

// newSite opens a hub in dir, or in memory, and runs its jobs until stop.
func newSite(t *testing.T, dir string) *site {
	t.Helper()
	hub, err := iothub.Open(iothub.Config{Dir: dir, NoSync: true, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, hub: hub, dir: dir}
	if s.jobs, err = Open(hub, dir, true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.jobs.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, s.jobs.Close(), hub.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// add registers n devices dev-000, dev-001 and so on.
func (s *site) add(n int) {
	s.Helper()
	specs := make([]iothub.Spec, n)
	for i := range specs {
		specs[i].Device = fmt.Sprintf("dev-%03d", i)
	}
	if _, err := s.hub.Registry().Add(specs...); err != nil {
		s.Fatal(err)
	}
}

// online connects a device that answers methods with status 200 and the payload it got.
func (s *site) online(device string, calls chan<- string) (stop func()) {
	s.Helper()
	i, err := s.hub.Registry().Get(iothub.ID{Device: device})
	if err != nil {
		s.Fatal(err)
	}
	session, err := s.hub.Enter(iothub.Principal{ID: i.ID, GenerationID: i.GenerationID, Rights: iothub.DeviceConnect}, func(error) {})
	if err != nil {
		s.Fatal(err)
	}
	feed := session.ServeMethods()
	go func() {
		for {
			request, err := feed.Next(context.Background())
			if err != nil {
				return
			}
			if calls != nil {
				calls <- device
				continue
			}
			session.AnswerMethod(request.RequestID, 200, request.Payload)
		}
	}()
	return session.Leave
}

func (s *site) create(r Request) Job {
	s.Helper()
	job, err := s.jobs.Create(r)
	if err != nil {
		s.Fatal(err)
	}
	return job
}

func (s *site) is(id, status string) Job {
	s.Helper()
	job, err := s.jobs.Get(id)
	if err != nil {
		s.Fatal(err)
	}
	if job.Status != status {
		s.Fatalf("job %s is %s, want %s: %+v", id, job.Status, status, job)
	}
	return job
}

func (s *site) counts(id string, want Statistics) {
	s.Helper()
	job, err := s.jobs.Get(id)
	if err != nil || job.Statistics == nil || *job.Statistics != want {
		s.Fatalf("job %s has %+v, %v; want %+v", id, job.Statistics, err, want)
	}
}

// rows asks devices.jobs.
func (s *site) rows(text string) []map[string]any {
	s.Helper()
	q, err := query.Parse(text)
	if err != nil {
		s.Fatal(err)
	}
	rows, _, err := q.Page(s.jobs.Rows, text, "", 1000)
	if err != nil {
		s.Fatal(err)
	}
	return rows
}

var (
	patch   = json.RawMessage(`{"tags": {"site": "Ulm"}, "properties": {"desired": {"rate": 5}}}`)
	patient = json.RawMessage(`{"methodName": "reboot", "connectTimeoutInSeconds": 60}`)
	reboot  = json.RawMessage(`{"methodName": "reboot", "payload": {"in": 5}, "responseTimeoutInSeconds": 30}`)
)

func TestATwinJobChangesTheDevicesOfItsConditionAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(500)
		if job := s.create(Request{ID: "twins", Type: UpdateTwin, Condition: "deviceId >= 'dev-100'", Twin: patch}); job.Status != Queued {
			t.Errorf("got %+v", job)
		}
		synctest.Wait()
		job := s.is("twins", Completed)
		s.counts("twins", Statistics{Devices: 400, Succeeded: 400})
		if job.End.IsZero() || job.MaxSeconds != 3600 {
			t.Errorf("got %+v", job)
		}
		for device, want := range map[string]any{"dev-099": nil, "dev-100": "Ulm", "dev-499": "Ulm"} {
			if twin, err := s.hub.Twin(iothub.ID{Device: device}); err != nil || twin.Tags["site"] != want {
				t.Errorf("%s has %v, %v", device, twin.Tags, err)
			}
		}
		rows := s.rows("SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'dev-100'")
		if len(rows) != 1 || rows[0]["jobId"] != "twins" || rows[0]["jobType"] != UpdateTwin || rows[0]["status"] != "completed" {
			t.Errorf("got %v", rows)
		}
	})
}

func TestAMethodJobKeepsWhatEachDeviceAnsweredAndWhoWasNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(3)
		defer s.online("dev-001", nil)()
		s.create(Request{ID: "m", Type: DeviceMethod, Condition: "*", Method: reboot})
		synctest.Wait()
		s.is("m", Completed)
		s.counts("m", Statistics{Devices: 3, Succeeded: 1, Failed: 2})
		done := s.rows("SELECT deviceId, outcome.deviceMethodResponse.payload.in AS n FROM devices.jobs WHERE jobId = 'm' AND status = 'completed'")
		if got := string(mustJSON(done)); got != `[{"deviceId":"dev-001","n":5}]` {
			t.Errorf("got %s", got)
		}
		failed := s.rows("SELECT error.code AS code FROM devices.jobs WHERE status = 'failed'")
		if got := string(mustJSON(failed)); got != `[{"code":"DeviceNotOnline"},{"code":"DeviceNotOnline"}]` {
			t.Errorf("got %s", got)
		}
	})
}

func TestAJobWaitsForItsTimeAndForTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(2)
		calls := make(chan string, 10)
		defer s.online("dev-000", calls)()
		at, after := time.Now().Add(time.Minute), time.Now().Add(time.Minute+time.Second)
		s.create(Request{ID: "slow", Type: DeviceMethod, Condition: "deviceId = 'dev-000'", Start: &at, Method: reboot})
		s.create(Request{ID: "behind", Type: UpdateTwin, Condition: "*", Start: &after, Twin: patch})
		synctest.Wait()
		s.is("slow", Scheduled)
		s.is("behind", Scheduled)
		<-time.After(time.Minute + 2*time.Second)
		s.is("slow", Running)
		s.is("behind", Queued)
		<-time.After(30 * time.Second) // the device does not answer
		synctest.Wait()
		s.is("slow", Completed)
		s.is("behind", Completed)
	})
}

func TestACancelledJobTellsNoMoreDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(30)
		calls := make(chan string, 30)
		for i := range 30 {
			defer s.online(fmt.Sprintf("dev-%03d", i), calls)()
		}
		s.create(Request{ID: "m", Type: DeviceMethod, Condition: "*", Method: reboot})
		later := time.Now().Add(time.Hour)
		s.create(Request{ID: "later", Type: UpdateTwin, Condition: "*", Start: &later, Twin: patch})
		synctest.Wait()
		s.is("m", Running)
		s.counts("m", Statistics{Devices: 30, Running: 10, Pending: 20})
		for _, id := range []string{"m", "later"} {
			if job, err := s.jobs.Cancel(id); err != nil || job.Status != Cancelled {
				t.Fatalf("got %+v, %v", job, err)
			}
		}
		synctest.Wait()
		if len(calls) != 10 {
			t.Errorf("%d devices were called, want 10", len(calls))
		}
		if rows := s.rows("SELECT deviceId FROM devices.jobs WHERE status = 'canceled'"); len(rows) != 30 {
			t.Errorf("%d devices are cancelled", len(rows))
		}
		if _, err := s.jobs.Cancel("m"); iothub.AsError(err).Code != iothub.InvalidOperation {
			t.Errorf("a second time: %v", err)
		}
		<-time.After(2 * time.Hour)
		s.is("later", Cancelled)
	})
}

func TestAJobThatTakesTooLongFailsWithWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(20)
		calls := make(chan string, 20)
		for i := range 20 {
			defer s.online(fmt.Sprintf("dev-%03d", i), calls)()
		}
		s.create(Request{ID: "m", Type: DeviceMethod, Condition: "*", Method: reboot, MaxSeconds: 40})
		<-time.After(41 * time.Second) // the first ten do not answer within 30 s, the others not within 10
		synctest.Wait()
		job := s.is("m", Failed)
		s.counts("m", Statistics{Devices: 20, Failed: 20})
		if !strings.Contains(job.FailureReason, "40 seconds") {
			t.Errorf("reason %q", job.FailureReason)
		}
		if rows := s.rows("SELECT deviceId FROM devices.jobs WHERE error.code = 'GatewayTimeout'"); len(rows) != 10 {
			t.Errorf("%d devices did not answer", len(rows))
		}
	})
}

func TestAThrottledHubServesTenDevicesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(110)
		s.hub.SetLimits(iothub.Limits{Throttle: true})
		s.create(Request{ID: "twins", Type: UpdateTwin, Condition: "*", Twin: patch})
		<-time.After(9 * time.Second)
		s.is("twins", Running)
		<-time.After(2 * time.Second)
		synctest.Wait()
		s.is("twins", Completed)
		s.counts("twins", Statistics{Devices: 110, Succeeded: 110})
	})
}

func TestADeviceThatIsDeletedMeanwhileFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		s.add(20)
		s.hub.SetLimits(iothub.Limits{Throttle: true})
		s.create(Request{ID: "twins", Type: UpdateTwin, Condition: "*", Twin: patch})
		synctest.Wait()
		if err := s.hub.Registry().Remove(iothub.ID{Device: "dev-019"}); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Second)
		s.is("twins", Completed)
		s.counts("twins", Statistics{Devices: 20, Succeeded: 19, Failed: 1})
	})
}

func TestJobsGoOnAfterARestartAndNoMethodIsCalledTwice(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir)
		s.add(15)
		calls := make(chan string, 100)
		var leave []func()
		for i := range 15 {
			leave = append(leave, s.online(fmt.Sprintf("dev-%03d", i), calls))
		}
		s.create(Request{ID: "m", Type: DeviceMethod, Condition: "*", Method: patient})
		later := time.Now().Add(time.Minute)
		s.create(Request{ID: "twins", Type: UpdateTwin, Condition: "*", Start: &later, Twin: patch})
		synctest.Wait()
		s.counts("m", Statistics{Devices: 15, Running: 10, Pending: 5})
		for _, f := range leave {
			defer f()
		}
		s.stop()

		s = newSite(t, dir)
		defer s.stop()
		for i := range 15 {
			defer s.online(fmt.Sprintf("dev-%03d", i), nil)()
		}
		synctest.Wait()
		s.is("m", Completed)
		s.counts("m", Statistics{Devices: 15, Failed: 10, Succeeded: 5})
		if rows := s.rows("SELECT deviceId FROM devices.jobs WHERE error.description = 'the hub was stopped while the device had the call'"); len(rows) != 10 {
			t.Errorf("%d devices had the call", len(rows))
		}
		s.is("twins", Scheduled)
		<-time.After(2 * time.Minute)
		s.is("twins", Completed)
		if len(calls) != 10 {
			t.Errorf("%d calls before the restart", len(calls))
		}
	})
}

func TestJobsAreListedByTypeAndStatusPageByPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		for i := range 5 {
			s.create(Request{ID: fmt.Sprint("twin-", i), Type: UpdateTwin, Condition: "*", Twin: patch})
			<-time.After(time.Second)
		}
		s.create(Request{ID: "m", Type: DeviceMethod, Condition: "*", Method: reboot})
		synctest.Wait()
		var seen []string
		for after, more := "", true; more; {
			var page []Job
			page, more = s.jobs.List("", Completed, after, 2)
			for _, job := range page {
				seen = append(seen, job.ID)
				after = job.ID
			}
		}
		if got := strings.Join(seen, " "); got != "m twin-4 twin-3 twin-2 twin-1 twin-0" {
			t.Errorf("got %s", got)
		}
		if page, more := s.jobs.List(DeviceMethod, "", "", 10); len(page) != 1 || more {
			t.Errorf("got %+v, %v", page, more)
		}
		<-time.After(31 * 24 * time.Hour)
		s.create(Request{ID: "new", Type: UpdateTwin, Condition: "*", Twin: patch})
		if page, _ := s.jobs.List("", "", "", 10); len(page) != 1 {
			t.Errorf("after 31 days there are %+v", page)
		}
	})
}

func TestAJobThatCannotBeIsRefused(t *testing.T) {
	s := newSite(t, "")
	defer s.stop()
	s.create(Request{ID: "there", Type: UpdateTwin, Condition: "*", Twin: patch})
	good := Request{ID: "j-1", Type: UpdateTwin, Condition: "*", Twin: patch}
	for name, c := range map[string]struct {
		change func(*Request)
		status int
		want   string
	}{
		"no id":               {func(r *Request) { r.ID = "" }, http.StatusBadRequest, "job id"},
		"a long id":           {func(r *Request) { r.ID = strings.Repeat("x", 65) }, http.StatusBadRequest, "job id"},
		"an id with a space":  {func(r *Request) { r.ID = "a b" }, http.StatusBadRequest, "job id"},
		"an id that is there": {func(r *Request) { r.ID = "there" }, http.StatusConflict, "already"},
		"another type":        {func(r *Request) { r.Type = "reboot" }, http.StatusBadRequest, "type"},
		"no condition":        {func(r *Request) { r.Condition = "" }, http.StatusBadRequest, "queryCondition: query, character 1"},
		"a whole query":       {func(r *Request) { r.Condition = "SELECT * FROM devices" }, http.StatusBadRequest, "queryCondition"},
		"no time":             {func(r *Request) { r.MaxSeconds = -1 }, http.StatusBadRequest, "maxExecutionTimeInSeconds"},
		"no patch":            {func(r *Request) { r.Twin = json.RawMessage(`{}`) }, http.StatusBadRequest, "neither tags"},
		"no method":           {func(r *Request) { r.Type = DeviceMethod }, http.StatusBadRequest, "cloudToDeviceMethod"},
		"a method of no name": {func(r *Request) { r.Type, r.Method = DeviceMethod, json.RawMessage(`{"payload": 1}`) }, http.StatusBadRequest, "method name"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			c.change(&r)
			_, err := s.jobs.Create(r)
			var refused *iothub.Error
			if !errors.As(err, &refused) || refused.Status() != c.status || !strings.Contains(refused.Message, c.want) {
				t.Errorf("got %v, want %d with %q", err, c.status, c.want)
			}
		})
	}
	if _, err := s.jobs.Get("no"); iothub.AsError(err).Code != iothub.JobNotFound {
		t.Errorf("got %v", err)
	}
}
