package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF51AThingThatNeverAnswersDoesNotSlowTheOthers has pushes to one Thing go without an answer. There are four lanes, so that others
// share its lane.
func TestF51AThingThatNeverAnswersDoesNotSlowTheOthers(t *testing.T) {
	const stuck = "press-000"
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) { config["lanes"] = 4 }})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	since := time.Now()
	r.Pass(time.Minute)
	without := r.P99(since, stuck)

	r.Platform.SetStuck(stuck)
	r.Pass(time.Second)
	had := r.WrittenOf(stuck)
	since = time.Now()
	r.Pass(time.Minute) // each of three requests in vain costs a socket, and its other lanes a moment: here within 6 s
	with := r.P99(since, stuck)
	if got := r.WrittenOf(stuck); got != had {
		t.Errorf("the stuck Thing got %d messages", got-had)
	}
	t.Logf("99 of 100 messages of the others take %s, without the stuck Thing %s", with, without)
	if with > 2*without+100*time.Millisecond { // the second is for a machine that does other things as well
		t.Errorf("99 of 100 messages of the others take %s, without the stuck Thing %s", with, without)
	}
	r.Platform.SetStuck()
	load.Stop()
	r.Verify(2 * recovery)
	c.End(0)
	r.Judge()
}
