package faults

import (
	"strings"
	"testing"
	"time"

	"azx/internal/local/devices"
	"azx/test/rig"
)

// TestF31ADeviceThatIsLateOrAwayGivesTheCallerItsReason calls methods of a device that answers after the deadline, of one
// that is not connected, and of one that the hub does not know.
func TestF31ADeviceThatIsLateOrAwayGivesTheCallerItsReason(t *testing.T) {
	r, c, _ := start(t, rig.Options{Devices: 1, Edit: func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["methods"] = map[string]any{"responseTimeout": "5s"}
	}})
	r.AddDevice("late", func(_ *devices.Device, name string, payload []byte) (int, []byte) {
		if name == "late" {
			r.Pass(6 * time.Second)
		}
		return 200, payload
	})
	r.Run("hub", "device", "add", "asleep", "--dir", "hub")
	for _, thing := range []string{"late", "asleep", "nobody"} {
		r.AddDeviceThing(thing, rig.HubThing, "--service", "Late(n:INTEGER):JSON:late", "--service", "Echo(n:INTEGER):JSON:echo")
	}
	c.Run()
	for _, call := range []struct{ thing, service, says string }{
		{"late", "Late", "did not answer"}, {"asleep", "Late", "not connected"}, {"nobody", "Late", "no such device"},
	} {
		began := time.Now()
		_, err := r.Platform.TryCall("Things/"+call.thing, call.service, map[string]any{"n": 1})
		if err == nil || !strings.Contains(err.Error(), call.says) || time.Since(began) > 10*time.Second {
			t.Errorf("%s after %s: %v, want that it says %q", call.thing, time.Since(began), err, call.says)
		}
	}
	r.Pass(1500 * time.Millisecond) // in which the late answer comes
	answer, err := r.Platform.TryCall("Things/late", "Echo", map[string]any{"n": 2})
	if err != nil || !strings.Contains(string(answer), `"n":2`) {
		t.Errorf("the call after the late answer: %s, %v", answer, err)
	}
	c.End(0)
	r.Judge()
}
