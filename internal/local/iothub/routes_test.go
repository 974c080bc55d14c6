package iothub

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// logged are the events of the hub's one partition.
func logged(t *testing.T, h *Hub) []*Event {
	t.Helper()
	events, _, _, err := h.Poll(0, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func mustRoute(t *testing.T, h *Hub, r Routing) {
	t.Helper()
	if err := h.SetRouting(r); err != nil {
		t.Fatal(err)
	}
}

func TestRoutesDecideWhatReadersSee(t *testing.T) {
	telemetry := func(condition, endpoint string) Route {
		return Route{Name: condition + endpoint, Source: "DeviceMessages", Condition: condition, Endpoint: endpoint}
	}
	for name, c := range map[string]struct {
		routing Routing
		seen    string // bodies
	}{
		"a new hub has the fallback alone":             {Routing{Fallback: true}, "hot cold"},
		"a route elsewhere starves the endpoint":       {Routing{Routes: []Route{telemetry("true", "storage")}}, ""},
		"also with the fallback, which takes the rest": {Routing{Routes: []Route{telemetry("level = 'hot'", "storage")}, Fallback: true}, "cold"},
		"without the fallback the rest is gone":        {Routing{Routes: []Route{telemetry("level = 'hot'", "")}}, "hot"},
		"two routes that fit, one message":             {Routing{Routes: []Route{telemetry("true", "events"), telemetry("level='hot'", "events")}}, "hot cold"},
		"a route to both":                              {Routing{Routes: []Route{telemetry("true", "events"), telemetry("true", "storage")}}, "hot cold"},
		"a system property":                            {Routing{Routes: []Route{telemetry(`$connectionDeviceId = "d1"`, "")}}, "hot cold"},
		"a system property of another value":           {Routing{Routes: []Route{telemetry(`$contentType = "text/plain"`, "")}}, ""},
		"a route of another source":                    {Routing{Routes: []Route{{Name: "twins", Source: "TwinChangeEvents"}}, Fallback: true}, "hot cold"},
		"no route and no fallback":                     {Routing{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Config{Partitions: 1})
			d := mustAdd(t, h, ID{Device: "d1"})
			mustRoute(t, h, c.routing)
			for _, level := range []string{"hot", "cold"} {
				if _, err := h.Accept(principalOf(d), Message{Body: []byte(level), Properties: map[string]string{"level": level}}); err != nil {
					t.Fatal(err)
				}
			}
			var seen []string
			for _, e := range logged(t, h) {
				seen = append(seen, string(e.Body))
			}
			if got := strings.Join(seen, " "); got != c.seen {
				t.Errorf("readers see %q, want %q", got, c.seen)
			}
			if n := h.Accepted()[d.ID]; n != 2 {
				t.Errorf("accepted %d", n)
			}
		})
	}
}

func TestRoutesAreChecked(t *testing.T) {
	h := newHub(t, Config{})
	for _, bad := range []Route{
		{Source: "DeviceMessages"},
		{Name: "r"},
		{Name: "r", Source: "Telemetry"},
		{Name: "r", Source: "DeviceMessages", Condition: "false"},
		{Name: "r", Source: "DeviceMessages", Condition: "a = 1"},
		{Name: "r", Source: "DeviceMessages", Condition: "a = 'x' AND b = 'y'"},
		{Name: "r", Source: "DeviceMessages", Condition: "a != 'x'"},
		{Name: "r", Source: "DeviceMessages", Condition: "$body.a = 'x'"},
		{Name: "r", Source: "DeviceMessages", Condition: "= 'x'"},
	} {
		wantCode(t, h.AddRoute(bad), ArgumentInvalid)
	}
	for i := range maxRoutes {
		if err := h.AddRoute(Route{Name: fmt.Sprint(i), Source: "DeviceMessages"}); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, h.AddRoute(Route{Name: "more", Source: "DeviceMessages"}), ArgumentInvalid)
}

func TestRoutesOutliveTheHub(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	h := newHub(t, cfg)
	if err := h.AddRoute(Route{Name: "twins", Source: "TwinChangeEvents"}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, h)
	h = newHub(t, cfg)
	if r := h.Routing(); len(r.Routes) != 1 || !r.Fallback {
		t.Fatalf("got %+v", r)
	}
	if err := h.RemoveRoute("twins"); err != nil || len(h.Routing().Routes) != 0 {
		t.Fatalf("%v, %+v", err, h.Routing())
	}
	var r Routing
	if err := json.Unmarshal([]byte(`{"routes":[]}`), &r); err != nil || !r.Fallback {
		t.Errorf("a routing that says nothing of the fallback: %+v, %v", r, err)
	}
}

func TestEventsOfTheHub(t *testing.T) {
	h := newHub(t, Config{Partitions: 1, Host: "plant1.azure-devices.net"})
	quiet := mustAdd(t, h, ID{Device: "quiet"})
	if _, err := h.PatchTwin(quiet.ID, "", TwinUpdate{Tags: map[string]any{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	if n := len(logged(t, h)); n != 0 {
		t.Fatalf("a new hub has no route for events, and %d events", n)
	}
	mustRoute(t, h, Routing{Fallback: true, Routes: []Route{
		{Name: "t", Source: "TwinChangeEvents"}, {Name: "l", Source: "DeviceLifecycleEvents"}, {Name: "c", Source: "DeviceConnectionStateEvents"}}})
	d := mustAdd(t, h, ID{Device: "d1"})
	mustAdd(t, h, ID{Device: "d1", Module: "m1"})
	s := online(t, h, d)
	if _, err := h.PatchTwin(d.ID, "", TwinUpdate{Tags: map[string]any{"a": "b"}, Desired: map[string]any{"x": "y"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ReplaceTwin(d.ID, "", TwinUpdate{Desired: map[string]any{"z": "y"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.PatchReported(principalOf(d), []byte(`{"r":null,"s":1}`)); err != nil {
		t.Fatal(err)
	}
	s.Leave()
	if err := h.Registry().Remove(d.ID); err != nil {
		t.Fatal(err)
	}
	const at = `"$lastUpdated":"2026-11-22T12:00:00.0000000Z"`
	for i, want := range []struct{ source, schema, operation, module, body string }{
		{SourceLifecycle, "deviceLifecycleNotification", "createDeviceIdentity", "", `"deviceId":"d1"`},
		{SourceLifecycle, "deviceLifecycleNotification", "createModuleIdentity", "m1", `"moduleId":"m1"`},
		{SourceConnectionState, "deviceConnectionStateNotification", "deviceConnected", "", `{"sequenceNumber":"0`},
		{SourceTwinChange, "twinChangeNotification", "updateTwin", "", `{"properties":{"desired":{"$metadata":{` + at + `,"$lastUpdatedVersion":2,"x":{` + at + `,"$lastUpdatedVersion":2}},"$version":2,"x":"y"}},"tags":{"a":"b"},"version":3}`},
		{SourceTwinChange, "twinChangeNotification", "replaceTwin", "", `{"properties":{"desired":{"$metadata":{` + at + `,"$lastUpdatedVersion":3,"z":{` + at + `,"$lastUpdatedVersion":3}},"$version":3,"z":"y"}},"version":4}`},
		{SourceTwinChange, "twinChangeNotification", "updateTwin", "", `{"properties":{"reported":{"$metadata":{` + at + `,"s":{` + at + `}},"$version":2,"r":null,"s":1}},"version":5}`},
		{SourceConnectionState, "deviceConnectionStateNotification", "deviceDisconnected", "", `{"sequenceNumber":"0`},
		{SourceLifecycle, "deviceLifecycleNotification", "deleteDeviceIdentity", "", `"version":5`},
		{SourceLifecycle, "deviceLifecycleNotification", "deleteModuleIdentity", "m1", `"moduleId":"m1"`},
	} {
		events := logged(t, h)
		if i >= len(events) {
			t.Fatalf("only %d events", len(events))
		}
		e := events[i]
		p := e.Properties
		if e.Source != want.source || p["opType"] != want.operation || p["iothub-message-schema"] != want.schema || p["moduleId"] != want.module ||
			p["deviceId"] != "d1" || p["hubName"] != "plant1" || p["operationTimestamp"] != "2026-11-22T12:00:00.0000000Z" ||
			e.ContentType != "application/json" || e.ContentEncoding != "utf-8" || e.From.Device != "d1" {
			t.Errorf("event %d is %+v", i, e)
		}
		if !strings.Contains(string(e.Body), want.body) {
			t.Errorf("event %d has the body\n%s\nwant\n%s", i, e.Body, want.body)
		}
	}
	events := logged(t, h)
	if first, second := string(events[2].Body), string(events[6].Body); len(first) != len(`{"sequenceNumber":""}`)+64 || first >= second {
		t.Errorf("sequence numbers do not grow: %s, %s", first, second)
	}
}
