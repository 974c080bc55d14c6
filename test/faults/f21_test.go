package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF21AReplyThatIsLostOrLateCostsOneRepeatAtMost has the platform take requests whose answers do not arrive, or arrive
// when nobody waits for them any more.
func TestF21AReplyThatIsLostOrLateCostsOneRepeatAtMost(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	before := r.Repeats()
	c.Platform.CutAfter(rig.Back, 0)
	r.Grows(recovery, 200)
	lost := r.Repeats() - before
	if lost > 300 {
		t.Errorf("%d messages were written again after one connection's replies were lost", lost)
	}
	c.Platform.Set(rig.Weather{Hole: rig.Back})
	r.Pass(2500 * time.Millisecond) // requestTimeout is 2s: the answers come after it
	c.Platform.Clear()
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
