package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF35TokensThatLastSecondsLeaveNoGap has the clock of the hub, once it is read, jump so far ahead that of a token's
// hour seconds are left when it gets there.
func TestF35TokensThatLastSecondsLeaveNoGap(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	r.SetClock(time.Hour - 20*time.Second)
	r.FollowHub()
	r.Grows(4*recovery, 300)
	began := time.Now()
	load.For(scale(time.Minute, 5*time.Minute))
	load.Stop()
	r.Verify(recovery)
	gap := r.LongestGap(began)
	t.Logf("the longest time between two values of a Thing was %s", gap)
	if gap > 2*time.Second {
		t.Errorf("%s between two values of a Thing", gap)
	}
	c.End(0)
	r.Judge()
}
