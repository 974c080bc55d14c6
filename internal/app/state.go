package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"azx/internal/admin"
	"azx/internal/delivery"
	"azx/internal/ingress"
	"azx/internal/observe"
)

// state is what the admin surface and the metrics tell of the hub's side.
type state struct {
	mu     sync.Mutex
	loops  context.Context  // ends with the first loop that fails
	start  error            // why the settings of the hub are not known; nil once they are
	hubErr error            // why the hub is not open; nil once it is
	flow   *ingress.Flow    // nil until the hub is open
	heads  map[string]int64 // last sequence of each partition, as the hub told it last
}

var errStarting = errors.New("starting")

func (s *state) setHub(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hubErr = err
}

func (s *state) setStart(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = err
}

func (s *state) checkStart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start
}

func (s *state) setLoops(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops = ctx
}

func (s *state) setFlow(f *ingress.Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow = f
}

func (s *state) partitions() []*ingress.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flow == nil {
		return nil
	}
	return s.flow.Partitions
}

// checks are what has to be in order for messages to flow.
func (c *connector) checks() []admin.Check {
	return []admin.Check{
		{Name: "settings known", Run: c.state.checkStart},
		{Name: "hub open", Run: func() error {
			c.state.mu.Lock()
			defer c.state.mu.Unlock()
			return c.state.hubErr
		}},
		{Name: "partitions read", Run: c.checkPartitions},
		{Name: "platform connected", Run: func() error {
			if h := c.link.Health(); !h.Ready() {
				return fmt.Errorf("%d of %d connections: %w", h.Connected, h.Sockets, h.Err)
			}
			return nil
		}},
		{Name: "platform accepts the key", Run: func() error {
			if c.made.Load() && c.writer.CredentialRefused() {
				return errors.New("writes are answered with unauthorized")
			}
			return nil
		}},
		{Name: "quarantine writable", Run: func() error {
			if c.made.Load() {
				return c.aside.Failing()
			}
			return nil
		}},
		{Name: "requests bound", Run: func() error {
			if c.carries() {
				return c.twoWay.check()
			}
			return nil
		}},
	}
}

// checkLoops tells whether the process's own loops run; it knows nothing of other systems.
func (c *connector) checkLoops() error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	if c.state.loops == nil {
		return errStarting
	}
	return c.state.loops.Err()
}

func (c *connector) checkPartitions() error {
	parts := c.state.partitions()
	if len(parts) == 0 {
		return errStarting
	}
	for _, p := range parts {
		reading, err := p.State()
		if !reading && err == nil {
			err = errStarting
		}
		if !reading {
			return fmt.Errorf("partition %s is not read: %w", p.ID, err)
		}
	}
	return nil
}

// accounts gives the counts of every partition for the admin surface.
func (c *connector) accounts() map[string]map[string]delivery.Counts {
	counts := map[string]delivery.Counts{}
	for _, p := range c.state.partitions() {
		counts[p.ID] = p.Pump.Tracker.Counts()
	}
	return map[string]map[string]delivery.Counts{c.file.Thing: counts}
}

// account adds up the counts of all partitions.
func (c *connector) account() (sum delivery.Counts) {
	for _, p := range c.state.partitions() {
		one := p.Pump.Tracker.Counts()
		sum.Received += one.Received
		sum.Delivered += one.Delivered
		sum.Quarantined += one.Quarantined
		sum.Skipped += one.Skipped
		sum.InFlight += one.InFlight
	}
	return sum
}

// snapshot gives each partition's account for a scrape.
func (c *connector) snapshot() map[string]observe.Partition {
	all := map[string]observe.Partition{}
	for _, p := range c.state.partitions() {
		one := observe.Partition{Counts: p.Pump.Tracker.Counts(), Behind: -1, Checkpointed: p.SavedAt()}
		if oldest, ok := p.Pump.Tracker.Oldest(); ok {
			one.Oldest = oldest.Enqueued
		}
		at, moved := p.Pump.Tracker.Watermark()
		c.state.mu.Lock()
		head, known := c.state.heads[p.ID]
		c.state.mu.Unlock()
		if known && moved {
			one.Behind = max(0, head-at.Sequence)
		}
		all[p.ID] = one
	}
	return all
}

// watchHeads asks the hub regularly how far its partitions reach, for the lag.
func (c *connector) watchHeads(ctx context.Context, e *events) error {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		parts, err := e.client.Partitions(ctx)
		if err != nil {
			continue // the lag stays as it was; receivers tell what is wrong
		}
		heads := map[string]int64{}
		for _, p := range parts {
			heads[p.ID] = p.Last
		}
		c.state.mu.Lock()
		c.state.heads = heads
		c.state.mu.Unlock()
	}
}
