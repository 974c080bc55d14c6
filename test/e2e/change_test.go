package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azx/test/process"
)

// takesEffectWithin is the time after which a change on the platform must be seen in what the
// connector writes.
const takesEffectWithin = 10 * time.Second

// TestThingsMayAppearAndChangeWhileTheConnectorRuns makes the Thing of a device that sends already,
// gives it one more property, and changes that property's base type. Nothing is restarted.
func TestThingsMayAppearAndChangeWhileTheConnectorRuns(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.Configure()
	connector := stack.Connect()
	platform, device := stack.Platform, connectDevice(t, stack, "late-1")

	const before = 5
	for n := range before {
		device.sendNumber(n)
	}
	stack.AddThing("late-1", "n:INTEGER")
	device.sendNumber(before)
	written(t, platform, "n", "the message after its Thing was made", func(value json.RawMessage) bool {
		return number(value) == before
	})
	written(t, platform, "n", "the first message kept before its Thing was made", func(value json.RawMessage) bool {
		return number(value) == 0
	})

	stop := startSender(t, device, before+1)
	platform.AddProperty("late-1", "level", "NUMBER")
	written(t, platform, "level", "a message sent after its property was added", func(value json.RawMessage) bool {
		return number(value) >= 0
	})

	platform.RemoveProperty("late-1", "level")
	platform.AddProperty("late-1", "level", "STRING")
	written(t, platform, "level", "a message sent after the base type was changed", func(value json.RawMessage) bool {
		return value[0] == '"'
	})

	stop()
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
	inOrder(t, platform)
}

// written waits until the ledger has a fitting value of a property of late-1.
func written(t *testing.T, platform *process.Platform, property, what string, fits func(json.RawMessage) bool) {
	t.Helper()
	begin := time.Now()
	process.Eventually(t, takesEffectWithin, what+" is written", func() error {
		last := "none"
		for _, e := range platform.Ledger(0) {
			if e.Thing != "late-1" || e.Property != property {
				continue
			}
			if fits(e.Value) {
				return nil
			}
			last = string(e.Value)
		}
		return fmt.Errorf("last value of %s: %s", property, last)
	})
	t.Logf("%s is written after %s", what, time.Since(begin).Round(time.Millisecond))
}

// inOrder checks that every message was written once, after the one before it.
func inOrder(t *testing.T, platform *process.Platform) {
	t.Helper()
	next := 0
	for _, e := range platform.Ledger(0) {
		if e.Thing != "late-1" || e.Property != "n" {
			continue
		}
		if n := number(e.Value); n != next {
			t.Errorf("message %d was written in the place of message %d", n, next)
		}
		next++
	}
	t.Logf("%d messages are written", next)
}

func number(value json.RawMessage) int {
	var n int
	if json.Unmarshal(value, &n) != nil {
		return -1
	}
	return n
}

// sendNumber sends {"n": n, "level": n}.
func (d *device) sendNumber(n int) {
	d.t.Helper()
	if err := d.send(`{"n":%d,"level":%d}`, n, n); err != nil {
		d.t.Fatal(err)
	}
}

// startSender has a device send {"n": n, "level": n} four times a second, with n ascending, until stop
// is called.
func startSender(t *testing.T, d *device, first int) (stop func()) {
	t.Helper()
	stopped := make(chan struct{})
	var sending errgroup.Group
	sending.Go(func() error {
		pace := time.NewTicker(250 * time.Millisecond)
		defer pace.Stop()
		for n := first; ; n++ {
			select {
			case <-stopped:
				return nil
			case <-pace.C:
			}
			if err := d.send(`{"n":%d,"level":%d}`, n, n); err != nil {
				return err
			}
		}
	})
	return func() {
		t.Helper()
		close(stopped)
		if err := sending.Wait(); err != nil {
			t.Error(err)
		}
	}
}
