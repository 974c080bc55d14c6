package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"azx/internal/admin"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/observe"
)

// state is what the admin surface and the metrics tell of the hub's side.
type state struct {
	mu     sync.Mutex
	loops  context.Context // ends with the first loop that fails
	start  error           // why the settings of the hub are not known; nil once they are
	hubErr error           // why the hub is not open; nil once it is
	flow   *ingress.Flow   // nil until the hub is open
	heads  heads
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
		{Name: "hub open", Run: c.checkOpen},
		{Name: "partitions read", Run: c.checkPartitions},
		{Name: "platform connected", Run: func() error {
			if h := c.link.Health(); !h.Ready() {
				return fmt.Errorf("%d of %d connections: %w", h.Connected, h.Sockets, h.Err)
			}
			return nil
		}},
		{Name: "platform accepts the key", Run: func() error {
			switch {
			case c.link.Health().CredentialRefused:
				return errors.New("a sign-in with it is refused")
			case c.made.Load() && c.writer.CredentialRefused():
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

func (c *connector) checkOpen() error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.hubErr
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
	known := c.state.knownHeads()
	all := map[string]observe.Partition{}
	for _, p := range c.state.partitions() {
		now := p.Pump.Tracker.Snapshot()
		one := observe.Partition{Counts: now.Counts, Retention: c.hub.Retention, Checkpointed: p.SavedAt()}
		one.Behind, one.Oldest = lag(now, p.Start, known.of[p.ID])
		all[p.ID] = one
	}
	return all
}

// openTracer makes what sends traces, if the file names a collector.
func (c *connector) openTracer() {
	if url := c.Config.Tracing.OTLP; url != "" {
		c.tracer = observe.NewTracer(observe.TracerOptions{URL: url, Instance: c.Config.Name, Metrics: c.meter, Log: c.Log})
	}
}

// hubState tells a scrape of the hub's event side.
func (c *connector) hubState() observe.Hub {
	broken := c.checkOpen()
	if broken == nil {
		broken = c.checkPartitions()
	}
	return observe.Hub{Connected: broken == nil, Refused: fault.ClassOf(broken) == fault.Credential, Told: c.state.knownHeads().told}
}

// platformState tells a scrape of the platform's side.
func (c *connector) platformState() observe.Platform {
	h := c.link.Health()
	now := observe.Platform{Connections: h.Connected, ByURL: h.At, Refused: h.CredentialRefused}
	if c.made.Load() {
		now.Refused = now.Refused || c.writer.CredentialRefused() // at the sign-in or with a write
		now.Parked = c.writer.Parked()
	}
	return now
}

// inOrder gives the results of the checks for a scrape.
func (c *connector) inOrder() map[string]bool {
	all := map[string]bool{}
	for _, check := range c.checks() {
		all[check.Name] = check.Run() == nil
	}
	return all
}
