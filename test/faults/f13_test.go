package faults

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF13APartitionThatGoesSilentIsOpenedAgain has the hub send nothing more on the link of one partition, which stays, while
// messages come to all.
func TestF13APartitionThatGoesSilentIsOpenedAgain(t *testing.T) {
	r, c, chance := start(t, rig.Options{})
	c.Run()
	load := r.Load(100)
	r.Grows(recovery, 300)
	silent := chance.IntN(4)
	r.Silence(silent)
	began := time.Now()
	c.Until(2*time.Minute, "it says which partition is silent", func() error {
		return c.Logged("event=partition-stalled", fmt.Sprintf("partition=%d", silent))
	})
	if took := time.Since(began); took > 65*time.Second { // a minute, and time to ask the hub
		t.Errorf("it was noticed after %s", took)
	}
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	m, err := c.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if all, it := m.Sum("azx_partition_stalls_total"), m.Sum("azx_partition_stalls_total", `partition="`+strconv.Itoa(silent)+`"`); all != 1 || it != 1 {
		t.Errorf("%v partitions were opened again, %v times the one that was silent", all, it)
	}
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages were written again although the process did not end", n)
	}
}
