package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/test/process"
	"azx/test/rig"
)

// TestF34ClocksThatAreWrongOrJumpAreToldAndLoseNothing has the clock of the hub, and those of the devices, right, minutes
// and hours away, and jump while messages flow. Two hours ahead, every token has expired when it gets there.
func TestF34ClocksThatAreWrongOrJumpAreToldAndLoseNothing(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Minute, -2 * time.Minute, -2 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			r, c, _ := start(t, rig.Options{Ahead: ahead})
			c.Run()
			load := r.Load(300)
			r.Grows(recovery, 300)
			lagIsSane(t, c, ahead)
			doctorTells(t, r, c)

			r.SetClock(2 * time.Hour)
			c.Until(4*recovery, "a refusal for the clock is told", func() error { return c.Logged("expired", "clock") })
			r.SetClock(0)
			r.FollowHub()
			c.UntilReady(2 * time.Minute) // what is refused is tried again once a minute
			r.Grows(2*recovery, 300)
			lagIsSane(t, c, 0)
			load.Stop()
			r.Verify(2 * recovery)
			c.End(0)
			r.Judge()
		})
	}
}

// lagIsSane wants a lag that is none but for the clocks: negative ones are no lag.
func lagIsSane(t *testing.T, c *rig.Connector, ahead time.Duration) {
	t.Helper()
	most := 30*time.Second + max(0, -ahead)
	process.Eventually(t, recovery, "the lag is sane", func() error {
		m, err := c.Metrics()
		if err != nil {
			return err
		}
		for line, seconds := range m {
			if strings.HasPrefix(line, "azx_lag_seconds{") && (seconds < 0 || seconds > most.Seconds()) {
				return fmt.Errorf("%s is %v with the clock %s away", line, seconds, ahead)
			}
		}
		return nil
	})
}

// doctorTells wants azx doctor to tell of the hub's clock.
func doctorTells(t *testing.T, r *rig.Rig, c *rig.Connector) {
	t.Helper()
	doctor := r.Start("doctor", "-c", c.Name+".yaml", "--json")
	doctor.Wait(2 * time.Minute)
	if !strings.Contains(doctor.Stdout(), "the hub's") || !strings.Contains(doctor.Stdout(), "NTP") {
		t.Errorf("the doctor does not tell of the clock: %s", doctor.Stdout())
	}
}
