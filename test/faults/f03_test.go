package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF03AStopUnderLoadDrainsAndRepeatsNothing ends the connector while requests are on their way to a platform that is far.
func TestF03AStopUnderLoadDrainsAndRepeatsNothing(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(500)
	r.Grows(recovery, 500)
	for range scale(1, 3) {
		c.Platform.Set(rig.Weather{Latency: 400 * time.Millisecond})
		r.Pass(time.Second)
		c.Terminate()
		began := time.Now()
		c.UntilUnready(2*time.Second, "")
		if code := c.Wait(6 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		t.Logf("drained in %s", time.Since(began).Round(time.Millisecond))
		c.Platform.Clear()
		c.Run()
		r.Grows(recovery, 500)
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again after stops that drained", n)
	}
}
