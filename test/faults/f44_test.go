package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF44ManyDevicesNeedLittleEachAndAHotOneHoldsNobodyUp has each of many devices send once, and then one of them send
// nine tenths of all messages.
func TestF44ManyDevicesNeedLittleEachAndAHotOneHoldsNobodyUp(t *testing.T) {
	r, c, _ := start(t, rig.Options{HubHere: true, Devices: 1})
	c.Env = []string{"GOGC=10"} // so that the heap is what is used, and little else
	many, hot, cold := r.Crowd("many", scale(10_000, 30_000)), r.Crowd("hot", 1), r.Crowd("cold", 100)
	c.Run()
	before := live(t, r, c)
	for i := range many.Len() {
		many.Send(i)
	}
	r.Quiet(scale(time.Minute, 5*time.Minute))
	if n := r.Written(); n != many.Len() {
		t.Fatalf("%d of %d messages are written", n, many.Len())
	}
	each := (live(t, r, c) - before) / float64(many.Len())
	t.Logf("%.0f bytes for each of %d devices", each, many.Len())
	const most = 1024 // of which about half are measured
	if each > most {
		t.Errorf("%.0f bytes for each device", each)
	}

	pace := time.NewTicker(10 * time.Millisecond) // 1000 messages a second, 900 of them of the hot device
	defer pace.Stop()
	for tick := range scale(500, 3000) {
		<-pace.C
		for range 9 {
			hot.Send(0)
		}
		cold.Send(tick % cold.Len())
	}
	r.Verify(recovery)
	delays := cold.Delays()
	middle, late := delays[len(delays)/2], delays[len(delays)*99/100]
	t.Logf("the %d messages of others took %s, 99 %% of them at most %s", len(delays), middle, late)
	if late > 2*time.Second {
		t.Errorf("one in a hundred messages beside a hot device took more than %s", late)
	}
	c.End(0)
	r.Judge()
}

// live is the least heap that a connector has within some seconds, in bytes.
func live(t *testing.T, r *rig.Rig, c *rig.Connector) float64 {
	t.Helper()
	least := 0.0
	for n := range 30 {
		r.Pass(100 * time.Millisecond)
		m, err := c.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		if now := m.Sum("go_memstats_heap_alloc_bytes"); n == 0 || now < least {
			least = now
		}
	}
	return least
}
