package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF20ASlowPlatformHoldsTheReadingUpAndNotTheMemory lets a tenth of the load through, for longer than the memory for
// messages in flight lasts.
func TestF20ASlowPlatformHoldsTheReadingUpAndNotTheMemory(t *testing.T) {
	r, c, _ := start(t, rig.Options{Edit: func(config map[string]any) { config["memory"], config["requestTimeout"] = "1MiB", "30s" }})
	c.Run()
	load := r.Load(1000)
	r.Grows(recovery, 500)
	c.Platform.Set(rig.Weather{Rate: 2000})
	r.Pass(scale(6*time.Second, 5*time.Minute))
	m, err := c.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	flight, lag := m.Sum("azx_messages_in_flight"), m.Sum("azx_lag_messages")
	t.Logf("%v messages are in flight, the lag is %v", flight, lag)
	if most := float64(1 << 20 / 768); flight > most { // a message is reckoned to take that much at least
		t.Errorf("%v messages are in flight with 1 MiB for them", flight)
	}
	if lag < flight {
		t.Errorf("the lag is %v, and %v messages are in flight", lag, flight)
	}
	c.Platform.Clear()
	load.Stop()
	r.Verify(scale(2*recovery, 4*time.Minute)) // five minutes of load have gathered
	c.End(0)
	r.Judge()
}
