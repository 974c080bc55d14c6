// Package adapter is the connector as a Thing of the platform: it takes its name, tells its health and answers what is
// asked of it.
//
// Start here: Take registers the Thing and refuses a name that another connector holds; Run binds it, keeps it bound and
// tells its health until the end. answer.go has what the platform and people may ask.
package adapter

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/observe"
)

// Platform is where the connector Thing is.
type Platform interface {
	// Register makes sure that there is a connector Thing of this name, in this availability group unless that is "", and
	// returns its name.
	Register(ctx context.Context, name, group, instance, version string) (thing string, err error)
	// Holder asks whoever has bound the Thing for its instance id; false if nobody answers in time.
	Holder(ctx context.Context, thing string) (instance string, answered bool, err error)
	// Bind binds the Thing, now and after each reconnect.
	Bind(ctx context.Context, thing string) error
	// Bound returns nil if what was bound is so on the present connection.
	Bound(thing string) error
	// Unbind gives it back.
	Unbind(ctx context.Context, thing string) error
	// Report writes properties of the Thing.
	Report(ctx context.Context, thing string, writes []message.Write) error
}

// Health states, as the platform's scripts know them.
const (
	Healthy  = "healthy"
	Degraded = "degraded"
	Stopping = "stopping"
)

// Check is one part of the connector: Err says what is wrong with it, nil that nothing is.
type Check struct {
	Name string
	Err  error
}

// Config is what an Adapter needs. All fields are required but Log.
type Config struct {
	Name     string // of the Thing
	Group    string // availability group of the Thing; "": as it is on the platform
	Instance string // id of this process: another one after each start
	Version  string
	Platform Platform

	Checks  func() []Check           // every part of the connector
	Groups  func() map[string]string // routing groups by hub Thing; "" where it is not known
	Bound   func() []string          // names that are bound, this Thing's aside
	Samples func() ([]observe.Sample, error)
	Logbook *observe.Logbook

	Changed func(hubThing string) // settings of a hub Thing, "" for all, have changed; must not block
	// Clear drops an entry of a cache, "" for all of it; context is what the caller gives beside it, JSON or "".
	Clear func(cache, key, context string) error
	// Rebind binds anew what the connector has bound, this Thing too, and has looked up again what that should be.
	Rebind func(ctx context.Context) error
	Facts  func() map[string]string // what else is known of the process, by name, for people
	Log    *slog.Logger             // nil: nothing is logged
}

const (
	healthEvery = 10 * time.Second // less than a third of the time after which the platform takes a connector for gone
	lookEvery   = time.Second      // for a change of it, which is told at once
	leaveWithin = 5 * time.Second
)

// Adapter is the connector's own Thing. New makes one.
type Adapter struct {
	Config
	started time.Time
	wake    chan struct{} // holds one token
	state   atomic.Pointer[State]

	thing string // as registered
	own   bool   // it was bound by this process
	said  string // the last trouble that was told
	told  string // the health that the platform has; "" if it did not take the last one
}

// State is what the status page shows of an Adapter.
type State struct {
	Thing string // "" until it is registered
	Bound bool
	Err   error // why it is not bound, or its health not told
}

// New returns an Adapter that does nothing until Take.
func New(c Config) *Adapter {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	a := &Adapter{Config: c, started: time.Now(), wake: make(chan struct{}, 1)}
	a.state.Store(&State{Err: errNotYet})
	return a
}

// State returns a snapshot.
func (a *Adapter) State() State { return *a.state.Load() }

// Take registers the Thing. The error is of class Fatal if another connector that answers has the name.
func (a *Adapter) Take(ctx context.Context) error {
	thing, err := a.Platform.Register(ctx, a.Name, a.Group, a.Instance, a.Version)
	if err != nil {
		return err
	}
	a.thing = thing
	a.state.Store(&State{Thing: thing, Err: errNotYet})
	return a.checkHolder(ctx)
}

// checkHolder returns an error of class Fatal if another connector holds the Thing and is alive. Whoever does not answer is
// gone: the name is taken over.
func (a *Adapter) checkHolder(ctx context.Context) error {
	holder, answered, err := a.Platform.Holder(ctx, a.thing)
	if err != nil || !answered || holder == a.Instance {
		return err
	}
	return &fault.Problem{
		Op: "take the connector Thing " + a.thing, Class: fault.Fatal,
		Cause: fmt.Errorf("the connector %q has it, and answers; this one is %q", holder, a.Instance),
		Hint:  "give each connector a name of its own: the key name in the file",
	}
}

// Run keeps the Thing bound and tells its health until ctx ends; then it says that it stops, and gives the Thing back. The
// error is that of a name that another connector has had since the start. It may be called once, after Take.
func (a *Adapter) Run(ctx context.Context) error {
	defer a.leave(ctx)
	tick, look := time.NewTicker(healthEvery), time.NewTicker(lookEvery)
	defer tick.Stop()
	defer look.Stop()
	for {
		err := a.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.note(err)
		if fault.ClassOf(err) == fault.Fatal && !a.own {
			return err
		}
		if !a.pause(ctx, tick.C, look.C) {
			return nil
		}
	}
}

// pause waits until the health is to be told: once in a while, when somebody wants it, and when it has changed. It is false
// when ctx has ended.
func (a *Adapter) pause(ctx context.Context, tick, look <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-a.wake:
			return true
		case <-tick:
			return true
		case <-look:
			if a.told != "" && a.told != a.health() {
				return true
			}
		}
	}
}

// Wake has the health told at once: after a reconnect.
func (a *Adapter) Wake() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// step binds the Thing if it is not bound, and tells the health if it is.
func (a *Adapter) step(ctx context.Context) error {
	if err := a.hold(ctx); err != nil {
		return err
	}
	state := a.health()
	err := a.report(ctx, state)
	if a.told = state; err != nil {
		a.told = ""
	}
	return err
}

func (a *Adapter) health() string {
	for _, c := range a.Checks() {
		if c.Err != nil {
			return Degraded
		}
	}
	return Healthy
}

// hold binds the Thing unless it is bound. A Thing that somebody else got while this connector was away is asked for again
// and again: messages flow without it.
func (a *Adapter) hold(ctx context.Context) error {
	if a.own && a.Platform.Bound(a.thing) == nil {
		return nil
	}
	if err := a.checkHolder(ctx); err != nil {
		return err
	}
	if err := a.Platform.Bind(ctx, a.thing); err != nil {
		return err
	}
	a.own = true
	a.Log.Info("the connector has its Thing", "event", "connector-thing-bound", "thing", a.thing, "instance", a.Instance)
	return nil
}

// note keeps the state, and tells of trouble once until it changes.
func (a *Adapter) note(err error) {
	bound := a.own && a.Platform.Bound(a.thing) == nil
	a.state.Store(&State{Thing: a.thing, Bound: bound, Err: err})
	switch {
	case err == nil:
		a.said = ""
	case err.Error() != a.said:
		a.said = err.Error()
		a.Log.Warn("the connector Thing is not up to date; messages flow all the same", "event", "connector-thing", "thing", a.thing,
			"error", err, "hint", fault.HintOf(err))
	}
}

// report tells the health and who is meant.
func (a *Adapter) report(ctx context.Context, state string) error {
	now := time.Now().UnixMilli()
	groups := a.Groups()
	write := func(name string, v infotable.Value) message.Write {
		return message.Write{Property: name, Value: v, Time: now}
	}
	return a.Platform.Report(ctx, a.thing, []message.Write{
		write("instanceId", infotable.String(a.Instance)),
		write("version", infotable.String(a.Version)),
		write("hubThings", infotable.String(jsonText(sortedKeys(groups)))),
		write("routingGroups", infotable.Text(infotable.TypeJSON, jsonText(groups))),
		write("healthState", infotable.String(state)),
		write("healthStateUpdated", infotable.DateTime(now)),
	})
}

// leave says that the connector stops, if the Thing is its own.
func (a *Adapter) leave(ctx context.Context) {
	a.state.Store(&State{Thing: a.thing, Err: errStopping})
	if !a.own || a.Platform.Bound(a.thing) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	err := a.report(ctx, Stopping)
	if failed := a.Platform.Unbind(ctx, a.thing); err == nil {
		err = failed
	}
	if err != nil { // the platform finds out by itself
		a.Log.Debug("the platform did not hear that the connector stops", "event", "stop-not-told", "thing", a.thing, "error", err)
	}
}

func jsonText(v any) string {
	text, _ := json.Marshal(v) // texts and maps of texts always have JSON
	return string(text)
}
