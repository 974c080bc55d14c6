// Package mqtt is the local hub's MQTT 3.1.1 front for devices and modules.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"azx/internal/local/iothub"
	"azx/internal/supervise"
)

const (
	// helloTime is how long a client may take from the TCP connection to the CONNECT packet, TLS included.
	helloTime = 30 * time.Second
	// maxClients bounds the connections with a session.
	maxClients = 20_000
	// maxPacket is the largest packet read: a message of the largest size, its topic and its headers.
	maxPacket = iothub.MaxMessageSize + 1<<16 + 16
)

// Serve accepts connections of devices on all listeners until ctx ends or one of them is closed, and returns when all
// connections are closed. It closes the listeners. A device finds its subscriptions again whichever way it comes.
// TLS is the listeners' business. What is refused is logged with its reason.
func Serve(ctx context.Context, hub *iothub.Hub, log *slog.Logger, listeners ...net.Listener) error {
	f := &front{hub: hub, log: log, sessions: map[net.Conn]*session{}}
	if err := f.start(); err != nil {
		return fmt.Errorf("serve MQTT: %w", err)
	}
	defer f.server.Close()
	f.connections = supervise.New(ctx)
	for _, l := range listeners {
		f.connections.Go("MQTT listener", func(context.Context) error {
			f.connections.Accept("MQTT connection", l,
				func(err error) { log.Error("accepting an MQTT connection", "error", err) }, f.serve)
			f.connections.Stop()
			return nil
		})
	}
	return f.connections.Wait()
}

// front joins the broker library to the hub. The library reads and writes packets and keeps sessions; it never routes
// a message: what a device publishes ends in OnPublish, and what goes to a device is written to its connection only.
type front struct {
	mochi.HookBase
	hub    *iothub.Hub
	log    *slog.Logger
	server *mochi.Server
	// connections runs each connection, and for each the acknowledgement of its messages.
	connections *supervise.Group

	mu       sync.Mutex
	sessions map[net.Conn]*session
}

func (f *front) start() error {
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumClients = maxClients
	capabilities.MaximumPacketSize = maxPacket
	capabilities.MaximumQos = 1 // a subscription with QoS 2 is granted 1 (read)
	capabilities.MinimumProtocolVersion = 4
	capabilities.SharedSubAvailable = 0
	f.server = mochi.New(&mochi.Options{
		Capabilities: capabilities,
		// The library logs whole packets, passwords included; what matters is logged here.
		Logger: slog.New(slog.DiscardHandler),
		// Its own statistics topics cannot be subscribed to, so once a day is often enough.
		SysTopicResendInterval: 24 * 60 * 60,
	})
	if err := f.server.AddHook(f, nil); err != nil {
		return err
	}
	return f.server.Serve()
}

// serve runs one connection to its end. A panic ends this connection, not the hub.
func (f *front) serve(ctx context.Context, conn net.Conn) {
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("MQTT connection", "remote", conn.RemoteAddr(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	defer conn.Close()
	defer f.forget(conn)
	stop := context.AfterFunc(ctx, func() {
		f.settle(conn)
		_ = conn.Close()
	})
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	if err := f.server.EstablishConnection("mqtt", conn); err != nil && ctx.Err() == nil {
		f.ended(conn, err)
	}
}

// ended logs why a connection ended. A client that broke the protocol is warned of, unless that has been said.
func (f *front) ended(conn net.Conn, err error) {
	s := f.session(conn)
	var code packets.Code
	if !errors.As(err, &code) || !brokenProtocol(code) || s != nil && s.told.Load() {
		f.log.Debug("MQTT connection ended", "remote", conn.RemoteAddr(), "reason", err)
		return
	}
	device := "none yet"
	if s != nil {
		device = s.principal.ID.String()
	}
	f.log.Warn("MQTT connection closed", "device", device, "remote", conn.RemoteAddr(), "reason", err)
}

// brokenProtocol tells the library's reasons that are about bytes; refusals have been logged with better ones.
func brokenProtocol(code packets.Code) bool {
	switch code.Code {
	case packets.ErrMalformedPacket.Code, packets.ErrProtocolViolation.Code, packets.ErrPacketTooLarge.Code:
		return true
	}
	return false
}
