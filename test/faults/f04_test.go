package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF04AStopWithADeadPlatformEndsAtTheDeadline leaves what is in flight for the next start.
func TestF04AStopWithADeadPlatformEndsAtTheDeadline(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(500)
	r.Grows(recovery, 500)
	c.Platform.Set(rig.Weather{Hole: rig.Both})
	r.Pass(2 * time.Second) // in which a checkpoint is saved that must not pass what the hole has
	load.Stop()
	c.Terminate()
	began := time.Now()
	if code := c.Wait(13 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took < 8*time.Second {
		t.Errorf("it ended after %s, with messages in flight and a deadline of 10s", took)
	}
	if err := c.Logged("event=drain-timeout"); err != nil {
		t.Error(err)
	}
	c.Platform.Cut()
	c.Platform.Clear()
	c.Run()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
