package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF46FiftyReloadsUnderLoadLoseAndRepeatNothing has the connector read a good, a bad and a half-written file in turn.
func TestF46FiftyReloadsUnderLoadLoseAndRepeatNothing(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	file := filepath.Join(r.Dir, c.Name+".yaml")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	events := func() int { return strings.Count(c.Stderr(), "event=settings-") }
	for n := range 50 {
		content := []byte(strings.Replace(string(good), "extensions: azx", fmt.Sprintf("extensions: azx\n      writeWindow: %dms", 20+n), 1))
		switch n % 3 {
		case 1:
			content = append(content, "lans: 8\n"...)
		case 2:
			content = content[:len(content)/2]
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		before := events()
		c.Hangup()
		c.Until(recovery, "the hang-up is heard", func() error {
			if events() == before {
				return fmt.Errorf("hang-up %d: nothing is said", n)
			}
			return nil
		})
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Pass(time.Second)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again", n)
	}
}
