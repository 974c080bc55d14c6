package app

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"azx/internal/admin"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/lease"
	"azx/internal/observe"
)

// state is what the admin surface and the metrics tell of one hub.
type state struct {
	mu     sync.Mutex
	start  error                // why the settings of the hub are not known, or do not work; nil once they do
	hubErr error                // why the hub is not open; nil once it is
	flow   *ingress.Flow        // nil until the hub is open
	parts  []*ingress.Partition // of the newest flow, also when the hub has failed since
	leases *lease.Manager       // nil if the partitions are this connector's alone
	heads  heads
}

var errStarting = errors.New("starting")

func (s *state) setStart(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = err
}

func (s *state) setHub(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hubErr = err
}

func (s *state) setFlow(f *ingress.Flow, leases *lease.Manager) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow, s.parts, s.leases = f, f.Partitions, leases
}

// fail notes that the hub is not served any more, and why.
func (s *state) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hubErr, s.flow, s.leases, s.heads = err, nil, nil, heads{}
}

func (s *state) checkStart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start
}

func (s *state) checkOpen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hubErr
}

func (s *state) partitions() []*ingress.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flow == nil {
		return nil
	}
	return s.flow.Partitions
}

// known are the partitions that are read, or were when the hub failed: their accounts stay.
func (s *state) known() []*ingress.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts
}

func (s *state) checkPartitions() error {
	parts := s.partitions()
	if len(parts) == 0 {
		return errStarting
	}
	leases := s.leasesNow()
	for _, p := range parts {
		v := p.View()
		if !v.Held && leases[p.ID].Owner != "" { // another connector reads it, or will in a moment
			continue
		}
		if !v.Reading && v.Err == nil {
			v.Err = errStarting
		}
		if !v.Reading {
			return fmt.Errorf("partition %s is not read: %w", p.ID, v.Err)
		}
	}
	return nil
}

// leasesNow is who has each partition; nil if they are this connector's alone.
func (s *state) leasesNow() map[string]lease.State {
	s.mu.Lock()
	m := s.leases
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.States()
}

// checkLeases tells whether checkpoints may be written of what is read.
func (s *state) checkLeases() error {
	for id, l := range s.leasesNow() {
		if l.Held && !l.Proven {
			return fmt.Errorf("the lease of partition %s was renewed %s ago: checkpoints wait for the container", id, l.Age.Round(time.Second))
		}
	}
	return nil
}

// trouble is why the hub is not served; nil if it is, and errStarting while that is not known.
func (h *hubSide) trouble() error {
	if err := h.state.checkStart(); err != nil {
		return err
	}
	return h.state.checkOpen()
}

// checkSettings tells whether the settings are known; those of the hub are not before the platform's side is settled.
func (h *hubSide) checkSettings() error {
	if err := h.health.checkStart(); err != nil {
		return err
	}
	return h.state.checkStart()
}

// checkBound tells whether requests can come.
func (h *hubSide) checkBound() error {
	if k := h.carried.Load(); k != nil && k.twoWay != nil {
		return k.twoWay.check()
	}
	return nil
}

// in are the checks of what has to be in order for the hub's messages to flow.
func (h *hubSide) in() []admin.Check {
	return []admin.Check{
		{Name: "settings known" + h.suffix(), Run: h.checkSettings},
		{Name: "hub open" + h.suffix(), Run: h.state.checkOpen},
		{Name: "partitions read" + h.suffix(), Run: h.state.checkPartitions},
		{Name: "leases kept" + h.suffix(), Run: h.state.checkLeases},
		{Name: "messages taken" + h.suffix(), Run: h.checkTaken},
	}
}

// out are those for requests.
func (h *hubSide) out() []admin.Check {
	return []admin.Check{{Name: "requests bound" + h.suffix(), Run: h.checkBound}}
}

// suffix has the name of a check say which hub it is about, if there are several.
func (h *hubSide) suffix() string {
	if len(h.hubs) == 1 {
		return ""
	}
	return " of " + h.thing
}

// counts are those of every partition.
func (h *hubSide) counts() map[string]delivery.Counts {
	counts := map[string]delivery.Counts{}
	for _, p := range h.state.known() {
		counts[p.ID] = p.View().Counts
	}
	return counts
}

// snapshot gives each partition's account for a scrape.
func (h *hubSide) snapshot() map[string]observe.Partition {
	known, retention := h.state.knownHeads(), h.file.Load().Retention
	if k := h.carried.Load(); k != nil {
		retention = k.hub.Retention
	}
	all := map[string]observe.Partition{}
	for _, p := range h.state.known() {
		now := p.View()
		one := observe.Partition{Counts: now.Counts, Retention: retention, Checkpointed: now.SavedAt, Behind: -1}
		if now.Held {
			one.Behind, one.Oldest = lag(now.Since, now.Start, known.of[p.ID])
		}
		all[p.ID] = one
	}
	return all
}

// observed tells a scrape of the hub's event side.
func (h *hubSide) observed() observe.Hub {
	broken := h.trouble()
	if broken == nil {
		broken = h.state.checkPartitions()
	}
	return observe.Hub{Connected: broken == nil, Refused: fault.ClassOf(broken) == fault.Credential, Told: h.state.knownHeads().told}
}

// checkTaken tells whether reading pauses because everything is refused.
func (h *hubSide) checkTaken() error {
	if k := h.carried.Load(); k != nil {
		return k.trip.Paused()
	}
	return nil
}
