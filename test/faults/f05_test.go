package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF05AConnectorThatSleptPastItsLeasesWritesNoCheckpoint stops one of two for longer than its leases last, and wakes it
// when the other has its partitions: what it had queued is the other's by then. It has one lane, so that of the many Things that
// wait in it only those come late whose requests were under way; and when it wakes it hears neither of hub nor of container, so
// that only its own clock can tell it. Then both sleep, so that nobody takes anything: whoever wakes first has no lease either.
// That no checkpoint is written, or tried, without a lease is checked in every case, at each write.
func TestF05AConnectorThatSleptPastItsLeasesWritesNoCheckpoint(t *testing.T) {
	r, _, _ := start(t, rig.Options{Connectors: 2, Shared: true, Devices: 80, Lanes: 1})
	one, two := r.Connectors[0], r.Connectors[1]
	one.Run()
	two.Run()
	evenly(r, 2, 4)
	load := r.Load(300)
	r.Grows(recovery, 300)

	behind(r, one)
	one.Freeze()
	one.Platform.Clear()
	deaf := []*rig.Wire{one.AMQP, one.HTTPS, one.Blob}
	for _, w := range deaf {
		w.Set(rig.Weather{Hole: rig.Both})
	}
	r.Pass(rig.LeaseExpiry)
	two.Until(recovery, "the other one has all partitions", func() error { return owns(r, two, 4) })
	r.Grows(recovery, 300)
	one.Thaw()
	r.Pass(time.Second)
	for _, w := range deaf {
		w.Clear()
	}
	one.Until(5*time.Second, "it closes its partitions", func() error {
		m, err := one.Metrics()
		if lost := m.Sum("azx_lease_changes_total", `result="lost"`); err == nil && lost < 2 {
			err = fmt.Errorf("%v are", lost)
		}
		return err
	})
	evenly(r, 2, 4)
	r.Grows(recovery, 300)

	behind(r, one, two)
	one.Freeze()
	two.Freeze()
	one.Platform.Clear()
	two.Platform.Clear()
	r.Pass(rig.LeaseExpiry + time.Second)
	one.Thaw()
	two.Thaw()
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	one.End(0)
	two.End(0)
	r.Judge()
}

// behind has connectors fall behind: each has messages in its lanes that wait for the platform.
func behind(r *rig.Rig, connectors ...*rig.Connector) {
	for _, c := range connectors {
		c.Platform.Set(rig.Weather{Latency: 500 * time.Millisecond})
	}
	for _, c := range connectors {
		c.Until(recovery, "messages wait in it", func() error {
			m, err := c.Metrics()
			if flight := m.Sum("azx_messages_in_flight"); err == nil && flight < 100 {
				err = fmt.Errorf("%v do", flight)
			}
			return err
		})
	}
}

// owns reports whether a connector has so many partitions.
func owns(r *rig.Rig, c *rig.Connector, want int) error {
	if spread := r.Shared.Spread(); spread[c.Name] != want {
		return fmt.Errorf("partitions are spread %v", spread)
	}
	return nil
}

// evenly waits until so many connectors have all partitions, none more than one more than another.
func evenly(r *rig.Rig, connectors, partitions int) {
	r.Shared.Server.Until(2*recovery, "partitions are spread evenly", func() error {
		spread := r.Shared.Spread()
		least, most, all := partitions, 0, 0
		for _, n := range spread {
			least, most, all = min(least, n), max(most, n), all+n
		}
		if len(spread) != connectors || all != partitions || most-least > 1 {
			return fmt.Errorf("they are spread %v", spread)
		}
		return nil
	})
}
