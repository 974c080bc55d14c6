package faults

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"azx/test/process"
	"azx/test/rig"
)

// TestF37AHubThatCannotShowWhoItIsIsNotSpokenTo has the connector trust another authority than the hub's, until its file is
// replaced.
func TestF37AHubThatCannotShowWhoItIsIsNotSpokenTo(t *testing.T) {
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["caFile"] = "trusted.pem"
	}})
	right, err := os.ReadFile(r.Hub.CA)
	if err != nil {
		t.Fatal(err)
	}
	other := process.NewPlatform(t, azx) // a stack whose hub is another one
	other.Start("hub", "--dir", "hub", "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0").UntilPrinted(time.Minute, "ready")
	other.ReadHub()
	wrong, err := os.ReadFile(other.Hub.CA)
	if err != nil {
		t.Fatal(err)
	}
	trusted := filepath.Join(r.Dir, "trusted.pem")
	if err := os.WriteFile(trusted, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	load := r.Load(300)
	c.Start()
	c.Until(recovery, "it says what is wrong with the certificate", func() error { return c.Logged("certificate", "hint=") })
	r.Pass(3 * time.Second)
	if n := r.Written(); n > 0 {
		t.Errorf("%d messages came from a hub that is not trusted", n)
	}
	if err := os.WriteFile(trusted, right, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Ready(2 * recovery)
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
