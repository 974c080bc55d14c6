package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/test/process"
	"azx/test/rig"
)

// TestF49AReplayAmidLiveMessagesWritesWhatIsNewestAndOnce has two devices whose property is of the wrong type for a while.
// One of them sends on once it is mended, and its newer values stay; the other is silent, and gets what was put aside.
func TestF49AReplayAmidLiveMessagesWritesWhatIsNewestAndOnce(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	busy, silent := r.AddDevice("busy", nil), r.AddDevice("silent", nil)
	send := func(count int, to ...*rig.Device) {
		t.Helper()
		for range count {
			r.Pass(2 * time.Millisecond) // two values of one millisecond: which is newer no time can tell
			for _, d := range to {
				if err := d.SendNext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, d := range []*rig.Device{busy, silent} {
		r.AddThingOf(d.ID)
		r.Platform.RemoveProperty(d.ID, "n")
		r.Platform.AddRemoteProperty(d.ID, "n", "n", "LOCATION")
	}
	c.Run()
	load := r.Load(300)
	const each = 10
	send(each, busy, silent)
	inQuarantine := func(want float64) {
		t.Helper()
		process.Eventually(t, recovery, "messages are in quarantine", func() error {
			m, err := c.Metrics()
			if err == nil && m.Sum("azx_quarantine_records") != want {
				err = fmt.Errorf("%v, want %v", m.Sum("azx_quarantine_records"), want)
			}
			return err
		})
	}
	inQuarantine(2 * each)

	for _, d := range []*rig.Device{busy, silent} {
		r.Platform.RemoveProperty(d.ID, "n")
		r.Platform.AddProperty(d.ID, "n", "INTEGER")
	}
	send(each, busy)
	r.Grows(recovery, 300)
	if got := r.Run("quarantine", "replay", "--all", "-c", c.Name+".yaml"); got != replayed(each, each) {
		t.Errorf("the replay says %q", got)
	}
	inQuarantine(each) // what newer values stand in front of stays until somebody drops it
	for range 2 {
		if got := r.Run("quarantine", "replay", "--all", "-c", c.Name+".yaml"); got != replayed(0, 0) {
			t.Errorf("another replay says %q", got)
		}
	}
	send(each, busy, silent)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again", n)
	}
}

// replayed is what azx quarantine replay prints.
func replayed(delivered, superseded int) string {
	return fmt.Sprintf("delivered %d, superseded %d\n", delivered, superseded)
}
