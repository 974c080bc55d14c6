package conformance

import (
	"strings"
	"testing"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// TestADeviceOverHTTPSSendsAndReceives runs Microsoft's HTTPS transport, with a back end of the service SDK at the other
// end, and reads the events with azeventhubs.
func TestADeviceOverHTTPSSendsAndReceives(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	id := iothub.ID{Device: deviceNames[1]} // in partition 0
	child := process.Start(t, h.throughHTTPS("device_http.js", "AZX_CONNECTION="+h.add(id), "AZX_SERVICE="+h.service.String(),
		"AZX_DEVICE="+id.Device, "AZX_RUN="+h.mark))
	if code := child.Wait(3 * patience); code != 0 {
		t.Fatalf("exit code %d: %s", code, child.Stderr())
	}
	if got, want := strings.TrimSpace(child.Stdout()), `["abandon-1 Success","complete-1 Success","reject-1 Rejected"]`; got != want {
		t.Errorf("feedback %s, want %s", got, want)
	}

	events := h.receive(h.reader(h.consumer(group), "0", nil), 4)
	for i, want := range []struct{ body, property, value string }{
		{`{"sequence":0}`, "line", "a/b"},
		{`{"sequence":1}`, "Line", "b 1"},
		{`{"sequence":2}`, "Line", "b 2"},
		{`{"sequence":3}`, "Line", "b 3"},
	} {
		if e := events[i]; string(e.Body) != want.body || e.Properties[want.property] != want.value {
			t.Errorf("event %d is %s with %v, want %+v", i, e.Body, e.Properties, want)
		}
	}
	first := events[0]
	if *first.MessageID != "m-0" || first.CorrelationID != "c-0" || *first.ContentType != "application/json" ||
		first.SystemProperties["iothub-connection-device-id"] != id.Device ||
		first.Properties["iothub-creation-time-utc"] != "2026-01-02T03:04:05.678Z" {
		t.Errorf("the first event has %v and %v", first.SystemProperties, first.Properties)
	}
}
