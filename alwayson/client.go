package alwayson

import (
	"context"
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

// State is a snapshot of a Client.
type State struct {
	Phase    Phase
	URL      string           // used or tried last
	Err      error            // why it is not connected; nil while connected
	Attempts int              // failed attempts since it was last connected
	Retry    time.Duration    // how long it waits in PhaseWaiting and PhaseRefused
	Session  uint32           // in PhaseConnected
	Refused  map[string]error // names that the platform refused to bind on this connection
}

// ClientConfig configures a Client. Zero durations mean their defaults.
type ClientConfig struct {
	// Dial says how to connect. Its URL is ignored if URLs is set.
	Dial DialConfig
	// URLs are tried in turn, one per attempt.
	URLs []string
	// Names are bound after each connect; more can be added by Bind.
	Names []string
	// Gateway is named in each BIND if both its parts are set.
	Gateway Gateway
	// OnState is called with each new state, one call at a time; it must not block nor call the Client.
	OnState func(State)
	// MinBackoff and MaxBackoff bound the wait between attempts, which doubles and is spread by half;
	// defaults 250 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// RefusedBackoff is the wait after the platform refused the credential; default 60 s.
	RefusedBackoff time.Duration
	// BindTimeout bounds each BIND; default 30 s.
	BindTimeout time.Duration
	// BindGroup is how many names go into one BIND; default 250.
	BindGroup int
}

// Client keeps one connection to a platform alive: it dials, authenticates, binds, and does so again after each
// loss. Requests in flight when a connection ends fail and are not sent again.
type Client struct{}

// NewClient checks cfg and returns a Client that does nothing until Run.
func NewClient(cfg ClientConfig) (*Client, error) { return &Client{}, nil }

// Run keeps the connection alive until ctx ends or Close is called, and owns every goroutine of the Client:
// when it returns, none is left. It returns nil after Close, else the error of ctx. It may be called once.
func (c *Client) Run(ctx context.Context) error { return nil }

// Close makes Run end and waits for it.
func (c *Client) Close() error { return nil }

// Wait returns when the Client is connected and bound, or with the error of ctx (naming the last failure), or
// with ErrClosed when Run has ended.
func (c *Client) Wait(ctx context.Context) error { return nil }

// Call is [Conn.Call] on the current connection; it fails at once with ErrNotConnected if there is none.
func (c *Client) Call(ctx context.Context, r Request) (Response, error) {
	return Response{}, ErrNotConnected
}

// Bind adds names to those bound after each connect, and binds them now if connected. A name that the platform
// refuses stays on the list, and the error wraps the *Error and names it; the other names are bound.
func (c *Client) Bind(ctx context.Context, names ...string) error { return nil }

// Unbind takes names off the list, and unbinds them now if connected.
func (c *Client) Unbind(ctx context.Context, names ...string) error { return nil }

// Drop ends the current connection, so that its late answers and unsent requests are lost, and reconnects.
// It does not wait. reason is what calls in flight and State report.
func (c *Client) Drop(reason error) {}

// State returns a snapshot.
func (c *Client) State() State { return State{} }
