package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF19APlatformThatIsDownOrSlowIsWaitedFor starts the connector before the platform, restarts the platform, and has it
// answer slowly.
func TestF19APlatformThatIsDownOrSlowIsWaitedFor(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	r.StopPlatform()
	load := r.Load(300)
	c.Start()
	c.UntilUnready(recovery, "platform connected")
	r.StartPlatformAgain()
	c.Ready(recovery)
	r.Grows(recovery, 300)

	r.StopPlatform()
	c.UntilUnready(recovery, "platform connected")
	r.StartPlatformAgain()
	c.UntilReady(recovery)
	r.Grows(recovery, 300)

	c.Platform.Set(rig.Weather{Latency: 700 * time.Millisecond})
	r.Grows(recovery, 300)
	c.Platform.Clear()
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
