package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF08AHubThatIsAwayIsReadAgainWhenItIsBack takes the network to the hub away for a moment, and for longer.
func TestF08AHubThatIsAwayIsReadAgainWhenItIsBack(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	for _, away := range []time.Duration{time.Second, scale(6*time.Second, time.Minute)} {
		for _, w := range []*rig.Wire{c.AMQP, c.HTTPS} {
			w.Set(rig.Weather{Refuse: true})
			w.Cut()
		}
		before := c.AMQP.Dials()
		r.Pass(away)
		if n, most := c.AMQP.Dials()-before, 30+int(away/time.Second)*5; n > most {
			t.Errorf("%d dials in %s", n, away)
		}
		c.AMQP.Clear()
		c.HTTPS.Clear()
		r.Grows(recovery, 300)
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again although the process did not end", n)
	}
}

// more tells whether a count has grown.
func more[T int | int64](now, before T) error {
	if now <= before {
		return fmt.Errorf("it is still %d", now)
	}
	return nil
}
