package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF21AReplyThatIsLostOrLateCostsOneRepeatAtMost has the platform take requests whose answers do not arrive, or arrive
// when nobody waits for them any more; then all answers come twice, and besides some to requests that nobody sent.
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

	dialled := c.Platform.Dials()
	c.Platform.DoubleReplies(true) // which resets both sockets
	c.Until(recovery, "both sockets are connected anew", func() error {
		if n := c.Platform.Dials() - dialled; n < 2 {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	r.Grows(recovery, 300) // what the reset cost is over
	again, dials := r.Repeats(), c.Platform.Dials()
	r.Grows(recovery, 600)
	if again, dials = r.Repeats()-again, c.Platform.Dials()-dials; again > 0 || dials > 0 || c.Platform.Doubled() < 20 {
		t.Errorf("%d replies came twice: %d messages were written again, %d connections made anew", c.Platform.Doubled(), again, dials)
	}
	c.Platform.DoubleReplies(false)
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
