package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF29AWriteThatCannotReachItsDeviceIsRefusedInTime fills the queue of a device that is not there, and writes to one
// that the hub does not know.
func TestF29AWriteThatCannotReachItsDeviceIsRefusedInTime(t *testing.T) {
	r, c, _ := start(t, rig.Options{Devices: 1})
	r.Run("hub", "device", "add", "asleep", "--dir", "hub")
	r.AddDeviceThing("asleep", rig.HubThing, "--property", "target:INTEGER")
	r.AddDeviceThing("nobody", rig.HubThing, "--property", "target:INTEGER")
	c.Run()
	write := func(thing string, value int) error {
		began := time.Now()
		err := r.Platform.WriteProperty(thing, "target", value)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("the caller waited %s", took)
		}
		return err
	}
	var refused error
	n := 0
	for ; n < 60 && refused == nil; n++ {
		refused = write("asleep", n)
	}
	if refused == nil || !strings.Contains(fmt.Sprint(refused), "queue") || n < 51 {
		t.Errorf("write %d: %v, want that the queue of 50 is full", n, refused)
	}
	if err := write("nobody", 1); err == nil || !strings.Contains(err.Error(), "device") {
		t.Errorf("a device that the hub does not know: %v", err)
	}
	c.End(0)
	r.Judge()
}
