package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF16ConnectorsThatComeAndGoLoseNothing has one of three leave, or come back, every five seconds.
func TestF16ConnectorsThatComeAndGoLoseNothing(t *testing.T) {
	r, _, chance := start(t, rig.Options{Connectors: 3, Shared: true, Hub: []string{"--partitions", "8"}})
	for _, c := range r.Connectors {
		c.Run()
	}
	load := r.Load(300)
	changes := scale(6, 24)
	for range changes {
		r.Pass(5 * time.Second)
		c := r.Connectors[1+chance.IntN(2)] // the first one stays
		if c.Ended() {
			c.Run()
		} else {
			c.End(0)
		}
	}
	r.Grows(recovery, 300)
	load.Stop()
	r.Quiet(recovery)
	for id, n := range r.Shared.Moves() {
		if n > changes+3 {
			t.Errorf("partition %s changed its owner %d times, and connectors came and went %d times", id, n, changes)
		}
	}
	for _, c := range r.Connectors {
		if !c.Ended() {
			c.End(0)
		}
	}
	r.Judge()
}
