package alwayson

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"azx/alwayson/infotable"
)

// Path is where a platform serves AlwaysOn (captured).
const Path = "/Thingworx/WS"

// Handler answers a request of the peer. Many run at once; ctx ends when the connection does.
// A handler may call back on the same connection.
type Handler func(ctx context.Context, r Request) Response

// Limits bounds what a connection takes in and holds. A zero field means its default.
type Limits struct {
	// MaxFrameSize is the largest WebSocket payload that this side sends, in bytes, 256 to 65,535;
	// default 8192. A client also tells it to the server as its Max-Frame-Size.
	MaxFrameSize int
	// MaxMessageSize is the largest message, joined, either way, in bytes; default 1 MiB. No single
	// incoming frame may be larger.
	MaxMessageSize int
	// MaxHandlers is how many requests of the peer are carried out at once; more are refused with
	// ServiceUnavailable. Default 1024.
	MaxHandlers int
	// MaxQueued is how many bytes may wait to be written before Call waits too; default 1 MiB. A peer
	// that leaves eight times as much unread is dropped with ErrSlowPeer.
	MaxQueued int
	// WriteTimeout is how long one write to the socket may take; default 15 s.
	WriteTimeout time.Duration
	// Tables bounds the infotables of incoming messages.
	Tables infotable.Limits
}

// DialConfig says how to reach and enter a platform.
type DialConfig struct {
	// URL is ws://host[:port]/Thingworx/WS or wss://...; an empty path becomes Path.
	URL string
	// AppKey returns the application key; it is asked at each dial, so that a key can be replaced.
	AppKey func(ctx context.Context) (string, error)
	// TLS is used for wss; nil means the system's roots.
	TLS *tls.Config
	// NetDial opens the TCP connection; nil means a net.Dialer.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// Handler answers requests of the platform; nil refuses all with NotFound.
	Handler Handler
	// HandshakeTimeout bounds TCP, TLS, upgrade and AUTH together; default 15 s.
	HandshakeTimeout time.Duration
	// PingInterval is the time between pings, at most and by default 25 s. The connection is dropped when
	// nothing at all came from the platform after two pings.
	PingInterval time.Duration
	// UserAgent is sent in the upgrade; default "azx-alwayson".
	UserAgent string
	Limits    Limits
}

// Conn is one authenticated connection to a platform. Its methods may be used from many goroutines.
type Conn struct{}

// Dial connects, upgrades, and authenticates. The error is an *UpgradeError or *Error if the platform refused,
// see [IsCredentialRefused]. The caller must Close the Conn.
func Dial(ctx context.Context, cfg DialConfig) (*Conn, error) { return nil, ErrNotConnected }

// Call sends a request and waits for its answer. A response that is a refusal is no error: see [Response.Err].
// Without a deadline in ctx it waits as long as the connection lives. When ctx ends, the request may still be
// carried out, and a late answer is dropped. When the connection ends the error wraps ErrClosed.
func (c *Conn) Call(ctx context.Context, r Request) (Response, error) {
	return Response{}, ErrNotConnected
}

// Bind declares that this connection stands for the named Things, in one message. A refusal is an *Error, and
// then none of the names should be taken as bound.
func (c *Conn) Bind(ctx context.Context, b Binding) error { return ErrNotConnected }

// Unbind takes names back, in one message. A refusal is an *Error.
func (c *Conn) Unbind(ctx context.Context, b Binding) error { return ErrNotConnected }

// SessionID returns the session that the platform assigned.
func (c *Conn) SessionID() uint32 { return 0 }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return nil }

// Err returns why the connection ended, nil while it lives.
func (c *Conn) Err() error { return nil }

// Close ends the connection with a WebSocket close, fails what is in flight and waits for the connection's
// goroutines and handlers.
func (c *Conn) Close() error { return nil }
