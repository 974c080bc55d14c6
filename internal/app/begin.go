package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

// start is what the hubs of a connector tell each other when they begin.
type start struct {
	mu    sync.Mutex
	begun bool
	ill   map[*hubSide]bool // hubs that have failed, and are not served again yet
	logs  map[string]string // hub Things by the event hub and consumer group that they read
	names map[string]string // hub Things by routing group
}

// startError is an error of a hub for which the whole connector does not start.
type startError struct{ error }

// Unwrap returns the error.
func (e *startError) Unwrap() error { return e.error }

// over reports whether the start is: messages flow, and one hub's error is its own.
func (s *start) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

func (s *start) setOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
}

// failed notes that a hub has failed, and returns how many have.
func (s *start) failed(h *hubSide) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ill == nil {
		s.ill = map[*hubSide]bool{}
	}
	s.ill[h] = true
	return len(s.ill)
}

// served notes that a hub is served, or waited for.
func (s *start) served(h *hubSide) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ill, h)
}

// claimLog returns another hub Thing that reads the same log, "" if there is none: the log is this one's then.
func (s *start) claimLog(log, thing string) (other string) { return s.claim(&s.logs, log, thing) }

// claimGroup does the same for routing groups.
func (s *start) claimGroup(group, thing string) (other string) {
	return s.claim(&s.names, group, thing)
}

func (s *start) claim(in *map[string]string, name, thing string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if holder, taken := (*in)[name]; taken && holder != thing {
		return holder
	}
	if *in == nil {
		*in = map[string]string{}
	}
	for old, holder := range *in { // a hub has one
		if holder == thing {
			delete(*in, old)
		}
	}
	(*in)[name] = thing
	return ""
}

// groupsWithin is how long hubs wait at the start for the routing groups of the others: a bad one stops the start before
// anything flows, and one that the platform does not tell holds nobody up.
const groupsWithin = 15 * time.Second

// waitGroups returns once the routing groups of all hubs are known, or a while has passed; with an error if ctx ends.
func (c *connector) waitGroups(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, groupsWithin)
	defer cancel()
	for _, h := range c.hubs {
		select {
		case <-h.grouped:
		case <-limited.Done():
		}
	}
	if ctx.Err() == nil {
		c.start.setOver()
	}
	return ctx.Err()
}

// lookEvery is between two looks at how the hubs stand.
const lookEvery = 5 * time.Millisecond

// tellReady says once that messages and requests can flow: each hub is open and bound, or in trouble that is told, and there
// is one of the former. Then it waits for the platform.
func (c *connector) tellReady(ctx context.Context) error {
	if c.Ready == nil {
		return nil
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !c.standing() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
	if c.link.Wait(ctx) == nil {
		c.Ready(Running{Admin: c.admin.Addr(), Account: c.account})
	}
	return nil
}

// standing reports whether a hub is served, and none is still on its way to be.
func (c *connector) standing() bool {
	served := 0
	for _, h := range c.hubs {
		err := h.trouble()
		if err == nil {
			err = h.checkBound()
			if h.state.partitions() == nil || errors.Is(err, errStarting) {
				return false
			}
			served++
		}
		if errors.Is(err, errStarting) {
			return false
		}
	}
	return served > 0
}
