package alwayson

import (
	"context"
	"fmt"
	"math"
	"net"

	"github.com/gobwas/ws"
)

// Conn is one authenticated connection to a platform. Its methods may be used from many goroutines.
type Conn struct {
	link    *link
	handler Handler
}

func newConn(socket net.Conn, cfg *DialConfig) *Conn {
	l := newLink(socket, false, cfg.Limits.MaxFrameSize, cfg.Limits)
	l.tick, l.maxSilent, l.pings = cfg.PingInterval, silentPings, true
	c := &Conn{link: l, handler: cfg.Handler}
	l.accept = c.accept
	return c
}

// authenticate sends AUTH and takes the ids of the answer's header as the connection's own.
func (c *Conn) authenticate(ctx context.Context, key string) error {
	claims := []Pair{{Name: appKeyName, Value: key}}
	o, err := c.link.exchange(ctx, Auth, 0, func(dst []byte) []byte { return AppendAuth(dst, claims) })
	if err == nil {
		err = o.response.Err()
	}
	if err != nil {
		return err
	}
	c.link.session.Store(o.header.Session)
	if o.header.Endpoint != noID {
		c.link.endpoint.Store(o.header.Endpoint)
	}
	return nil
}

// accept takes a request of the platform. What an edge does not serve, such as AUTH, is refused as the C SDK does
// (captured); KEEP_ALIVE needs no answer.
func (c *Conn) accept(h Header, body []byte) error {
	switch {
	case h.Code == KeepAlive:
		return nil
	case !h.Code.hasEntity():
		c.link.answerNow(h, Refuse(BadRequest, h.Code.String()+" is not served here"))
		return nil
	}
	r, err := DecodeRequest(h.Code, body, c.link.limits.Tables)
	if err != nil {
		return err
	}
	c.link.handle(h, func(ctx context.Context) Response { return c.handler(ctx, r) })
	return nil
}

// Call sends a request and waits for its answer. A response that is a refusal is no error: see [Response.Err].
// Without a deadline in ctx it waits as long as the connection lives. When ctx ends, the request may still be
// carried out, and a late answer is dropped. When the connection ends the error wraps ErrClosed; if it also wraps
// ErrNotConnected, nothing was sent.
func (c *Conn) Call(ctx context.Context, r Request) (Response, error) { return c.link.call(ctx, &r) }

// Send is Call for those who do not wait: done gets the response or the error, exactly once, in the goroutine that
// reads the connection. So it must not block; it may Send, but not Call or Close. An error of Send itself means that
// nothing was sent and done will not be called; ErrSlowPeer is one, when far too much waits to be written. There is no
// time-out: whoever misses an answer ends the connection.
func (c *Conn) Send(r Request, done func(Response, error)) error { return c.link.send(&r, done) }

// Bind declares that this connection stands for the named Things, in one message. A refusal is an *Error, and
// then none of the names should be taken as bound.
func (c *Conn) Bind(ctx context.Context, b Binding) error { return c.binding(ctx, Bind, b) }

// Unbind takes names back, in one message. A refusal is an *Error.
func (c *Conn) Unbind(ctx context.Context, b Binding) error { return c.binding(ctx, Unbind, b) }

func (c *Conn) binding(ctx context.Context, code Code, b Binding) error {
	if len(b.Names) > math.MaxUint16 {
		return fmt.Errorf("%s %d names: at most %d fit into one message", code, len(b.Names), math.MaxUint16)
	}
	o, err := c.link.exchange(ctx, code, 0, func(dst []byte) []byte { return AppendBinding(dst, &b) })
	if err == nil {
		err = o.response.Err()
	}
	if err != nil {
		return fmt.Errorf("%s %d names: %w", code, len(b.Names), err)
	}
	return nil
}

// Serving returns how many requests of the platform are being carried out: their answers are not on their way yet.
func (c *Conn) Serving() int { return int(c.link.running.Load()) }

// SessionID returns the session that the platform assigned.
func (c *Conn) SessionID() uint32 { return c.link.session.Load() }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.link.done }

// Err returns why the connection ended, nil while it lives.
func (c *Conn) Err() error { return c.link.reason() }

// Close ends the connection with a WebSocket close, fails what is in flight and waits for the connection's
// goroutines and handlers; a handler must not call it. It returns nil.
func (c *Conn) Close() error {
	c.link.leave(ws.StatusNormalClosure, fmt.Errorf("%w here", ErrClosed))
	c.link.wait()
	return nil
}

// abort ends the connection at once, without a farewell, and does not wait.
func (c *Conn) abort(reason error) { c.link.fail(reason) }
