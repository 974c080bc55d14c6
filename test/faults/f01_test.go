package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF01AConnectorKilledTwentyTimesLosesNothing kills it at random moments while messages come in.
func TestF01AConnectorKilledTwentyTimesLosesNothing(t *testing.T) {
	r, c, chance := start(t, rig.Options{})
	load := r.Load(500)
	for range 20 {
		c.Start()
		r.Pass(between(chance, 100*time.Millisecond, 900*time.Millisecond))
		c.Crash()
	}
	c.Run()
	r.Grows(recovery, 500)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
