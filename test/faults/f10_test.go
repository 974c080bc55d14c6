package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF10ARequestThatVanishesIsNoticedWithinItsTime has what goes to the platform vanish while the other way works.
func TestF10ARequestThatVanishesIsNoticedWithinItsTime(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	c.Platform.Set(rig.Weather{Hole: rig.Out})
	dials := c.Platform.Dials()
	c.Until(5*time.Second, "the connection is given up", func() error { return dialled(c.Platform, dials) }) // requestTimeout is 2s
	c.UntilUnready(5*time.Second, "platform connected")
	c.Platform.Clear()
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
