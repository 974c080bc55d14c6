package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF43WithFewDescriptorsItRunsAndWithTooFewItSaysSo limits what the connector may have open.
func TestF43WithFewDescriptorsItRunsAndWithTooFewItSaysSo(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	limited := func(files string) []string {
		return []string{"bash", "-c", "ulimit -n " + files + `; exec "$@"`, "limited"}
	}
	c.Wrap = limited("64")
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	for range 3 {
		c.AMQP.Cut()
		c.Platform.Cut()
		r.Grows(recovery, 200)
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	c.Wrap = limited("12")
	c.Start()
	c.Until(recovery, "it says what is short", func() error { return c.Logged("too many open files") })
	if !c.Ended() {
		c.Terminate()
	}
	c.Wait(15 * time.Second)
	r.Judge()
}
