package iothub

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"azx/internal/fault"
)

const (
	probeEvery = 10 * time.Minute // a state of the hub is asked for again: its owner may have changed it
	probeTakes = 30 * time.Second // while one call asks, others are still refused
)

// State is what the client remembers of the hub, and answers calls with itself for up to ten minutes.
type State struct {
	BasicTier  bool // the hub's tier lacks something that was asked for
	DailyQuota bool // its messages for today are used up
}

// refusals remembers refusals that hold for long, so that the hub is not asked in vain.
type refusals struct {
	mu    sync.Mutex
	basic map[Kind]*memory
	quota *memory
}

type memory struct {
	cause error
	hint  string
	class fault.Class
	until time.Time
}

// withoutDevices are the refusals of a hub that is known to be of a Basic tier.
func withoutDevices(tier Tier) map[Kind]*memory {
	never := &memory{
		cause: ErrBasicTier, class: fault.Rejected, until: time.Now().AddDate(100, 0, 0),
		hint: fmt.Sprintf("the hub is said to be of tier %s; %s", tier, hintBasic),
	}
	return map[Kind]*memory{KindTwinRead: never, KindTwinUpdate: never, KindMethod: never, KindC2D: never, KindJob: never}
}

// State says what is remembered at the moment.
func (c *Client) State() State {
	r := &c.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	return State{BasicTier: len(r.basic) > 0, DailyQuota: r.quota != nil}
}

// check returns the remembered refusal of an operation; nil lets it go to the hub.
func (r *refusals) check(op string, kind Kind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.basic[kind]
	if m == nil && billed(kind) {
		m = r.quota
	}
	now := time.Now()
	if m == nil {
		return nil
	}
	if !now.Before(m.until) {
		m.until = now.Add(probeTakes)
		return nil
	}
	return &fault.Problem{Op: op, Class: m.class, Cause: m.cause, Hint: m.hint}
}

// learn remembers what a call was told. A success ends what was remembered.
func (r *refusals) learn(kind Kind, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		delete(r.basic, kind)
		if billed(kind) {
			r.quota = nil
		}
	case errors.Is(err, ErrBasicTier):
		if r.basic == nil {
			r.basic = map[Kind]*memory{}
		}
		r.basic[kind] = remember(err, now.Add(probeEvery))
	case errors.Is(err, ErrDailyQuota):
		midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) // read: the day is that of UTC
		r.quota = remember(err, earlier(midnight, now.Add(probeEvery)))
	}
}

func remember(err error, until time.Time) *memory {
	m := &memory{cause: err, class: fault.ClassOf(err), hint: fault.HintOf(err), until: until}
	var p *fault.Problem
	if errors.As(err, &p) {
		m.cause = p.Cause // the operation is that of each call
	}
	return m
}

// billed reports whether the hub counts an operation against the day's messages (read: iot-hub-devguide-pricing.md).
func billed(kind Kind) bool { return kind != KindRegistry && kind != KindFeedback }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
