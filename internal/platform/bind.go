package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
)

// BindMode says how the platform learns that a hub's requests come to this connector.
type BindMode string

// Modes of binding.
const (
	// BindAuto is BindGroup, and BindDevices as soon as the platform turns out to ignore that.
	BindAuto BindMode = "auto"
	// BindGroup binds the routing group of the hub Thing.
	BindGroup BindMode = "group"
	// BindDevices binds the hub Thing and each of its device Things.
	BindDevices BindMode = "devices"
)

// BindSocket is the connection that binds names; *alwayson.Client is one. What it has bound it binds again by itself
// after each connect.
type BindSocket interface {
	caller
	Bind(ctx context.Context, names ...string) error
	Unbind(ctx context.Context, names ...string) error
	State() alwayson.State
}

// BinderConfig sets up a Binder. Zero fields mean their defaults.
type BinderConfig struct {
	Hub    string     // the hub Thing; required
	Group  string     // the routing group if the file names it; "" asks the hub Thing
	Mode   BindMode   // default BindAuto
	Socket BindSocket // required: Link.Client, the same one always, so that each connector counts once in its group
	// Timeout is how long an answer of the platform may take; default 30 s.
	Timeout time.Duration
	// Ignored is called when the platform turned out to ignore group binds; at most once. May be nil.
	Ignored func()
	Log     *slog.Logger // may be nil
}

// BindState is what health, metrics and the status page show of a Binder.
type BindState struct {
	Mode    BindMode // as configured
	Group   string   // the routing group; "" until it is known
	ByGroup bool     // the group is what is bound, and not one device after the other
	Ignored bool     // the platform ignores group binds, as BindAuto found
	// Verified says that a request for a device Thing came through the group: always false in other modes than auto.
	Verified bool
	Names    int       // names that are meant to be bound: 1 by group
	Refused  int       // of these, those that the platform refuses on this connection: another connector may have them
	Since    time.Time // since when the group or, one by one, the hub Thing is bound; zero while it is not
	Err      error     // why it is not; nil if it is
}

const (
	askGroupEvery = time.Minute      // the group's name is asked for again
	renewEvery    = 30 * time.Second // the hub's device Things are listed again
	bindAgain     = 10 * time.Second // after a bind was refused
	leaveTimeout  = 5 * time.Second  // for giving back what was bound, at the end
)

// Binder binds what makes the platform send the requests of one hub's Things to this connector, and keeps that up
// to date. That a group is bound by a plain BIND of its name is inferred: this type is the only place that relies on it.
type Binder struct {
	cfg  BinderConfig
	wake chan struct{} // holds one token: something is to be done now

	// Of the goroutine in Run, or in Resolve before.
	group      string          // valid, or "" before Resolve
	cleared    bool            // the hub Thing has no valid one any more
	bound      string          // the group as it was given to the socket; "" if none was
	names      map[string]bool // given to the socket one by one
	bindErr    error           // of the last bind
	session    uint32          // of the connection when Since was set
	hubReached bool            // a Ping on the hub Thing came through
	nextAsk    time.Time
	nextList   time.Time
	nextRetry  time.Time         // of binds that were refused, or had no answer
	said       map[string]string // by event, so that each warning is told once until its cause changes

	mu      sync.Mutex
	state   BindState
	recheck bool
	learned map[string]string // device Things that ingress has met, with their gatewayThing
	heard   string            // the last of them
	arrived map[string]bool   // Things whose Ping came here, while somebody waits for it
}

// NewBinder checks cfg and returns a Binder that does nothing until Resolve or Run. A routing group that is blank is a
// Problem of class Fatal.
func NewBinder(cfg BinderConfig) (*Binder, error) {
	if cfg.Mode == "" {
		cfg.Mode = BindAuto
	}
	byDefault(&cfg.Timeout, 30*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Hub == "" || cfg.Socket == nil:
		return nil, errors.New("set up binder: no hub Thing or no socket")
	case !slices.Contains([]BindMode{BindAuto, BindGroup, BindDevices}, cfg.Mode):
		return nil, &fault.Problem{Op: "set up binder", Class: fault.Fatal, Cause: fmt.Errorf("bind: %q", cfg.Mode),
			Hint: "auto, group and devices are known"}
	}
	b := &Binder{
		cfg: cfg, wake: make(chan struct{}, 1), names: map[string]bool{}, said: map[string]string{},
		learned: map[string]string{},
		state:   BindState{Mode: cfg.Mode, ByGroup: cfg.Mode != BindDevices},
	}
	if cfg.Group != "" {
		if err := checkGroup(cfg.Group, "read routingGroup of hub "+cfg.Hub+" in the file"); err != nil {
			return nil, err
		}
		b.setGroup(cfg.Group)
	}
	return b, nil
}

// Resolve finds out the routing group's name and returns when it is known, or with the error of ctx, or with a Problem
// of class Fatal when it is null, empty or blank: then nothing may start. Run does the same if nobody did before.
func (b *Binder) Resolve(ctx context.Context) error {
	pause := fault.Backoff{Min: time.Second, Max: 30 * time.Second}
	for b.group == "" {
		if err := b.cfg.Socket.Wait(ctx); err != nil {
			return fmt.Errorf("ask for the routing group: %w", err)
		}
		name, err := b.askGroup(ctx)
		switch {
		case err == nil:
			b.setGroup(name)
			b.nextAsk = time.Now().Add(askGroupEvery)
			return nil
		case fault.ClassOf(err) == fault.Fatal || ctx.Err() != nil:
			return err
		}
		b.warn("routing-group-unknown", "the routing group is not known yet", err)
		if err := pause.Pause(ctx); err != nil {
			return fmt.Errorf("ask for the routing group: %w", err)
		}
	}
	return nil
}

// Run keeps bound what is meant to be until ctx ends, and then gives it back, so that the platform turns to other
// connectors at once. The error is that of Resolve. It may be called once.
func (b *Binder) Run(ctx context.Context) error {
	if err := b.Resolve(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer b.leave(ctx)
	for {
		timer := time.NewTimer(b.step(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-b.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// step does what is due and returns when the next thing is, unless something happens before.
func (b *Binder) step(ctx context.Context) time.Duration {
	if b.cfg.Socket.Wait(ctx) != nil {
		return bindAgain
	}
	if b.bindErr == nil || fault.ClassOf(b.bindErr) == fault.Rejected {
		b.bindErr = b.refusals() // a new connection may have brought others
	}
	now := time.Now()
	if b.takeRecheck() {
		b.nextAsk, b.nextList = now, now
	}
	if b.byGroup() {
		again := !now.Before(b.nextAsk)
		if again {
			b.nextAsk = now.Add(askGroupEvery)
			b.renewGroup(ctx)
		}
		b.bindGroup(ctx)
		if b.cfg.Mode == BindAuto {
			b.verify(ctx, again)
		}
	}
	if !b.byGroup() {
		if !now.Before(b.nextList) {
			b.nextList = now.Add(renewEvery)
			b.listDevices(ctx)
		}
		b.bindLearned(ctx)
	}
	b.settle()
	return b.next()
}

// next is the time until something is due.
func (b *Binder) next() time.Duration {
	due := b.nextList
	if b.byGroup() {
		due = b.nextAsk
	}
	if b.bindErr != nil && b.nextRetry.Before(due) {
		due = b.nextRetry
	}
	return max(minPause, time.Until(due))
}

// Recheck asks for the group's name again, and verifies that the platform heeds it: after a reconnect, or because
// somebody changed it.
func (b *Binder) Recheck() {
	b.mu.Lock()
	b.recheck = true
	b.mu.Unlock()
	b.signal()
}

func (b *Binder) takeRecheck() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.recheck
	b.recheck = false
	return was
}

func (b *Binder) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// State returns a snapshot.
func (b *Binder) State() BindState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

func (b *Binder) change(f func(s *BindState)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.state)
}

func (b *Binder) byGroup() bool { return b.State().ByGroup }

// warn tells something once until its cause changes.
func (b *Binder) warn(event, text string, err error) {
	if b.said[event] == err.Error() {
		return
	}
	b.said[event] = err.Error()
	b.cfg.Log.Warn(text, "event", event, "hub", b.cfg.Hub, "error", err, "hint", fault.HintOf(err))
}

// leave gives back everything.
func (b *Binder) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	names := keys(b.names)
	if b.bound != "" {
		names = append(names, b.bound)
	}
	b.unbind(ctx, names...)
	b.change(func(s *BindState) { s.Since, s.Names, s.Err = time.Time{}, 0, errStopping })
}
