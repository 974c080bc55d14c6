package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF02AfterAStopReadingGoesOnWhereItWas starts the connector again without new messages, then with some.
func TestF02AfterAStopReadingGoesOnWhereItWas(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(500)
	r.Grows(recovery, 500)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	c.Run()
	r.Pass(2 * time.Second) // longer than it takes to read what comes again
	c.End(0)
	c.Run()
	load = r.Load(500)
	r.Grows(recovery, 500)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again after stops that had nothing in flight", n)
	}
}
