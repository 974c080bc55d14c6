package alwayson

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Phase is what a Client is doing.
type Phase uint8

// Phases of a Client.
const (
	PhaseIdle       Phase = iota // Run was not called yet
	PhaseConnecting              // dialling, authenticating or binding
	PhaseConnected               // authenticated, and names bound
	PhaseWaiting                 // backing off before the next attempt
	PhaseRefused                 // the credential was refused; backing off for long
	PhaseClosed                  // Run has ended
)

// State is a snapshot of a Client. A refused name is tried again after the next connect, or by Bind.
type State struct {
	Phase    Phase
	URL      string           // used or tried last
	Err      error            // why it is not connected; nil while connected
	Attempts int              // failed rounds over all URLs since it was last connected, and its loss
	Retry    time.Duration    // how long it waits in PhaseWaiting and PhaseRefused
	Session  uint32           // in PhaseConnected
	Refused  map[string]error // names that the platform refused to bind on this connection; not to be changed
}

// ClientConfig configures a Client. Zero durations mean their defaults.
type ClientConfig struct {
	// Dial says how to connect. Its URL is ignored if URLs is set.
	Dial DialConfig
	// URLs are of instances of one platform. They are tried in turn, from the one that worked last, and again after a
	// pause when none of them worked.
	URLs []string
	// Names are bound after each connect; more can be added by Bind.
	Names []string
	// Gateway is named in each BIND if both its parts are set.
	Gateway Gateway
	// OnState is called with each new state, one call at a time; it must not block nor call the Client.
	OnState func(State)
	// MinBackoff and MaxBackoff bound the wait between rounds over the URLs, which doubles and is spread by half;
	// defaults 250 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// RefusedBackoff is the wait after a round in which the platform refused the credential; default 60 s.
	RefusedBackoff time.Duration
	// BindTimeout bounds each BIND; default 30 s.
	BindTimeout time.Duration
	// BindGroup is how many names go into one BIND; default 250.
	BindGroup int
}

const (
	defaultMinBackoff     = 250 * time.Millisecond
	defaultMaxBackoff     = 30 * time.Second
	defaultRefusedBackoff = 60 * time.Second
	defaultBindTimeout    = 30 * time.Second
	defaultBindGroup      = 250

	// steadyAfter is how long a connection must have lived for the back-off to start from its minimum: a platform
	// that takes every connection and drops it at once is not to be hammered.
	steadyAfter = 10 * time.Second
)

// Client keeps one connection to a platform alive: it dials, authenticates, binds, and does so again after each
// loss. Requests in flight when a connection ends fail and are not sent again.
type Client struct {
	cfg      ClientConfig
	stop     chan struct{} // closed by Close
	retry    chan struct{} // Retry ends a wait by it
	stopping sync.Once
	started  atomic.Bool
	ended    chan struct{}  // closed when Run has returned
	closing  sync.WaitGroup // connections that are ending

	current   atomic.Pointer[Conn] // nil while not connected
	connected atomic.Bool          // the state says so

	binding sync.Mutex // held while names are being bound or unbound

	mu      sync.Mutex
	names   map[string]struct{}
	state   State
	changed chan struct{} // closed and replaced at each new state
	telling sync.Mutex    // keeps the calls of OnState in order
}

// NewClient checks cfg and returns a Client that does nothing until Run.
func NewClient(cfg ClientConfig) (*Client, error) {
	if len(cfg.URLs) == 0 {
		cfg.URLs = []string{cfg.Dial.URL}
	}
	for _, cfg.Dial.URL = range cfg.URLs {
		if _, err := cfg.Dial.withDefaults(); err != nil {
			return nil, fmt.Errorf("new AlwaysOn client: %w", err)
		}
	}
	cfg.setDefaults()
	c := &Client{
		cfg:     cfg,
		stop:    make(chan struct{}),
		retry:   make(chan struct{}, 1),
		ended:   make(chan struct{}),
		names:   make(map[string]struct{}),
		changed: make(chan struct{}),
	}
	for _, name := range cfg.Names {
		c.names[name] = struct{}{}
	}
	return c, nil
}

func (cfg *ClientConfig) setDefaults() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&cfg.MinBackoff, defaultMinBackoff}, {&cfg.MaxBackoff, defaultMaxBackoff},
		{&cfg.RefusedBackoff, defaultRefusedBackoff}, {&cfg.BindTimeout, defaultBindTimeout},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	if cfg.BindGroup <= 0 || cfg.BindGroup > math.MaxUint16 {
		cfg.BindGroup = defaultBindGroup
	}
}

// Run keeps the connection alive until ctx ends or Close is called, and owns every goroutine of the Client:
// when it returns, none is left. It returns nil after Close, else the error of ctx. It may be called once.
func (c *Client) Run(ctx context.Context) error {
	if !c.started.CompareAndSwap(false, true) {
		return errors.New("run AlwaysOn client: it ran before")
	}
	defer close(c.ended)
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	c.closing.Go(func() {
		select {
		case <-c.stop:
			cancel()
		case <-run.Done():
		}
	})
	for next := (rota{urls: c.cfg.URLs}); run.Err() == nil; {
		lived, err := c.connection(run, next.url())
		if err := next.ended(lived, err); err != nil {
			c.pause(run, next.rounds, err)
		}
	}
	cancel()
	c.closing.Wait()
	c.tell(func(s *State) { *s = State{Phase: PhaseClosed, URL: s.URL, Err: ErrClosed} })
	select {
	case <-c.stop:
		return nil
	default:
		return context.Cause(ctx)
	}
}

// connection makes one connection, binds, and waits for its end. It returns how long it was of use and why there is
// none any more.
func (c *Client) connection(ctx context.Context, url string) (lived time.Duration, err error) {
	c.tell(func(s *State) { s.Phase, s.URL, s.Retry = PhaseConnecting, url, 0 })
	dial := c.cfg.Dial
	dial.URL = url
	conn, err := Dial(ctx, dial)
	if err != nil {
		return 0, err
	}
	// Handlers may take their time to end; the next connection need not wait for them.
	defer func() { c.closing.Go(func() { _ = conn.Close() }) }()
	refused, err := c.enter(ctx, conn)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	defer c.current.Store(nil)
	c.tell(func(s *State) {
		*s = State{Phase: PhaseConnected, URL: url, Session: conn.SessionID(), Refused: refused}
	})
	defer c.forgetRetry()
	select {
	case <-conn.Done():
		return time.Since(began), conn.Err()
	case <-ctx.Done():
		return time.Since(began), context.Cause(ctx)
	}
}

// enter binds all names and makes conn the current connection, so that no name is added in between.
func (c *Client) enter(ctx context.Context, conn *Conn) (refused map[string]error, err error) {
	c.binding.Lock()
	defer c.binding.Unlock()
	refused, err = c.bindAll(ctx, conn, c.wanted())
	if err == nil {
		c.current.Store(conn)
	}
	return refused, err
}

// pause tells the failure and waits before the next attempt.
func (c *Client) pause(ctx context.Context, failures int, err error) {
	if ctx.Err() != nil {
		return
	}
	phase, wait := PhaseWaiting, c.backoff(failures)
	if IsCredentialRefused(err) {
		phase, wait = PhaseRefused, spread(c.cfg.RefusedBackoff)
	}
	c.tell(func(s *State) { *s = State{Phase: phase, URL: s.URL, Err: err, Attempts: failures, Retry: wait} })
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.retry:
	case <-ctx.Done():
	}
}

// Retry has a Client that waits for its next attempt make it now: what was in the way, such as a refused key, is another.
// An attempt that is under way and fails is made once more. It does not wait; while connected it does nothing.
func (c *Client) Retry() {
	select {
	case c.retry <- struct{}{}:
	default:
	}
}

// forgetRetry is for a Retry that came while connected.
func (c *Client) forgetRetry() {
	select {
	case <-c.retry:
	default:
	}
}

// backoff doubles from MinBackoff to MaxBackoff with each failure.
func (c *Client) backoff(failures int) time.Duration {
	wait := c.cfg.MinBackoff
	for range failures - 1 {
		if wait *= 2; wait >= c.cfg.MaxBackoff {
			break
		}
	}
	return spread(min(wait, c.cfg.MaxBackoff))
}

// spread returns a random time between the half of d and d, so that many clients do not return at once.
func spread(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// Close makes Run end and waits for it. It returns nil.
func (c *Client) Close() error {
	c.stopping.Do(func() { close(c.stop) })
	if c.started.Load() {
		<-c.ended
	}
	return nil
}

// Wait returns when the Client is connected and bound, or with the error of ctx (naming the last failure), or
// with ErrClosed when Run has ended.
func (c *Client) Wait(ctx context.Context) error {
	for !c.connected.Load() {
		c.mu.Lock()
		state, changed := c.state, c.changed
		c.mu.Unlock()
		switch state.Phase {
		case PhaseConnected:
			return nil
		case PhaseClosed:
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if state.Err != nil {
				return fmt.Errorf("wait for the platform: %w (last: %w)", context.Cause(ctx), state.Err)
			}
			return fmt.Errorf("wait for the platform: %w", context.Cause(ctx))
		}
	}
	return nil
}

// Call is [Conn.Call] on the current connection; it fails at once with ErrNotConnected if there is none.
func (c *Client) Call(ctx context.Context, r Request) (Response, error) {
	conn := c.current.Load()
	if conn == nil {
		return Response{}, ErrNotConnected
	}
	return conn.Call(ctx, r)
}

// Send is [Conn.Send] on the current connection; it fails with ErrNotConnected if there is none.
func (c *Client) Send(r Request, done func(Response, error)) error {
	conn := c.current.Load()
	if conn == nil {
		return ErrNotConnected
	}
	return conn.Send(r, done)
}

// Drop ends the current connection at once, so that its late answers and unsent requests are lost, and reconnects.
// It does not wait. reason is what calls in flight and State report. Without a connection it does nothing.
func (c *Client) Drop(reason error) {
	if conn := c.current.Load(); conn != nil {
		if reason == nil {
			reason = fmt.Errorf("%w: dropped here", ErrClosed)
		}
		conn.abort(reason)
	}
}

// Move is Drop, and the next connection is to another URL than this one, unless none of the others works. It reports
// false, and does nothing, if there is no other or no connection.
func (c *Client) Move(reason error) bool {
	conn := c.current.Load()
	if conn == nil || len(c.cfg.URLs) < 2 {
		return false
	}
	conn.abort(fmt.Errorf("%w: %w", errMoved, reason))
	return true
}

// Serving is [Conn.Serving] of the current connection, 0 if there is none.
func (c *Client) Serving() int {
	conn := c.current.Load()
	if conn == nil {
		return 0
	}
	return conn.Serving()
}

// State returns a snapshot.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *Client) tell(change func(*State)) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	change(&c.state)
	state := c.state
	c.connected.Store(state.Phase == PhaseConnected)
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	if c.cfg.OnState != nil {
		c.cfg.OnState(state)
	}
}
