package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF17AHubThatFailsOverIsReadOnAtItsNewEndpoint has the hub fail over once all is written, since what it has not passed on by
// then is gone with the old region. Messages come at the new one before its consumer group is made, and are to be written
// although the connector is told to begin with the latest.
func TestF17AHubThatFailsOverIsReadOnAtItsNewEndpoint(t *testing.T) {
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) { config["hubs"].([]any)[0].(map[string]any)["start"] = "latest" }})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	load.Stop()
	r.Quiet(recovery)
	r.Saved(recovery)
	before := c.Folder()

	r.FailOver()
	load = r.Load(300)
	c.Until(30*time.Second, "it finds the new endpoint", func() error { return c.Logged("event=hub-moved") })
	c.Until(30*time.Second, "it says what to make there", func() error {
		return c.Logged("event=hub-group-missing", "az iot hub consumer-group create")
	})
	c.UntilUnready(5*time.Second, "consumer group")
	r.MakeGroup()
	r.Grows(2*recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()

	c.Run() // where the new log was left, and not where the old one was
	load = r.Load(300)
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again", n)
	}
	for file, text := range c.Folder() {
		if was, old := before[file]; old && was != text {
			t.Errorf("a checkpoint of the old log was %s, and is %s", was, text)
		}
		delete(before, file)
	}
	if len(before) > 0 {
		t.Errorf("checkpoints of the old log are gone: %v", before)
	}
}
