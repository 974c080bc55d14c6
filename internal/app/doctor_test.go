package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/internal/config"
	"azx/internal/secret"
)

func TestEachCheckOfTheDoctorNeedsOnesBeforeIt(t *testing.T) {
	cfg := &config.Config{Platform: config.Platform{URLs: []string{"wss://platform.example/Thingworx/WS"}, AppKey: secret.Source{}}, Hubs: []config.Hub{{}}}
	before := map[string]bool{}
	for _, c := range newDoctor(DoctorOptions{Config: cfg}, nil).checks() {
		for _, need := range c.Needs {
			if !before[need] {
				t.Errorf("%s needs %q, which is not before it", c.Name, need)
			}
		}
		if before[c.Name] || c.Run == nil {
			t.Errorf("%s is there twice, or does nothing", c.Name)
		}
		before[c.Name] = true
	}
	if len(before) < 25 {
		t.Errorf("%d checks", len(before))
	}
}

func TestClocksAreComparedInWords(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		300 * time.Millisecond: "within a second of", -90 * time.Second: "1m30s behind", 2 * time.Hour: "2h0m0s ahead of",
	} {
		if got := apart(ahead); got != want {
			t.Errorf("%s: got %q, want %q", ahead, got, want)
		}
	}
}

func TestTheDoctorWarnsOfAQuarantineInMemoryWhenTheCheckpointsAreNot(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "azx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, c := range []struct {
		dir, container string
		warns          bool
	}{
		{filepath.Join(dir, "not", "there", "yet"), "azx-checkpoints", true},
		{dir, "azx-checkpoints", true},
		{dir, "", false},
	} {
		cfg := &config.Config{Quarantine: config.Quarantine{Dir: c.dir}, Hubs: []config.Hub{{}}}
		cfg.Checkpoint.Blob.Container = c.container
		_, err := newDoctor(DoctorOptions{Config: cfg}, nil).quarantineFolder(t.Context())
		if got := err != nil && strings.Contains(err.Error(), "in memory"); got != c.warns {
			t.Errorf("%s with the container %q: %v", c.dir, c.container, err)
		}
	}
}
