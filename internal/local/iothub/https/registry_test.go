package https

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"azx/internal/local/iothub"
)

func TestADeviceIsCreatedOnceAndChangedWithItsETag(t *testing.T) {
	c := newCaller(t)
	var made, changed identityDocument
	first := c.owner("PUT /devices/d1", `{"deviceId": "d1", "status": "enabled", "capabilities": {"iotEdge": true}}`).is(200, &made)
	if !made.Capabilities.IoTEdge || made.Authentication.Type != "sas" || made.DeviceScope == "" || made.LastActivityTime != "0001-01-01T00:00:00" {
		t.Errorf("got %+v", made)
	}
	if etag := first.Header()["ETag"]; len(etag) != 1 || etag[0] != `"`+made.ETag+`"` {
		t.Errorf("ETag %q of %s", etag, made.ETag)
	}
	c.owner("PUT /devices/d1", `{"deviceId": "d1"}`).refuses(409, "DeviceAlreadyExists", "ErrorCode:DeviceAlreadyExists;")
	c.owner("PUT /devices/d1", `{"deviceId": "d1", "status": "disabled"}`, "If-Match", `"`+made.ETag+`"`).is(200, &changed)
	if changed.Status != "disabled" || changed.ETag == made.ETag || !reflect.DeepEqual(changed.Authentication, made.Authentication) {
		t.Errorf("got %+v", changed)
	}
	c.owner("PUT /devices/d1", `{"deviceId": "d1"}`, "If-Match", `"`+made.ETag+`"`).refuses(412, "PreconditionFailed", "ErrorCode:PreconditionFailed;")
	c.owner("PUT /devices/d2", `{"deviceId": "d2"}`, "If-Match", `"*"`).refuses(404, "DeviceNotFound", "ErrorCode:DeviceNotFound;")
	c.owner("DELETE /devices/d1", "", "If-Match", `"`+made.ETag+`"`).refuses(412, "PreconditionFailed", "")
	c.owner("DELETE /devices/d1", "", "If-Match", `"*"`).is(204, nil)
	c.owner("GET /devices/d1", "").refuses(404, "DeviceNotFound", "")
}

func TestIdentitiesAreChecked(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	for name, r := range map[string]struct{ line, body, want string }{
		"not JSON":                     {"PUT /devices/d2", "{", "body"},
		"another id":                   {"PUT /devices/d2", `{"deviceId": "d3"}`, `the body is about \"d3\"`},
		"a module at a device":         {"PUT /devices/d2", `{"deviceId": "d2", "moduleId": "m"}`, "the path about"},
		"an unknown status":            {"PUT /devices/d2", `{"deviceId": "d2", "status": "asleep"}`, "enabled or disabled"},
		"a key that is none":           {"PUT /devices/d2", `{"deviceId": "d2", "authentication": {"symmetricKey": {"primaryKey": "?"}}}`, "base64"},
		"a list of nothing":            {"GET /devices?api-version=2021-04-12&top=0", "", "1 to 1000"},
		"a list of too many":           {"GET /devices?api-version=2021-04-12&top=1001", "", "1 to 1000"},
		"a bulk that is no list":       {"POST /devices", `{}`, "body"},
		"a bulk of nothing":            {"POST /devices", `[]`, "want 1 to 100"},
		"a bulk of 101":                {"POST /devices", "[" + strings.Repeat(`{"id": "x"},`, 100) + `{"id": "x"}]`, "want 1 to 100"},
		"a bulk with a wrong entry":    {"POST /devices", `[{"id": 5}]`, "entry"},
		"a bulk with wrong tags":       {"POST /devices", `[{"id": "x", "tags": 1}]`, "tags"},
		"a bulk without a twin's etag": {"POST /devices", `[{"id": "d1", "importMode": "updateTwinIfMatchETag", "eTag": "x"}]`, "twinETag"},
		"a twin that is a list":        {"PATCH /twins/d1", `[]`, "object"},
		"a query that is none":         {"POST /devices/query", `{"query": "hello"}`, "want SELECT"},
		"a page of 1001":               {"POST /devices/query", `{"query": "SELECT * FROM devices"}`, "1 to 1000"},
		"a strange continuation":       {"POST /devices/query", `{"query": "SELECT * FROM devices"}`, "continuation"},
		"a method of 4 seconds":        {"POST /twins/d1/methods", `{"methodName": "m", "responseTimeoutInSeconds": 4}`, "want 5s to 5m0s"},
		"a method of an eternity":      {"POST /twins/d1/methods", `{"methodName": "m", "connectTimeoutInSeconds": 9223372036854775807}`, "want 0 to 5m0s"},
		"a method without a name":      {"POST /twins/d1/methods", `{}`, "method name"},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			switch name {
			case "a page of 1001":
				header = []string{"x-ms-max-item-count", "1001"}
			case "a strange continuation":
				header = []string{"x-ms-continuation", "abc"}
			}
			got := c.owner(r.line, r.body, header...).refuses(400, "ArgumentInvalid", "ErrorCode:ArgumentInvalid;")
			if !strings.Contains(got.Body.String(), r.want) {
				t.Errorf("got %s, want %q", got.Body, r.want)
			}
		})
	}
}

func TestModulesAreIdentitiesOfTheirDevice(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	var module identityDocument
	text := c.owner("PUT /devices/d1/modules/m1", `{"deviceId": "d1", "moduleId": "m1"}`).is(200, &module).Body.String()
	if module.ModuleID != "m1" || strings.Contains(text, `"status"`) {
		t.Errorf("got %s", text)
	}
	c.owner("PUT /devices/no/modules/m1", `{"deviceId": "no", "moduleId": "m1"}`).refuses(404, "DeviceNotFound", "")
	c.owner("PUT /devices/d1/modules/m1", `{"deviceId": "d1", "moduleId": "m1"}`).refuses(409, "ModuleAlreadyExistsOnDevice", "")
	c.owner("GET /devices/d1/modules/no", "").refuses(404, "ModuleNotFound", `"errorCode":404010`)
	var list []identityDocument
	c.owner("GET /devices/d1/modules", "").is(200, &list)
	if len(list) != 1 || list[0].ETag != module.ETag {
		t.Errorf("got %+v", list)
	}
	list = nil
	c.owner("GET /devices", "").is(200, &list)
	if len(list) != 1 || list[0].ModuleID != "" {
		t.Errorf("devices: %+v", list)
	}
	c.owner("DELETE /devices/d1/modules/m1", "").is(204, nil)
}

func TestABulkSaysWhatFailed(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	var result bulkResult
	c.owner("POST /devices", `[{"id": "d1", "importMode": "create"}, {"id": "d2", "importMode": "Create", "tags": {"a": 1}, "properties": {"desired": {"b": 2}}},
		{"id": "d2", "moduleId": "m", "importMode": "create"}, {"id": "d1", "importMode": "UPDATETWIN", "tags": {"c": 3}}, {"id": "d1", "importMode": "dance"}]`).is(400, &result)
	if got := fmt.Sprintln(result.IsSuccessful, len(result.Errors), result.Errors[0].DeviceID, result.Errors[0].ErrorCode, result.Errors[1].ErrorCode); got != "false 2 d1 DeviceAlreadyExists ArgumentInvalid\n" {
		t.Errorf("got %s: %+v", got, result)
	}
	for id, want := range map[string]string{"d1": `map[c:3] map[]`, "d2": `map[a:1] map[b:2]`} {
		twin, err := c.hub.Twin(iothub.ID{Device: id})
		if got := fmt.Sprint(twin.Tags, twin.Desired.Values); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", id, got, err, want)
		}
	}
}

func TestATwinChangesInBulkOnlyIfItsETagMatches(t *testing.T) {
	c := newCaller(t)
	d := c.device("d1")
	twin, err := c.hub.Twin(d.ID)
	if err != nil {
		t.Fatal(err)
	}
	change := `[{"id": "d1", "importMode": "updateTwinIfMatchETag", "eTag": "x", "twinETag": "` + twin.ETag + `", "tags": {"a": 1}}]`
	c.owner("POST /devices", change).is(200, nil)
	var result bulkResult
	c.owner("POST /devices", change).is(400, &result)
	if len(result.Errors) != 1 || result.Errors[0].ErrorCode != "PreconditionFailed" {
		t.Errorf("got %+v", result)
	}
}

func TestDevicesAreCounted(t *testing.T) {
	c := newCaller(t)
	d := c.device("d1")
	c.add(iothub.Spec{ID: iothub.ID{Device: "d2"}, Disabled: true})
	c.add(iothub.Spec{ID: iothub.ID{Device: "d1", Module: "m"}})
	session, err := c.hub.Enter(iothub.Principal{ID: d.ID, GenerationID: d.GenerationID, Rights: iothub.DeviceConnect}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Leave()
	counts := map[string]int{}
	c.owner("GET /statistics/devices", "").is(200, &counts)
	c.owner("GET /statistics/service", "").is(200, &counts)
	if got := fmt.Sprint(counts); got != "map[connectedDeviceCount:1 disabledDeviceCount:1 enabledDeviceCount:1 totalDeviceCount:2]" {
		t.Errorf("got %s", got)
	}
}

func TestTwinsArePatchedAndReplaced(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	type document struct {
		ETag, DeviceID string
		Tags           map[string]any
		Properties     struct{ Desired map[string]any }
	}
	var before, after document
	c.owner("PATCH /twins/d1", `{"tags": {"a": 1, "b": {"x": 1}}, "properties": {"desired": {"rate": 5}}}`).is(200, &before)
	c.owner("PATCH /twins/d1", `{"tags": {"a": null, "b": {"y": 2}}}`, "If-Match", `"`+before.ETag+`"`).is(200, &after)
	if got := fmt.Sprint(after.Tags, after.Properties.Desired["rate"], after.Properties.Desired["$version"]); got != "map[b:map[x:1 y:2]] 5 2" {
		t.Errorf("patched to %s", got)
	}
	c.owner("PUT /twins/d1", `{"tags": {}}`, "If-Match", `"`+before.ETag+`"`).refuses(412, "PreconditionFailed", "")
	answer := c.owner("PUT /twins/d1", `{"deviceId": "d1", "tags": {"c": 1.50}}`)
	after = document{}
	answer.is(200, &after)
	if !strings.Contains(answer.Body.String(), `"tags":{"c":1.50}`) || answer.Header()["ETag"][0] != `"`+after.ETag+`"` {
		t.Errorf("replaced by %s, ETag %s", answer.Body, answer.Header()["ETag"])
	}
	c.owner("GET /twins/no", "").refuses(404, "DeviceNotFound", "")
	c.owner("GET /twins/d1/modules/no", "").refuses(404, "ModuleNotFound", "")
}

func TestAQueryGoesFromPageToPage(t *testing.T) {
	c := newCaller(t)
	for i := range 25 {
		c.device(fmt.Sprintf("d%02d", i))
	}
	c.add(iothub.Spec{ID: iothub.ID{Device: "d00", Module: "m"}})
	const body = `{"query": "SELECT deviceId FROM devices WHERE deviceId >= 'd01'"}`
	var found []string
	for next, pages := "", 0; ; pages++ {
		var rows []struct{ DeviceID string }
		page := c.owner("POST /devices/query", body, "x-ms-max-item-count", "10", "x-ms-continuation", next).is(200, &rows)
		for _, row := range rows {
			found = append(found, row.DeviceID)
		}
		if got := page.Header()["x-ms-item-type"]; got[0] != "Raw" {
			t.Errorf("x-ms-item-type %s", got)
		}
		continuation := page.Header()["x-ms-continuation"]
		if continuation == nil {
			break
		}
		if next = continuation[0]; pages > 5 {
			t.Fatal("there is no end")
		}
	}
	if len(found) != 24 || found[0] != "d01" || found[23] != "d24" {
		t.Errorf("found %s", found)
	}
	var modules []json.RawMessage
	page := c.owner("POST /devices/query", `{"query": "SELECT * FROM devices.modules WHERE moduleId = 'm'"}`).is(200, &modules)
	if len(modules) != 1 || page.Header()["x-ms-item-type"][0] != "Twin" {
		t.Errorf("modules: %s", page.Body)
	}
}
