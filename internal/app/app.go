// Package app builds the connector from its file and runs it: the composition root.
package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"azx/internal/adapter"
	"azx/internal/admin"
	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/dial"
	"azx/internal/hub"
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
	Start  *config.Start // overrides the start of the file, also when the identity changed; nil for the file's
	Log    *slog.Logger
	Ready  func(Running) // called once, from any goroutine, when messages can flow; may be nil

	// Reread reads the configuration again, when Hangup or the admin surface asks for it; nil: it stays as it is.
	Reread func() (*config.Config, config.Problems, error)
	Hangup <-chan os.Signal // may be nil
}

// Running is a connector through which messages can flow.
type Running struct {
	Admin   string                 // host:port of the admin surface
	Account func() delivery.Counts // over all partitions
}

// Run runs the connector until ctx ends, then drains and saves its last checkpoints. A hub or a platform
// that cannot be reached is waited for. Errors are fault.Problems with a hint.
func Run(ctx context.Context, o Options) error {
	c, err := build(o)
	if err != nil {
		return err
	}
	return errors.Join(c.run(ctx), c.closeQuarantine())
}

// connector is everything that lives as long as the process.
type connector struct {
	Options
	file *config.Hub // the hub as the file has it
	keys *keys       // its connection strings as they are now
	outside
	meter   *observe.Metrics
	tracer  *observe.Tracer // nil if nobody traces
	admin   *admin.Server
	dead    *quarantine.Store
	kept    *quarantine.Shelf
	link    *platform.Link
	events  *platform.Announcer
	setup   *platform.Setup
	adapter *adapter.Adapter // nil if the platform has no connector Things
	answers answerer         // carries out the platform's requests instead of all that follows; nil in a connector that runs
	book    *observe.Logbook
	appKey  atomic.Pointer[secret.Source] // of the platform, as it is now
	changed chan struct{}                 // holds one token: settings of the hub Thing may have changed
	asked   chan chan<- Reloaded          // somebody wants the file to be read again, and hears what came of it
	state   state
	tail    tail.Tail // of people who watch messages

	// What follows is made once the settings of the hub are known; made says so to those who run before.
	made    atomic.Bool
	hub     *config.Hub      // as it was then: with what the hub Thing has
	rows    []config.Setting // what the hub Thing had then
	network *dial.Network
	aside   *ingress.Aside
	writer  *platform.Writer
	twoWay  *twoWay // nil if the platform's requests are not carried
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
	if !c.azx() {
		if err = checkHub(c.file, "set hubs[0].connectionString; without this project's packages the hub Thing is not asked for it"); err != nil {
			return nil, err
		}
	}
	if c.outside, err = openOutside(o.Config, o.Log); err != nil {
		return nil, err
	}
	if err = c.openQuarantine(); err != nil {
		return nil, err
	}
	if err = c.openLink(); err != nil {
		return nil, err
	}
	c.openAdapter(book)
	c.meter.WatchPartitions(c.file.Thing, c.snapshot)
	c.meter.WatchPlatform(c.platformState)
	c.meter.WatchHub(c.file.Thing, c.hubState)
	c.meter.WatchChecks(c.inOrder)
	c.openTracer()
	key := newAdminKey()
	c.admin, err = admin.Listen(admin.Options{
		Tail: &c.tail, TailKey: key,
		Listen: o.Config.Admin.Listen, Log: o.Log, Metrics: c.meter.Handler(),
		Live: []admin.Check{{Name: "loops turn", Run: c.checkLoops}}, Ready: c.checks(), Partitions: c.accounts,
		Platform: func() map[string]int { return c.link.Health().At },
		Pprof:    bool(o.Config.Admin.Pprof), Reload: c.reload,
	})
	if err == nil {
		err = c.tellAdmin(key)
	}
	return c, err
}

// newConnector makes one that has nothing open.
func newConnector(o Options) *connector {
	return &connector{
		Options: o, file: &o.Config.Hubs[0], keys: newKeys(&o.Config.Hubs[0]), meter: observe.NewMetrics(),
		changed: make(chan struct{}, 1), asked: make(chan chan<- Reloaded),
		state: state{start: errStarting, hubErr: errStarting},
	}
}

// run starts the platform's side, then what serves the hub on top of it; it ends them the other way round.
func (c *connector) run(ctx context.Context) error {
	base := supervise.New(context.WithoutCancel(ctx))
	c.state.setLoops(base.Context())
	base.Go("admin", c.admin.Run)
	if c.awaitVaults(ctx) != nil { // stopped while waiting
		base.Stop()
		return base.Wait()
	}
	base.Go("platform", c.link.Run)
	base.Go("events", c.events.Run)
	if c.tracer != nil {
		base.Go("traces", c.tracer.Run)
	}

	flowing := supervise.New(ctx)
	defer context.AfterFunc(base.Context(), flowing.Stop)() // what carries the flow has failed
	err := c.serve(flowing, base)
	flowing.Stop()
	err = errors.Join(err, flowing.Wait())
	c.drainRequests(base.Context())
	base.Stop()
	return errors.Join(err, base.Wait())
}

// serve finds out what the hub is, makes what carries its messages and requests, and carries them until flowing stops.
func (c *connector) serve(flowing, base *supervise.Group) error {
	ctx := flowing.Context()
	if err := c.settle(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped while waiting
		}
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	base.Go("put aside", c.aside.Run)
	base.Go("writer", c.writer.Run)
	revisit := ingress.Revisit{Things: c.keptThings, Visit: c.writer.Visit, Every: 5 * time.Second, Most: 50}
	base.Go("revisit", revisit.Run)
	if c.twoWay != nil {
		c.twoWay.run(base)
		flowing.Go("bind", c.bind)
	}
	if c.adapter != nil {
		flowing.Go("connector Thing", c.adapter.Run)
	}
	flowing.Go("settings", newReloader(c).watch)
	return c.flow(ctx)
}

// open makes what the settings of the hub decide.
func (c *connector) open() error {
	var err error
	if c.network, err = openNetwork(c.hub, c.dialer, c.Log); err != nil {
		return err
	}
	c.openAside()
	if err := c.openWriter(); err != nil {
		return err
	}
	if err := c.openTwoWay(); err != nil {
		return err
	}
	c.made.Store(true)
	return nil
}

// HubError is an error of the hub that waiting does not mend, such as a consumer group that is not there.
type HubError struct{ Cause error }

// Error is the cause's.
func (e *HubError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *HubError) Unwrap() error { return e.Cause }

// flow finds the hub's events and carries them until ctx ends.
func (c *connector) flow(ctx context.Context) error {
	events, err := c.openHub(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped while waiting
		}
		return &HubError{err}
	}
	defer events.close()
	if c.twoWay.waitResolved(ctx) != nil {
		return nil // stopped while waiting
	}
	store, err := c.openCheckpoints(events)
	if err != nil {
		return err
	}
	flow, err := c.newFlow(ctx, events, store)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	c.state.setFlow(flow)
	watch := supervise.New(ctx)
	watch.Go("heads", func(ctx context.Context) error { return c.watchHeads(ctx, events) })
	watch.Go("ready", c.tellReady)
	if err = flow.Run(ctx); errors.Is(err, hub.ErrNoConsumerGroup) {
		err = &HubError{err}
	}
	watch.Stop()
	return errors.Join(err, watch.Wait(), store.Close())
}

// tellReady says once that messages and requests can flow: the hub is open, so it waits for the platform.
func (c *connector) tellReady(ctx context.Context) error {
	if c.Ready != nil && c.link.Wait(ctx) == nil && c.twoWay.waitBound(ctx) == nil {
		c.Ready(Running{Admin: c.admin.Addr(), Account: c.account})
	}
	return nil
}

// newFlow gives each partition its pump, and the position where it begins.
func (c *connector) newFlow(ctx context.Context, events *events, store checkpoint.Store) (*ingress.Flow, error) {
	flow := &ingress.Flow{
		Hub: events, HubThing: c.hub.Thing, Checkpoints: store, Meter: c.meter, Log: c.Log,
		SaveInterval: saveInterval, DrainTimeout: drainTimeout,
		Lost: func(_ string, err error) { c.tellRefused(err) }, Failed: c.tellInternal,
	}
	budget := ingress.NewBudget(int64(c.Config.Memory))
	for _, part := range events.partitions {
		start, err := c.startOf(ctx, part, store)
		if err != nil {
			return nil, err
		}
		pump := &ingress.Pump{
			Tracker: delivery.NewTracker(), Budget: budget, Translator: c.aside.Translator,
			Writer: c.writer, Aside: c.aside, Tap: tapped{&c.tail}, Meter: c.meter,
		}
		if c.twoWay != nil {
			pump.Twins = c.twoWay.egress
		}
		flow.Partitions = append(flow.Partitions, &ingress.Partition{ID: part.ID, Start: start, Pump: pump})
	}
	return flow, nil
}
