package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/process"
	"azx/test/rig"
)

// TestF18APositionThatTheHubDoesNotHaveCostsOnlyWhatIsGone starts a connector whose checkpoints are behind the end of the hub's
// log, which was put back to what it was before, and one whose checkpoints are before its begin. Messages wait for it.
func TestF18APositionThatTheHubDoesNotHaveCostsOnlyWhatIsGone(t *testing.T) {
	t.Run("behind the end", func(t *testing.T) {
		r, c, _ := start(t, rig.Options{})
		c.Run()
		sendAll(r, 300)
		r.CopyLog()
		sendAll(r, 900)
		r.Saved(recovery)
		c.End(0)
		r.PutBackLog()
		load := r.Load(100)
		load.For(time.Second)
		c.Run()
		counts(t, c, "azx_positions_unknown_total", 4)
		if err := c.Logged("event=position-unknown", "level=ERROR"); err != nil {
			t.Error(err)
		}
		r.Grows(recovery, 200)
		load.Stop()
		r.Verify(recovery)
		c.End(0)
		c.Run() // its checkpoints are the new log's
		sendAll(r, 300)
		counts(t, c, "azx_positions_unknown_total", 0)
		c.End(0)
		r.Judge()
		if n := r.Repeats(); n > 0 {
			t.Errorf("%d messages were written again", n)
		}
	})
	t.Run("before the begin", func(t *testing.T) {
		var passed, begins map[string]int64
		gone := func(e rig.Event) bool {
			return passed != nil && e.Sequence > passed[e.Partition] && e.Sequence < begins[e.Partition]
		}
		r, c, _ := start(t, rig.Options{HubHere: true, Retention: iothub.Retention{Events: 200}, Skips: gone})
		c.Run()
		sendAll(r, 300)
		c.End(0)
		was := r.Heard(recovery)
		load := r.Load(500)
		load.For(4 * time.Second)
		load.Stop()
		r.Heard(recovery)
		passed, begins = was, r.Begins()
		lost := 0
		for id, begin := range begins {
			lost += int(begin - passed[id] - 1)
		}
		if lost < 500 {
			t.Fatalf("the hub still has all but %d", lost)
		}
		c.Run()
		counts(t, c, "azx_messages_missed_total", lost)
		if err := c.Logged("event=messages-missed", "level=ERROR"); err != nil {
			t.Error(err)
		}
		r.Quiet(recovery)
		sendAll(r, 300)
		counts(t, c, "azx_messages_missed_total", lost)
		c.End(0)
		r.Judge()
		if n := r.Repeats(); n > 0 {
			t.Errorf("%d messages were written again", n)
		}
	})
}

// sendAll has devices send until so many messages more are written, and waits for the rest.
func sendAll(r *rig.Rig, messages int) {
	load := r.Load(300)
	r.Grows(recovery, messages)
	load.Stop()
	r.Verify(recovery)
}

// counts waits until a connector has counted so many.
func counts(t *testing.T, c *rig.Connector, metric string, want int) {
	t.Helper()
	process.Eventually(t, recovery, metric, func() error {
		m, err := c.Metrics()
		if got := int(m.Sum(metric)); err == nil && got != want {
			err = fmt.Errorf("it is %d, want %d", got, want)
		}
		return err
	})
}
