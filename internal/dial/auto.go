package dial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"azx/internal/fault"
)

const (
	// amqpsWithin is how long TransportAuto gives AMQP until it tries WebSocket: a firewall that drops packets answers never.
	amqpsWithin = 5 * time.Second
	// againAfter is how long TransportAuto goes on with WebSocket alone before the next new connection tries AMQP again.
	againAfter = 10 * time.Minute
)

// choice is what TransportAuto knows. It changes only when one transport got through where the other did not, or when AMQP,
// tried again, gets through.
type choice struct {
	mu     sync.Mutex
	last   Transport // what got through last; "" before anything has
	failed time.Time // when AMQP did not get through last
}

// order says what to try first, and what if that does not get through.
func (c *choice) order() (first, second Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == TransportWebSocket && time.Since(c.failed) < againAfter {
		return TransportWebSocket, TransportAMQP
	}
	return TransportAMQP, TransportWebSocket
}

// found notes what got through, and whether AMQP had been tried before; it reports whether that is news.
func (c *choice) found(t Transport, amqpFailed bool) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if amqpFailed {
		c.failed = time.Now()
	}
	changed = t != c.last && (c.last != "" || t == TransportWebSocket) // AMQP at first is what everybody expects
	c.last = t
	return changed
}

// either tries both transports, first the one that got through last.
func (n *Network) either(ctx context.Context, to Target) (net.Conn, error) {
	first, second := n.choice.order()
	conn, err := n.try(ctx, first, to)
	if err == nil {
		n.found(first, to, nil)
		return conn, nil
	}
	if ctx.Err() != nil || !isBlocked(err) {
		return nil, err
	}
	conn, also := n.try(ctx, second, to)
	switch {
	case also == nil:
		n.found(second, to, err)
		return conn, nil
	case errors.Is(also, context.Canceled):
		return nil, also
	}
	p := &fault.Problem{Op: "reach " + to.Host, Class: fault.ClassOf(also), Cause: fmt.Errorf("%s: %w; %s: %w", first, err, second, also),
		Hint: "is the hub reachable from here, at port 5671 or at 443? see endpoints and proxy"}
	if p.Class != fault.Transient {
		p.Hint = fault.HintOf(also)
	}
	return nil, p
}

func (n *Network) try(ctx context.Context, t Transport, to Target) (net.Conn, error) {
	if t == TransportWebSocket {
		return n.webSocket(ctx, to)
	}
	ctx, cancel := context.WithTimeout(ctx, amqpsWithin)
	defer cancel()
	return n.amqps(ctx, to)
}

// found tells people once which transport is used from now on. why is the reason against the other one, if that was tried.
func (n *Network) found(t Transport, to Target, why error) {
	changed := n.choice.found(t, t == TransportWebSocket && why != nil)
	log := n.Log
	if !changed || log == nil {
		return
	}
	if t == TransportAMQP {
		log.Info("AMQP gets through at its own port again and is used", "event", "transport-changed", "host", to.Host, "transport", t)
		return
	}
	log.LogAttrs(context.Background(), slog.LevelWarn, "AMQP does not get through at its own port; it goes over WebSocket",
		slog.String("event", "transport-changed"), slog.String("host", to.Host), slog.String("transport", string(t)),
		slog.Any("error", why), slog.String("hint", "with transport: websocket the first connection takes less time"))
}
