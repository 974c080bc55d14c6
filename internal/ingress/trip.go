package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/delivery"
)

// tripThings is how many devices a run of refusals has to be of: fewer are those devices' problem.
const tripThings = 10

// probeEvery is between two messages that a Trip lets through while it has the reading pause.
const probeEvery = 30 * time.Second

// Trip pauses the reading of a hub when all that comes is refused for one reason: the fault is then likely the connector's or
// the platform's, and the messages are better off in the hub than in quarantine. While it pauses it lets a message through
// now and then; the first that is delivered ends the pause. Devices without a Thing count for nothing. NewTrip makes one.
type Trip struct {
	after  int
	log    *slog.Logger
	paused func(error)

	calm atomic.Bool // nothing has been refused since the last delivery: the usual case, for which nobody should wait

	mu      sync.Mutex
	reason  string
	run     int             // refusals for the reason with no delivery between
	devices map[string]bool // of the run, no more than tripThings
	why     error           // not nil while it pauses
	probe   time.Time       // when the next message is let through
	resumed chan struct{}   // closed when the pause ends
}

// NewTrip returns a Trip that pauses after so many refusals in a row, 0 for never. paused hears of each pause; it must not
// block.
func NewTrip(after int, log *slog.Logger, paused func(error)) *Trip {
	t := &Trip{after: after, log: log, paused: paused, devices: map[string]bool{}}
	t.calm.Store(true)
	return t
}

// ErrPaused is why nothing is read while everything is refused.
var ErrPaused = errors.New("reading pauses")

// Paused returns why nothing is read, or nil.
func (t *Trip) Paused() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why
}

// ended notes how a message ended.
func (t *Trip) ended(result delivery.Result, reason, device string) {
	switch {
	case t == nil:
	case result == delivery.Delivered:
		t.Delivered()
	case result == delivery.Quarantined:
		t.Refused(reason, device)
	}
}

// Pass returns when the next message may be taken in, or with the error of ctx.
func (t *Trip) Pass(ctx context.Context) error {
	for t != nil && !t.calm.Load() {
		t.mu.Lock()
		wait := time.Until(t.probe)
		if t.why == nil || wait <= 0 {
			t.probe = time.Now().Add(probeEvery)
			t.mu.Unlock()
			return nil
		}
		resumed := t.resumed
		t.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-resumed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// Delivered notes that the platform takes messages, which ends a pause.
func (t *Trip) Delivered() {
	if !t.calm.Load() && t.Resume() {
		t.log.Info("a message was delivered: reading goes on", "event", "reading-resumed")
	}
}

// Resume forgets what was refused, and reports whether that ends a pause.
func (t *Trip) Resume() (was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was = t.why != nil
	if was {
		close(t.resumed)
	}
	t.reason, t.run, t.why = "", 0, nil
	clear(t.devices)
	t.calm.Store(true)
	return was
}

// Refused notes that a message of a device was put into quarantine, and begins a pause if that is one too many.
func (t *Trip) Refused(reason, device string) {
	if t.after <= 0 || reason == noThingReason {
		return
	}
	if why := t.refused(reason, device); why != nil {
		t.log.Error("all messages are refused for the same reason; reading pauses", "event", "reading-paused", "reason", reason, "error", why,
			"hint", "mend the cause: one message is tried every 30 s, and the first that is delivered ends the pause; or azx quarantine resume")
		t.paused(why)
	}
}

// noThingReason is that of a device without a Thing.
const noThingReason = "no-thing"

func (t *Trip) refused(reason, device string) (news error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calm.Store(false)
	if reason != t.reason {
		t.reason, t.run = reason, 0
		clear(t.devices)
	}
	t.run++
	if len(t.devices) < tripThings {
		t.devices[device] = true
	}
	if t.why != nil || t.run < t.after || len(t.devices) < tripThings {
		return nil
	}
	t.why = fmt.Errorf("%w: the last %d messages, of %d devices or more, were refused as %s, and none was delivered", ErrPaused, t.run, tripThings, reason)
	t.probe, t.resumed = time.Now().Add(probeEvery), make(chan struct{})
	return t.why
}
