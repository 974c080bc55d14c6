package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF36AKeyThatIsRefusedIsTriedSlowlyAndANewOneIsTaken deletes the application key of a connector while it runs. A wrong
// key in its file does no harm meanwhile: it is tried before it is used.
func TestF36AKeyThatIsRefusedIsTriedSlowlyAndANewOneIsTaken(t *testing.T) {
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) {
		config["platform"].(map[string]any)["appKey"] = "${file:app-key}"
	}})
	r.WriteFile("app-key", []byte(r.AddApplicationKey("first")))
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	r.WriteFile("app-key", []byte("00000000-0000-0000-0000-000000000000"))
	r.Platform.Call("Resources/EntityServices", "DeleteApplicationKey", map[string]any{"name": "first"})
	c.Platform.Cut()
	c.UntilUnready(recovery, "platform accepts the key")
	before := c.Platform.Dials()
	r.Pass(5 * time.Second)
	if n := c.Platform.Dials() - before; n > 4 {
		t.Errorf("%d sign-ins with a wrong key in 5s", n)
	}
	r.WriteFile("app-key", []byte(r.AddApplicationKey("second")))
	c.UntilReady(recovery) // files are looked at every 5 seconds; a refused key is tried again once a minute, a new one at once
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
