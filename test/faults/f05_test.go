package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF05AConnectorThatSleptPastItsLeasesWritesNoCheckpoint stops one of two for longer than its leases last, and wakes it
// when the other has its partitions. Then both sleep, so that nobody takes anything: whoever wakes first has no lease either.
// That no checkpoint is written, or tried, without a lease is checked in every case, at each write.
func TestF05AConnectorThatSleptPastItsLeasesWritesNoCheckpoint(t *testing.T) {
	r, _, _ := start(t, rig.Options{Connectors: 2, Shared: true, Late: 60}) // one request of each Thing, at each of three wakes
	one, two := r.Connectors[0], r.Connectors[1]
	one.Run()
	two.Run()
	evenly(r, 2, 4)
	load := r.Load(300)
	r.Grows(recovery, 300)

	one.Freeze()
	r.Pass(rig.LeaseExpiry)
	two.Until(recovery, "the other one has all partitions", func() error { return owns(r, two, 4) })
	r.Grows(recovery, 300)
	one.Wake()
	one.Until(5*time.Second, "it closes its partitions", func() error {
		m, err := one.Metrics()
		if lost := m.Sum("azx_lease_changes_total", `result="lost"`); err == nil && lost < 2 {
			err = fmt.Errorf("%v are", lost)
		}
		return err
	})
	evenly(r, 2, 4)
	r.Grows(recovery, 300)

	one.Freeze()
	two.Freeze()
	r.Pass(rig.LeaseExpiry + time.Second)
	one.Wake()
	two.Wake()
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	one.End(0)
	two.End(0)
	r.Judge()
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
