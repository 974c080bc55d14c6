package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/config"
	"azx/internal/quarantine"
	"azx/internal/supervise"
)

// withQuarantine is a connector that has nothing open but its quarantine, in a folder, and its log.
func withQuarantine(t *testing.T, cfg *config.Config) (c *connector, log *strings.Builder) {
	t.Helper()
	log = &strings.Builder{}
	c = newConnector(Options{Config: cfg, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err := c.openQuarantine(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.closeQuarantine() })
	return c, log
}

func TestRecordsAreRemovedOnlyOnceTheyAreOlderThanTheOperatorWants(t *testing.T) {
	tests := map[string]struct {
		limit time.Duration
		left  []string // after 160 minutes, in which one record came in every 40 minutes
		gone  []string
	}{
		"no limit":        {0, []string{"0", "1", "2", "3"}, nil},
		"an hour":         {time.Hour, []string{"3"}, []string{"reason=rejected messages=1", "reason=wrong-type messages=1", "reason=rejected messages=1"}},
		"more than it is": {3 * time.Hour, []string{"0", "1", "2", "3"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				c, log := withQuarantine(t, &config.Config{Quarantine: config.Quarantine{Dir: dir, MaxAge: test.limit}})
				group := supervise.New(context.Background())
				group.Go("age", c.ageQuarantine)
				for n := range 4 {
					reason := []string{"rejected", "wrong-type"}[n%2]
					err := c.dead.Put(t.Context(), quarantine.Record{Hub: "H", Device: fmt.Sprint(n), Reason: reason})
					if err != nil {
						t.Fatal(err)
					}
					<-time.After(40 * time.Minute)
				}
				synctest.Wait()
				group.Stop()
				if err := group.Wait(); err != nil {
					t.Error(err)
				}
				var left []string
				for r, err := range c.dead.List {
					if err != nil {
						t.Fatal(err)
					}
					left = append(left, r.Device)
				}
				if fmt.Sprint(left) != fmt.Sprint(test.left) {
					t.Errorf("%v are left, want %v", left, test.left)
				}
				if told := strings.Count(log.String(), "event=quarantine-expired"); told != len(test.gone) {
					t.Errorf("told %d times: %s", told, log)
				}
				for _, part := range test.gone {
					if !strings.Contains(log.String(), part) {
						t.Errorf("%q is not in %s", part, log)
					}
				}
			})
		})
	}
}

func TestAQuarantineInMemoryIsToldOnlyBesideCheckpointsThatStay(t *testing.T) {
	memory, err := os.MkdirTemp("/dev/shm", "azx-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(memory) })
	blob := config.Checkpoint{}
	blob.Blob.Container = "azx"
	for name, test := range map[string]struct {
		checkpoint config.Checkpoint
		want       bool
	}{"a container": {blob, true}, "a folder": {config.Checkpoint{File: "c"}, false}} {
		t.Run(name, func(t *testing.T) {
			c, log := withQuarantine(t, &config.Config{Checkpoint: test.checkpoint, Quarantine: config.Quarantine{Dir: memory}})
			if got := strings.Contains(log.String(), "event=quarantine-volatile"); got != test.want {
				t.Errorf("told: %v, want %v: %s", got, test.want, log)
			}
			if err := c.closeQuarantine(); err != nil {
				t.Error(err)
			}
		})
	}
}
