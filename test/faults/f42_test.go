package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF42AFullDiskStopsWhatNeedsItAndItGoesOnByItself has the quarantine, and later the checkpoints, meet a disk without
// room: /dev/full is one.
func TestF42AFullDiskStopsWhatNeedsItAndItGoesOnByItself(t *testing.T) {
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) { config["memory"] = "1MiB" }})
	dead := filepath.Join(r.Dir, c.Name, "quarantine", "dead")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	var full []string
	for id := range 2000 { // whichever name the next file gets
		full = append(full, filepath.Join(dead, fmt.Sprintf("%020d.jsonl", id)))
		if err := os.Symlink("/dev/full", full[id]); err != nil {
			t.Fatal(err)
		}
	}
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	if err := r.Devices[0].Send(t.Context(), []byte(`{"n":`)); err != nil {
		t.Fatal(err)
	}
	c.UntilUnready(recovery, "quarantine writable")
	r.Pass(2 * time.Second) // in which no checkpoint may pass that message
	for _, link := range full {
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
	c.UntilReady(recovery)
	r.Grows(recovery, 300)

	temps, err := filepath.Glob(filepath.Join(r.Dir, c.Name, "checkpoint", "*", "[0-9].json"))
	if err != nil || len(temps) == 0 {
		t.Fatalf("checkpoints: %v, %v", temps, err)
	}
	for _, path := range temps { // a folder in the way of each new file, which cannot be removed
		if err := os.MkdirAll(filepath.Join(path+".tmp", "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.Until(recovery, "it says that checkpoints fail", func() error { return c.Logged("event=checkpoint-failing") })
	r.Grows(recovery, 300)
	for _, path := range temps {
		if err := os.RemoveAll(path + ".tmp"); err != nil {
			t.Fatal(err)
		}
	}
	c.Until(recovery, "it says that they are saved again", func() error { return c.Logged("event=checkpoint-ok") })
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
