package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"azx/internal/admin"
	"azx/internal/delivery"
	"azx/internal/observe"
)

// health is what is told of the whole connector.
type health struct {
	mu    sync.Mutex
	loops context.Context // ends with the first loop that fails
	start error           // why the connector has not its place on the platform; nil once it has
}

func (s *health) setLoops(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops = ctx
}

func (s *health) setStart(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = err
}

func (s *health) checkStart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start
}

// checkLoops tells whether the process's own loops run; it knows nothing of other systems.
func (s *health) checkLoops() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops == nil {
		return errStarting
	}
	return s.loops.Err()
}

// openAdmin makes the connector's own HTTP surface, and lets this machine's owner know how to reach it.
func (c *connector) openAdmin() (err error) {
	key := newAdminKey()
	c.admin, err = admin.Listen(admin.Options{
		Tail: &c.tail, TailKey: key,
		Listen: c.Config.Admin.Listen, Log: c.Log, Metrics: c.meter.Handler(),
		Live: []admin.Check{{Name: "loops turn", Run: c.health.checkLoops}}, Ready: c.checks(), Partitions: c.accounts,
		Platform: func() map[string]int { return c.link.Health().At },
		Pprof:    bool(c.Config.Admin.Pprof), Reload: c.reload, Quarantine: &desk{connector: c},
	})
	if err == nil {
		err = c.tellAdmin(key)
	}
	return err
}

// openTracer makes what sends traces, if the file names a collector.
func (c *connector) openTracer() {
	if url := c.Config.Tracing.OTLP; url != "" {
		c.tracer = observe.NewTracer(observe.TracerOptions{URL: url, Instance: c.Config.Name, Metrics: c.meter, Log: c.Log})
	}
}

// watch has the metrics ask for what they tell as it is.
func (c *connector) watch() {
	c.meter.WatchPlatform(c.platformState)
	c.meter.WatchChecks(c.inOrder)
	c.meter.WatchQuarantine(c.recordsPutAside)
	for _, h := range c.hubs {
		c.meter.WatchPartitions(h.thing, h.snapshot)
		c.meter.WatchHub(h.thing, h.observed)
	}
}

// checks are what has to be in order for messages and requests to flow. Those of a hub name it, if there are several.
func (c *connector) checks() []admin.Check {
	var all, last []admin.Check
	for _, h := range c.hubs {
		all, last = append(all, h.in()...), append(last, h.out()...)
	}
	all = append(all,
		admin.Check{Name: "platform connected", Run: c.checkPlatform},
		admin.Check{Name: "platform accepts the key", Run: c.checkKey},
		admin.Check{Name: "quarantine writable", Run: c.checkQuarantine})
	return append(all, last...)
}

func (c *connector) checkPlatform() error {
	if h := c.link.Health(); !h.Ready() {
		return fmt.Errorf("%d of %d connections: %w", h.Connected, h.Sockets, h.Err)
	}
	return nil
}

func (c *connector) checkKey() error {
	if c.link.Health().CredentialRefused {
		return errors.New("a sign-in with it is refused")
	}
	for _, k := range c.carriers() {
		if k.writer.CredentialRefused() {
			return errors.New("writes are answered with unauthorized")
		}
	}
	return nil
}

func (c *connector) checkQuarantine() error {
	for _, k := range c.carriers() {
		if err := k.aside.Failing(); err != nil {
			return err
		}
	}
	return nil
}

// platformState tells a scrape of the platform's side.
func (c *connector) platformState() observe.Platform {
	h := c.link.Health()
	now := observe.Platform{Connections: h.Connected, ByURL: h.At, Refused: c.checkKey() != nil}
	for _, k := range c.carriers() {
		now.Parked += k.writer.Parked()
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

// accounts gives the counts of every partition for the admin surface.
func (c *connector) accounts() map[string]map[string]delivery.Counts {
	all := map[string]map[string]delivery.Counts{}
	for _, h := range c.hubs {
		all[h.thing] = h.counts()
	}
	return all
}

// account adds up the counts of all partitions.
func (c *connector) account() (sum delivery.Counts) {
	for _, partitions := range c.accounts() {
		for _, one := range partitions {
			sum = sum.Plus(one)
		}
	}
	return sum
}

// carriers are those that carry messages and requests now.
func (c *connector) carriers() []*carrier {
	var all []*carrier
	for _, h := range c.hubs {
		if k := h.carried.Load(); k != nil {
			all = append(all, k)
		}
	}
	return all
}
