// Package app builds the connector from its file and runs it: the composition root.
//
// Start here: a connector (this file) is what a process has once. Each of its hubs is a hubSide (hubside.go), which begins
// anew when the hub fails, and a carrier (carrier.go) is what then carries the hub's messages and requests.
package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/adapter"
	"azx/internal/admin"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/dial"
	"azx/internal/ingress"
	"azx/internal/observe"
	"azx/internal/platform"
	"azx/internal/quarantine"
	"azx/internal/secret"
	"azx/internal/supervise"
	"azx/internal/tail"
)

// How long a stop waits for what is in flight, and how often checkpoints are saved.
const (
	drainTimeout = 10 * time.Second
	saveInterval = time.Second
)

// Options are a configuration and what the command line says beside it.
type Options struct {
	Config *config.Config
	Starts Starts // override the starts of the file, also when an identity changed
	Log    *slog.Logger
	Ready  func(Running) // called once, from any goroutine, when messages can flow; may be nil

	// Reread reads the configuration again, when Hangup or the admin surface asks for it; nil: it stays as it is.
	Reread func() (*config.Config, config.Problems, error)
	Hangup <-chan os.Signal // may be nil

	// TendGarbage says that the process is the connector's alone, which may decide how much garbage there is.
	TendGarbage bool
}

// Starts are where to begin, by hub Thing; that of "" is for every hub that is not named.
type Starts map[string]config.Start

// Of is the start of a hub; false if there is none for it.
func (s Starts) Of(hubThing string) (at config.Start, ok bool) {
	if at, ok = s[hubThing]; !ok {
		at, ok = s[""]
	}
	return at, ok
}

// Running is a connector through which messages can flow.
type Running struct {
	Admin   string                 // host:port of the admin surface
	Account func() delivery.Counts // over all partitions
}

// Run runs the connector until ctx ends, then drains and saves its last checkpoints. A hub or a platform that cannot be
// reached is waited for. With several hubs, one that fails is tried again now and then while the others go on; the error
// of the last one ends the run. Errors are fault.Problems with a hint.
func Run(ctx context.Context, o Options) error {
	beside := supervise.New(ctx)
	if slices.ContainsFunc(o.Config.Hubs, func(h config.Hub) bool { return h.CAFile == "" }) {
		beside.Go("system's authorities", dial.LoadRoots)
	}
	c, err := build(o)
	if err == nil {
		err = errors.Join(c.run(ctx), c.closeQuarantine())
	}
	return errors.Join(err, beside.Wait())
}

// connector is everything that lives as long as the process, once for all hubs.
type connector struct {
	Options
	hubs []*hubSide // in the order of the file
	outside
	meter   *observe.Metrics
	tracer  *observe.Tracer // nil if nobody traces
	admin   *admin.Server
	dead    *quarantine.Store
	kept    *quarantine.Shelf
	budget  *ingress.Budget // one bound for the messages of all hubs
	link    *platform.Link
	events  *platform.Announcer
	setup   *platform.Setup
	adapter *adapter.Adapter // nil if the platform has no connector Things
	answers answerer         // carries out the platform's requests instead of the hubs; nil in a connector that runs
	book    *observe.Logbook
	appKey  atomic.Pointer[secret.Source] // of the platform, as it is now
	changed chan struct{}                 // holds one token: settings of hub Things may have changed
	asked   chan chan<- Reloaded          // somebody wants the file to be read again, and hears what came of it
	owners  owners
	health  health
	start   start
	drained sync.Once
	tail    tail.Tail // of people who watch messages
}

// build opens what needs no other system: a busy port or a folder in use is told before anything starts.
func build(o Options) (c *connector, err error) {
	book := observe.NewLogbook(o.Log.Handler())
	o.Log = slog.New(book)
	if o.Reread == nil {
		o.Hangup = nil
	}
	c = newConnector(o)
	c.book = book
	opened := c // what is returned with an error is nil
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.closeQuarantine())
		}
	}()
	for _, open := range []func() error{c.checkFile, c.openOutside, c.openQuarantine, c.openLink} {
		if err = open(); err != nil {
			return nil, err
		}
	}
	c.openAdapter()
	c.openTracer()
	c.watch()
	return c, c.openAdmin()
}

// newConnector makes one that has nothing open.
func newConnector(o Options) *connector {
	c := &connector{
		Options: o, meter: observe.NewMetrics(), budget: ingress.NewBudget(int64(o.Config.Memory)),
		changed: make(chan struct{}, 1), asked: make(chan chan<- Reloaded),
		health: health{start: errStarting},
	}
	for i := range o.Config.Hubs {
		c.hubs = append(c.hubs, newHubSide(c, &o.Config.Hubs[i]))
	}
	return c
}

// run starts the platform's side, then what serves the hubs on top of it; it ends them the other way round.
func (c *connector) run(ctx context.Context) error {
	base := supervise.New(context.WithoutCancel(ctx))
	c.health.setLoops(base.Context())
	base.Go("admin", c.admin.Run)
	if c.awaitVaults(ctx) != nil { // stopped while waiting
		base.Stop()
		return base.Wait()
	}
	base.Go("platform", c.link.Run)
	base.Go("events", c.events.Run)
	base.Go("quarantine", c.ageQuarantine)
	if c.tracer != nil {
		base.Go("traces", c.tracer.Run)
	}
	if c.TendGarbage {
		base.Go("garbage", new(garbage).tend)
	}

	flowing := supervise.New(ctx)
	defer context.AfterFunc(base.Context(), flowing.Stop)() // what carries the flow has failed
	err := c.serve(flowing)
	c.drainRequests(base.Context())
	base.Stop()
	return errors.Join(err, base.Wait())
}

// serve takes the connector's place on the platform, and serves the hubs until flowing stops or none of them can be served.
func (c *connector) serve(flowing *supervise.Group) error {
	ctx := flowing.Context()
	if err := c.settle(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped while waiting
		}
		return err
	}
	if c.adapter != nil {
		flowing.Go("connector Thing", c.adapter.Run)
	}
	flowing.Go("settings", newReloader(c).watch)
	flowing.Go("ready", c.tellReady)
	ended := make([]error, len(c.hubs))
	for i, h := range c.hubs {
		flowing.Go("hub "+h.thing, func(ctx context.Context) error {
			if ended[i] = h.run(ctx); ended[i] != nil {
				flowing.Stop()
			}
			return nil
		})
	}
	err := flowing.Wait()
	return errors.Join(append(ended, err)...)
}
