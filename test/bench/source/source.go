// Package source is the sending end of a measurement: an Event Hubs endpoint whose partitions never run dry. Messages
// are encoded once; for each one only ids, numbers and times are changed. So it costs little beside what it feeds.
//
// Message n of a partition exists for every n from 0 on: a link begins with 0, or behind the offset its selector names.
// The device of message n follows from n, so a device's sequence numbers grow by the number of devices in its partition.
package source

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"azx/internal/supervise"
)

// Config describes an endpoint.
type Config struct {
	// TLS is used if it is set.
	TLS *tls.Config
	// EventHub is the entity's name; default "events".
	EventHub string
	// Partitions is their number; default 4. It divides Things.
	Partitions int
	// Things is the number of devices over all partitions, at most a million; default Things.
	Things int
	// Body of the messages.
	Body Body
	// Rate is the number of messages a second over all partitions; 0: as many as are taken.
	Rate int
}

// Source is an endpoint.
type Source struct {
	cfg  Config
	sent atomic.Int64
}

// New returns a Source that Serve runs.
func New(cfg Config) *Source {
	if cfg.EventHub == "" {
		cfg.EventHub = "events"
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = 4
	}
	if cfg.Things == 0 {
		cfg.Things = Things
	}
	return &Source{cfg: cfg}
}

// Sent counts the messages written so far.
func (s *Source) Sent() int64 { return s.sent.Load() }

// FrameSize is how many bytes one message takes on the wire, before TLS.
func (s *Source) FrameSize() int { return len(newTemplate(0, 0, true, s.cfg.Body).frame) }

// Serve serves connections until ctx ends, and closes l.
func (s *Source) Serve(ctx context.Context, l net.Listener) error {
	group := supervise.New(ctx)
	group.Accept("connection", l, func(error) {}, func(ctx context.Context, nc net.Conn) {
		if s.cfg.TLS != nil {
			nc = tls.Server(nc, s.cfg.TLS)
		}
		s.connection(ctx, nc)
	})
	group.Stop()
	return group.Wait()
}

// connection serves one peer. What a peer does wrong ends its connection; the peer sees that and tells of it.
func (s *Source) connection(ctx context.Context, nc net.Conn) {
	defer nc.Close()
	c := &conn{source: s, net: nc, sessions: map[uint16]*session{}, wake: make(chan struct{}, 1)}
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	frames, err := c.handshake()
	if err != nil {
		return
	}
	group := supervise.New(ctx)
	group.Go("write", c.writeLoop)
	_ = c.readLoop(frames)
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.kick()
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	_ = group.Wait()
}

// Listen opens a port on loopback.
func Listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the source's port: %w", err)
	}
	return l, nil
}
