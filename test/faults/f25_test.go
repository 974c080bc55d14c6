package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF25AnInstanceOfThePlatformThatDiesOrHangsIsLeftForTheOther has a platform with two addresses, as a cluster has, of
// which one after the other dies, hangs with requests in it, or takes requests and answers none.
func TestF25AnInstanceOfThePlatformThatDiesOrHangsIsLeftForTheOther(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	other := r.SecondInstance(c)
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	instances := []*rig.Wire{c.Platform, other}
	for n := range scale(2, 12) {
		ill, well := instances[n%2], instances[(n+1)%2]
		weather := []rig.Weather{{Refuse: true}, {Hole: rig.Out, Refuse: true}, {Hole: rig.Back, Refuse: true}}[n%3]
		ill.Set(weather)
		if weather.Hole == 0 {
			ill.Cut()
		}
		c.Until(recovery, "the other instance has its connections", func() error { return more(well.Open(), 1) })
		r.Grows(recovery, 300)
		ill.Cut() // what hung in it is gone with it
		ill.Clear()
		r.Pass(scale(time.Duration(0), 2*time.Second))
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
