package alwayson

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/gobwas/ws"
)

// Path is where a platform serves AlwaysOn (captured).
const Path = "/Thingworx/WS"

// Handler answers a request of the peer. Many run at once; ctx ends when the connection does.
// A handler may call back on the same connection.
type Handler func(ctx context.Context, r Request) Response

// DialConfig says how to reach and enter a platform.
type DialConfig struct {
	// URL is ws://host[:port]/Thingworx/WS or wss://...; an empty path becomes Path.
	URL string
	// AppKey returns the application key; it is asked at each dial, so that a key can be replaced.
	AppKey func(ctx context.Context) (string, error)
	// TLS is used for wss; nil means the system's roots.
	TLS *tls.Config
	// RenewTLS, if it is not nil, is asked at each dial instead of TLS, so that certificates can be replaced.
	RenewTLS func() (*tls.Config, error)
	// NetDial opens the TCP connection; nil means a net.Dialer.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// Handler answers requests of the platform; nil refuses all with NotFound.
	Handler Handler
	// HandshakeTimeout bounds TCP, TLS, upgrade and AUTH together; default 15 s.
	HandshakeTimeout time.Duration
	// PingInterval is the time between pings, at most and by default 25 s. The connection is dropped when a ping was not
	// answered within it, nor anything else: so it takes two of it at most to notice that the way there, or back, is cut.
	PingInterval time.Duration
	// UserAgent is sent in the upgrade; default "azx-alwayson".
	UserAgent string
	Limits    Limits
}

const (
	defaultHandshakeTimeout = 15 * time.Second
	maxPingInterval         = 25 * time.Second
	silentPings             = 1 // pings without an answer, before the platform counts as gone
)

// Dial connects, upgrades, and authenticates. The error is an *UpgradeError or *Error if the platform refused,
// see [IsCredentialRefused]. The caller must Close the Conn.
func Dial(ctx context.Context, cfg DialConfig) (*Conn, error) {
	target, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("dial platform: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.HandshakeTimeout)
	defer cancel()
	key, err := cfg.AppKey(ctx)
	if err == nil {
		err = checkKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("read application key: %w", err)
	}
	socket, early, err := cfg.upgrade(ctx, target, key)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target.Redacted(), err)
	}
	c := newConn(socket, &cfg)
	c.link.start(early)
	if err := c.authenticate(ctx, key); err != nil {
		_ = c.Close() // the refusal is what matters
		return nil, fmt.Errorf("authenticate at %s: %w", target.Redacted(), err)
	}
	return c, nil
}

// withDefaults fills in what is zero and returns the parsed URL.
func (cfg *DialConfig) withDefaults() (*url.URL, error) {
	target, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.AppKey == nil {
		return nil, errors.New("DialConfig.AppKey is not set")
	}
	if cfg.Handler == nil {
		cfg.Handler = func(context.Context, Request) Response { return Refuse(NotFound, "nothing is served here") }
	}
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = defaultHandshakeTimeout
	}
	if cfg.PingInterval <= 0 || cfg.PingInterval > maxPingInterval {
		cfg.PingInterval = maxPingInterval
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "azx-alwayson"
	}
	cfg.Limits, err = cfg.Limits.withDefaults()
	return target, err
}

func parseURL(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("URL of the platform: %w", err)
	}
	if (target.Scheme != "ws" && target.Scheme != "wss") || target.Hostname() == "" {
		return nil, fmt.Errorf("URL of the platform %q: want ws://host[:port]%s or wss://...", target.Redacted(), Path)
	}
	if target.User != nil {
		return nil, fmt.Errorf("URL of the platform %q: leave out user and password, an application key is used", target.Redacted())
	}
	if target.Path == "" || target.Path == "/" {
		target.Path = Path
	}
	return target, nil
}

// checkKey refuses what would break out of the HTTP header. The error does not show the key.
func checkKey(key string) error {
	if key == "" {
		return errors.New("it is empty")
	}
	for _, b := range []byte(key) {
		if b <= ' ' || b >= 0x7F {
			return errors.New("it holds a space, a control or a non-ASCII character: is there a line break at the end of its file?")
		}
	}
	return nil
}

// upgrade opens the socket and makes it a WebSocket. early is what came after the answer's headers.
func (cfg *DialConfig) upgrade(ctx context.Context, target *url.URL, key string) (socket net.Conn, early []byte, err error) {
	config := cfg.TLS
	if cfg.RenewTLS != nil && target.Scheme == "wss" {
		if config, err = cfg.RenewTLS(); err != nil {
			return nil, nil, err
		}
	}
	dialer := ws.Dialer{
		NetDial:   cfg.NetDial,
		TLSConfig: config,
		Header: ws.HandshakeHeaderString(fmt.Sprintf("User-Agent: %s\r\nMax-Frame-Size: %d\r\n%s: %s\r\n",
			cfg.UserAgent, cfg.Limits.MaxFrameSize, appKeyName, key)),
	}
	socket, reader, _, err := dialer.Dial(ctx, target.String())
	var status ws.StatusError
	if errors.As(err, &status) {
		return nil, nil, &UpgradeError{Status: int(status)}
	}
	if err != nil {
		return nil, nil, err
	}
	if reader != nil {
		early = make([]byte, reader.Buffered())
		if _, err = io.ReadFull(reader, early); err != nil {
			_ = socket.Close() // the read error is what matters
			return nil, nil, fmt.Errorf("read after the upgrade: %w", err)
		}
		ws.PutReader(reader)
	}
	return socket, early, nil
}
