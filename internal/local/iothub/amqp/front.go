// Package amqp is the local hub's AMQP front: devices and modules, the service's links to them, the Event Hubs-compatible
// endpoint, and the redirect that leads to it.
package amqp

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
	"azx/internal/supervise"
)

// standardPort is what a redirect names for a connection that did not come over TCP.
const standardPort = 5671

// Front serves all AMQP ports of one hub. It knows who reads which partition, over all of its ports.
type Front struct{ readers readers }

// New returns a Front without connections.
func New() *Front { return &Front{readers: readers{slots: map[slotKey]*slot{}}} }

// Serve accepts connections on l until ctx ends, and returns when all of them are closed. It closes l.
// TLS is the listener's business; without it a port suits the emulator mode of the Event Hubs clients.
func (f *Front) Serve(ctx context.Context, l net.Listener, hub *iothub.Hub, log *slog.Logger) error {
	connections := supervise.New(ctx)
	connections.Accept("AMQP connection", l,
		func(err error) { log.Error("accepting an AMQP connection", "error", err) },
		func(ctx context.Context, nc net.Conn) { f.ServeConn(ctx, nc, hub, log) })
	connections.Stop()
	return connections.Wait()
}

// ServeConn runs one connection until it or ctx ends, and closes it: a WebSocket, or one that Serve accepted.
func (f *Front) ServeConn(ctx context.Context, nc net.Conn, hub *iothub.Hub, log *slog.Logger) {
	log = log.With("remote", nc.RemoteAddr())
	watchers := supervise.New(ctx)
	c := &client{front: f, hub: hub, log: log, port: portOf(nc), watchers: watchers, hangUp: func() { _ = nc.Close() },
		devices: map[iothub.ID]*device{}, answers: map[string][]*amqp10.Link{}, joined: make(chan struct{})}
	err := amqp10.Serve(ctx, nc, amqp10.Config{
		ContainerID: "azx-hub",
		Plain:       c.plain,
		NewHandler: func(conn *amqp10.Conn) amqp10.Handler {
			c.conn, c.host = conn, conn.Hostname()
			return c
		},
	})
	watchers.Stop()
	err = errors.Join(err, watchers.Wait())
	switch {
	case err == nil:
	case brokenProtocol(err):
		log.Warn("AMQP connection closed", "reason", err)
	default: // cut off, or refused with a reason that has been logged
		log.Debug("AMQP connection ended", "reason", err)
	}
}

// brokenProtocol reports whether one end complained of what the other sent.
func brokenProtocol(err error) bool {
	return errors.Is(err, amqp10.ErrMalformed) || errors.Is(err, amqp10.ErrFrameTooLarge) || errors.As(err, new(*amqp10.Error))
}

func portOf(nc net.Conn) int {
	if addr, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		return addr.Port
	}
	return standardPort
}
