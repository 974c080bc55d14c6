package faults

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF36AKeyThatIsRefusedIsTriedSlowlyAndANewOneIsTaken puts a wrong application key into its file while the connector runs.
func TestF36AKeyThatIsRefusedIsTriedSlowlyAndANewOneIsTaken(t *testing.T) {
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) {
		config["platform"].(map[string]any)["appKey"] = "${file:app-key}"
	}})
	file := filepath.Join(r.Dir, "app-key")
	r.WriteFile("app-key", []byte(r.Platform.AppKey))
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	if err := os.WriteFile(file, []byte("00000000-0000-0000-0000-000000000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Platform.Cut()
	c.UntilUnready(recovery, "platform accepts the key")
	before := c.Platform.Dials()
	r.Pass(5 * time.Second)
	if n := c.Platform.Dials() - before; n > 4 {
		t.Errorf("%d sign-ins with a wrong key in 5s", n)
	}
	if err := os.WriteFile(file, []byte(r.Platform.AppKey), 0o600); err != nil {
		t.Fatal(err)
	}
	c.UntilReady(90 * time.Second) // a refused key is tried again once a minute
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
