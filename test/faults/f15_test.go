package faults

import (
	"maps"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF15ConnectorsThatStartTogetherShareEvenlyAndKeepIt starts five at once for eight partitions: each gets one or two, and
// then nothing moves any more. Under load all of them stop, and the first comes back: nothing is written again for that.
func TestF15ConnectorsThatStartTogetherShareEvenlyAndKeepIt(t *testing.T) {
	r, _, _ := start(t, rig.Options{Connectors: 5, Shared: true, Hub: []string{"--partitions", "8"}})
	load := r.Load(200)
	for _, c := range r.Connectors {
		c.Start()
	}
	evenly(r, 5, 8)
	before := r.Shared.Moves()
	r.Pass(scale(15*time.Second, time.Minute))
	if after := r.Shared.Moves(); !maps.Equal(before, after) {
		t.Errorf("partitions had changed their owners %v times, and later %v times", before, after)
	}
	repeats := r.Repeats()
	for _, c := range r.Connectors {
		c.End(0)
	}
	r.Connectors[0].Run()
	load.Stop()
	r.Quiet(recovery)
	if n := r.Repeats(); n > repeats {
		t.Errorf("after stops that drained %d messages were written again", n-repeats)
	}
	r.Connectors[0].End(0)
	r.Judge()
}
