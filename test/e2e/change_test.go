package e2e

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
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
	stack := process.NewStack(t, azx)
	stack.Configure()
	connector := stack.Connect()
	sender := startSender(t, connectDevice(t, stack, "late-1"))
	platform := stack.Platform

	connector.Until(takesEffectWithin, "messages of a device without a Thing are kept", func() error {
		return sender.atLeast(4)
	})
	before := sender.next()
	stack.AddThing("late-1", "n:INTEGER")
	written(t, platform, "n", "a message sent after its Thing was made", func(value json.RawMessage) bool {
		return number(value) >= before
	})
	written(t, platform, "n", "a message kept before its Thing was made", func(value json.RawMessage) bool {
		return number(value) < before
	})

	platform.AddProperty("late-1", "level", "NUMBER")
	written(t, platform, "level", "a message sent after its property was added", func(value json.RawMessage) bool {
		return number(value) >= 0
	})

	platform.RemoveProperty("late-1", "level")
	platform.AddProperty("late-1", "level", "STRING")
	written(t, platform, "level", "a message sent after the base type was changed", func(value json.RawMessage) bool {
		return value[0] == '"'
	})

	sender.stop()
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

// inOrder checks that no message was written twice or before an earlier one.
func inOrder(t *testing.T, platform *process.Platform) {
	t.Helper()
	last := -1
	for _, e := range platform.Ledger(0) {
		if e.Thing != "late-1" || e.Property != "n" {
			continue
		}
		if n := number(e.Value); n <= last {
			t.Errorf("message %d was written after message %d", n, last)
		} else {
			last = n
		}
	}
}

func number(value json.RawMessage) int {
	var n int
	if json.Unmarshal(value, &n) != nil {
		return -1
	}
	return n
}

// sender is a device that sends {"n": 0, "level": 0}, {"n": 1, "level": 1} and so on, two a second.
type sender struct {
	count   atomic.Int64
	stopped chan struct{}
	ended   errgroup.Group
	t       *testing.T
}

func startSender(t *testing.T, d *device) *sender {
	s := &sender{t: t, stopped: make(chan struct{})}
	s.ended.Go(func() error {
		pace := time.NewTicker(500 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-s.stopped:
				return nil
			case <-pace.C:
			}
			n := s.count.Load()
			if err := d.send(`{"n":%d,"level":%d}`, n, n); err != nil {
				return err
			}
			s.count.Add(1)
		}
	})
	return s
}

// next returns the number of the next message.
func (s *sender) next() int { return int(s.count.Load()) }

func (s *sender) atLeast(n int) error {
	if s.next() < n {
		return fmt.Errorf("%d of %d sent", s.next(), n)
	}
	return nil
}

// stop ends the sending; an error of it fails the test.
func (s *sender) stop() {
	s.t.Helper()
	close(s.stopped)
	if err := s.ended.Wait(); err != nil {
		s.t.Error(err)
	}
}
