package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// TestJobsAreScheduledCancelledAndToldOf runs jobs over 500 devices, none of which is connected, through the services of
// ConnectionServicesHub: their ends are events, also of one that was scheduled before the connector was restarted.
func TestJobsAreScheduledCancelledAndToldOf(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	platform := stack.Platform
	setTable(platform, hubThing, "ConnectionSettings", map[string]any{"connectionString": stack.Hub.OwnerConnectionString})
	stack.ConfigureFor(hubThing, "azx-1", fromPlatform)
	connector := stack.ConnectAs("azx-1")
	var devices []iothub.Spec
	for n := range 500 {
		devices = append(devices, iothub.Spec{ID: iothub.ID{Device: fmt.Sprintf("job-%d", n)}})
	}
	stack.Control("POST", "/devices", devices)

	twins := hubCall[string](t, platform, "AzureIotDeviceJobScheduleTwinUpdateJob", map[string]any{
		"patch": map[string]any{"tags": map[string]any{"site": "Ulm"}, "properties": map[string]any{"desired": map[string]any{"rate": 5}}}, "queryCondition": "STARTSWITH(deviceId, 'job-')",
	})
	if end := fired(t, platform, "AzureDeviceJobFinishedEvent", twins); end.Row("status") != "completed" || end.Row("hubThingName") != hubThing {
		t.Errorf("the event is %v", end.Data.Rows)
	}
	if row := jobRow(t, platform, twins); row["deviceCount"] != 500.0 || row["succeededCount"] != 500.0 {
		t.Errorf("the job is %v", row)
	}
	method := hubCall[string](t, platform, "AzureIotDeviceJobScheduleDeviceMethodJob", map[string]any{
		"methodName": "reboot", "payload": map[string]any{"in": 5}, "queryCondition": "tags.site = 'Ulm'"})
	fired(t, platform, "AzureDeviceJobFinishedEvent", method, `"completed"`)
	if row := jobRow(t, platform, method); row["failedCount"] != 500.0 {
		t.Errorf("of devices that are offline the job is %v", row)
	}
	results := tableOf(t, platform, "QueryJobResults", map[string]any{"jobId": method, "maxItems": 1000})
	if len(results) != 500 || results[0]["status"] != "failed" || !strings.Contains(fmt.Sprint(results[0]["error"]), "DeviceNotOnline") {
		t.Errorf("%d results, the first %v", len(results), results[:min(1, len(results))])
	}

	later := hubCall[string](t, platform, "AzureIotDeviceJobScheduleTwinUpdateJob", map[string]any{
		"patch": map[string]any{"tags": map[string]any{"late": true}}, "startTime": time.Now().Add(time.Hour).UnixMilli(), "maxExecutionTimeInSeconds": 60})
	soon := hubCall[string](t, platform, "AzureIotDeviceJobScheduleTwinUpdateJob", map[string]any{
		"patch": map[string]any{"tags": map[string]any{"soon": true}}, "startTime": time.Now().Add(10 * time.Second).UnixMilli()})
	if row := jobRow(t, platform, later); row["status"] != "scheduled" || row["maxExecutionTimeInSeconds"] != 60.0 {
		t.Errorf("the job for later is %v", row)
	}
	platform.Call("Things/ConnectionServicesHub", "AzureIotDeviceJobCancelJob", map[string]any{"jobId": later})
	platform.Call("Things/ConnectionServicesHub", "AzureIotDeviceJobCancelJob", map[string]any{"jobId": later})
	if found := tableOf(t, platform, "AzureIotDeviceJobFindJobs", map[string]any{"jobStatus": "cancelled"}); len(found) != 1 || found[0]["jobId"] != later {
		t.Errorf("of cancelled jobs were found %v", found)
	}
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
	stack.ConnectAs("azx-1")
	fired(t, platform, "AzureDeviceJobFinishedEvent", soon, `"completed"`)
}

// hubCall calls a service of ConnectionServicesHub for its result.
func hubCall[T any](t *testing.T, platform *process.Platform, service string, with map[string]any) (result T) {
	t.Helper()
	raw, err := platform.Result("Things/ConnectionServicesHub", service, with)
	if err == nil {
		err = json.Unmarshal(raw, &result)
	}
	if err != nil {
		t.Fatalf("%s: %s %v", service, raw, err)
	}
	return result
}

// tableOf calls a service of ConnectionServicesHub for the rows of its result.
func tableOf(t *testing.T, platform *process.Platform, service string, with map[string]any) []map[string]any {
	t.Helper()
	answer, err := platform.TryCall("Things/ConnectionServicesHub", service, with)
	var result struct {
		Rows []map[string]any `json:"rows"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &result)
	}
	if err != nil {
		t.Fatalf("%s: %s %v", service, answer, err)
	}
	return result.Rows
}

func jobRow(t *testing.T, platform *process.Platform, id string) map[string]any {
	t.Helper()
	rows := tableOf(t, platform, "AzureIotDeviceJobGetJob", map[string]any{"jobId": id})
	if len(rows) != 1 {
		t.Fatalf("job %s has the rows %v", id, rows)
	}
	return rows[0]
}
