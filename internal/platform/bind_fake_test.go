package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

// bindPlatform is one connection to a platform with the hub Thing "Hub" and its device Things. It is a BindSocket.
type bindPlatform struct {
	mu        sync.Mutex
	group     infotable.Value // what GetRoutingGroup answers
	noService bool            // there is no GetRoutingGroup, GetDeviceThings and Ping
	noHub     bool            // the hub Thing cannot be bound
	busy      bool            // services are answered "service unavailable"
	ignores   bool            // a BIND of a group carries no requests of devices
	silent    bool            // a Ping that nobody carries is never answered, instead of refused
	devices   []string        // sorted
	taken     map[string]bool // names that somebody else has bound
	session   uint32          // 0 while not connected
	changed   chan struct{}

	wanted map[string]bool  // names on the socket's list
	bound  map[string]bool  // names that the platform took on this connection
	refuse map[string]error // on this connection
	log    []string         // "bind a b", "unbind a", "Ping a", "GetRoutingGroup"
	pinged func(thing string)
}

func newBindPlatform(devices ...string) *bindPlatform {
	return &bindPlatform{
		group: infotable.String("Hub"), devices: devices, session: 1, changed: make(chan struct{}), taken: map[string]bool{},
		wanted: map[string]bool{}, bound: map[string]bool{}, refuse: map[string]error{}, pinged: func(string) {},
	}
}

func (p *bindPlatform) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// drop ends the connection; connect makes a new one, on which the names of the list are bound again.
func (p *bindPlatform) drop() {
	p.with(func() { p.session, p.bound, p.refuse = 0, map[string]bool{}, map[string]error{} })
}

func (p *bindPlatform) connect(session uint32) {
	p.with(func() {
		p.session = session
		for name := range p.wanted {
			p.take(name)
		}
	})
}

func (p *bindPlatform) take(name string) {
	delete(p.refuse, name)
	group, _ := p.group.Text()
	switch {
	case p.taken[name]:
		p.refuse[name] = &alwayson.Error{Code: alwayson.Forbidden, Reason: "bound already"}
	case name == "Hub" && !p.noHub, name == group && !p.noHub, slices.Contains(p.devices, name), strings.HasPrefix(name, "met-"):
		p.bound[name] = true
	default:
		p.refuse[name] = &alwayson.Error{Code: alwayson.NotFound, Reason: "no Thing " + name}
	}
}

func (p *bindPlatform) Wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		connected, changed := p.session != 0, p.changed
		p.mu.Unlock()
		if connected {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *bindPlatform) Drop(error) {}

func (p *bindPlatform) Move(error) bool { return false }

func (p *bindPlatform) State() alwayson.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == 0 {
		return alwayson.State{Phase: alwayson.PhaseWaiting}
	}
	refused := map[string]error{}
	for name, err := range p.refuse {
		refused[name] = err
	}
	return alwayson.State{Phase: alwayson.PhaseConnected, Session: p.session, Refused: refused}
}

func (p *bindPlatform) Bind(_ context.Context, names ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, "bind "+strings.Join(names, " "))
	var errs []error
	for _, name := range names {
		p.wanted[name] = true
		if p.session != 0 {
			p.take(name)
			if err := p.refuse[name]; err != nil {
				errs = append(errs, fmt.Errorf("bind %q: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *bindPlatform) Unbind(_ context.Context, names ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, "unbind "+strings.Join(names, " "))
	for _, name := range names {
		delete(p.wanted, name)
		delete(p.bound, name)
	}
	return nil
}

func (p *bindPlatform) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	resp, pinged, err := p.answer(r)
	switch {
	case pinged != "":
		p.pinged(pinged)
	case resp.Code == 0 && err == nil: // silence
		<-ctx.Done()
		return resp, ctx.Err()
	}
	return resp, err
}

func (p *bindPlatform) answer(r alwayson.Request) (resp alwayson.Response, pinged string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == 0 {
		return resp, "", alwayson.ErrNotConnected
	}
	p.log = append(p.log, strings.TrimSuffix(r.Target+" "+r.Name, " Hub"))
	switch {
	case p.busy:
		return alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), "", nil
	case p.noService:
		return alwayson.Refuse(alwayson.NotFound, "no service "+r.Target), "", nil
	case r.Target == routingGroupService:
		return alwayson.Result(p.group), "", nil
	case r.Target == deviceThingsService:
		return p.page(&r), "", nil
	case p.carries(r.Name):
		return alwayson.Done(), r.Name, nil
	case p.silent:
		return alwayson.Response{}, "", nil
	}
	return alwayson.Refuse(alwayson.ServiceUnavailable, "nobody has bound it"), "", nil
}

func (p *bindPlatform) carries(thing string) bool {
	group, _ := p.group.Text()
	if thing == "Hub" {
		return p.bound["Hub"] || p.bound[group]
	}
	return p.bound[thing] || p.bound[group] && !p.ignores
}

func (p *bindPlatform) page(r *alwayson.Request) alwayson.Response {
	after, _ := r.Param("after").Text()
	most, _ := r.Param("maxItems").Integer()
	rows := infotable.New(infotable.Column("name", infotable.TypeThingName))
	for _, name := range p.devices {
		if name > after && rows.Len() < int(most) {
			rows.Add(infotable.Text(infotable.TypeThingName, name))
		}
	}
	return alwayson.Response{Code: alwayson.Success, Content: rows}
}

// boundNames returns what is bound, sorted, in one line.
func (p *bindPlatform) boundNames() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(keys(p.bound), " ")
}

func (p *bindPlatform) calls(part string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, line := range p.log {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// logged keeps the events of a log.
type logged struct {
	slog.Handler
	mu     sync.Mutex
	events []string
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "event" {
			l.events = append(l.events, a.Value.String())
		}
		return true
	})
	return nil
}

func (l *logged) count(event string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.events {
		if e == event {
			n++
		}
	}
	return n
}

// binding is a Binder that runs against a bindPlatform in virtual time.
type binding struct {
	*bindPlatform
	*Binder
	log     *logged
	ignored int
	cancel  context.CancelFunc
	ended   chan error
}

func startBinder(t testing.TB, p *bindPlatform, change func(*BinderConfig)) *binding {
	t.Helper()
	b := &binding{bindPlatform: p, log: &logged{}, ended: make(chan error, 1)}
	cfg := BinderConfig{Hub: "Hub", Socket: p, Log: slog.New(b.log), Ignored: func() { b.ignored++ }}
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.Binder, err = NewBinder(cfg); err != nil {
		t.Fatal(err)
	}
	p.pinged = b.Pinged
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() { b.ended <- b.Run(ctx) }()
	return b
}

// stop ends the Binder and returns what Run returned.
func (b *binding) stop() error {
	b.cancel()
	return <-b.ended
}

func (b *binding) want(t interface {
	Helper()
	Errorf(string, ...any)
}, names string) {
	t.Helper()
	synctest.Wait()
	if got := b.boundNames(); got != names {
		t.Errorf("bound is %q, want %q; log: %q", got, names, b.bindPlatform.log)
	}
}

// bound runs a test in a bubble, with a Binder that ends well.
func bound(t *testing.T, p *bindPlatform, change func(*BinderConfig), test func(t *testing.T, b *binding)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p.changed = make(chan struct{}) // of the bubble
		b := startBinder(t, p, change)
		test(t, b)
		if err := b.stop(); err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if got := b.boundNames(); got != "" {
			t.Errorf("at the end %q is still bound", got)
		}
	})
}
