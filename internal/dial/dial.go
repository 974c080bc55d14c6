// Package dial opens the connector's connections to other systems: directly or through an HTTP proxy, with TLS, and to a
// hub with AMQP over its own port or over WebSocket.
package dial

import (
	"context"
	"errors"
	"net"
	"time"

	"azx/internal/fault"
)

// hopWithin bounds each hop of a connection: TCP, the proxy's answer, TLS, the upgrade to WebSocket.
const hopWithin = 15 * time.Second

// Func opens a TCP connection to host:port, as net.Dialer.DialContext does.
type Func func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer opens TCP connections, directly or through a proxy. The zero value goes directly. Its methods may be called from
// many goroutines.
type Dialer struct {
	Proxy *Proxy // nil for none
	Base  Func   // opens the connection itself; nil for a net.Dialer
}

// DialContext is a Func. What goes wrong with a proxy is a fault.Problem that names it, never with its credentials; what
// goes wrong without one is the net package's own error.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	through, err := d.Proxy.serverFor(address)
	switch {
	case err != nil:
		return nil, err
	case through == nil:
		return d.base(ctx, network, address)
	}
	if err := d.Proxy.held(through); err != nil {
		return nil, err
	}
	conn, err := d.base(ctx, network, through.address)
	if err != nil {
		return nil, through.unreached(ctx, err)
	}
	tunnel, err := through.tunnel(ctx, conn, address)
	if err != nil {
		_ = conn.Close() // the refusal is what matters
		d.Proxy.note(through, err)
		return nil, err
	}
	return tunnel, nil
}

func (d *Dialer) base(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, hopWithin)
	defer cancel()
	if d.Base != nil {
		return d.Base(ctx, network, address)
	}
	var plain net.Dialer
	return plain.DialContext(ctx, network, address)
}

// bounded lets an exchange on conn take until ctx ends, and hopWithin at the most. Its error is ctx's if that was why.
func bounded(ctx context.Context, conn net.Conn, exchange func() error) error {
	if err := conn.SetDeadline(time.Now().Add(hopWithin)); err != nil {
		return err
	}
	// A time long ago ends what waits on conn now.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := exchange()
	if !stop() {
		return ctx.Err()
	}
	_ = conn.SetDeadline(time.Time{}) // it fails on a connection that has ended, which the next use of it tells
	return err
}

// blocked marks an error after which another port may still get through.
type blocked struct{ error }

// Unwrap returns the error itself.
func (b blocked) Unwrap() error { return b.error }

func isBlocked(err error) bool { return errors.As(err, new(blocked)) }

// problem is a fault.Problem that passes.
func problem(op string, cause error, hint string) *fault.Problem {
	return &fault.Problem{Op: op, Class: fault.Transient, Cause: cause, Hint: hint}
}
