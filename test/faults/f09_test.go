package faults

import (
	"testing"

	"azx/test/rig"
)

// TestF09AHubThatEndsItsConnectionsIsReadOn restarts the hub, and resets its connections again and again.
func TestF09AHubThatEndsItsConnectionsIsReadOn(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(300)
	for range 4 {
		r.Grows(recovery, 200)
		if c.AMQP.Cut() == 0 {
			t.Error("there was no connection")
		}
	}
	load.Stop()
	r.Quiet(recovery)
	r.RestartHub()
	load = r.Load(300)
	r.Grows(2*recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again although the process did not end", n)
	}
}
