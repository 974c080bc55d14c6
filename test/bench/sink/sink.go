// Package sink is the receiving end of a measurement: a platform that answers each push of property values and keeps
// only numbers. It scans what it gets in place, and answers all requests of one read with one write.
package sink

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"azx/internal/supervise"
	"azx/test/bench/source"
)

// Sink is a platform with the Things of source.Device.
type Sink struct {
	partitions int
	services   map[string][]byte // response bodies
	empty      bool              // see NewEmpty

	messages, values, pushes atomic.Int64
	things                   atomic.Int64
	lost, repeated, refused  atomic.Int64
	last                     []atomic.Int64 // sequence of each Thing
	first                    chan struct{}
	once                     sync.Once

	mu        sync.Mutex
	measuring bool
	latencies []time.Duration
}

// Counts are what a Sink has seen.
type Counts struct {
	Messages, Values, Pushes int64
	Things                   int64 // that have had a message
	// Lost are gaps in the sequences of the Things, Repeated what is not larger than the one before it, Refused requests
	// that were neither pushes nor known services. All are 0 unless something is wrong.
	Lost, Repeated, Refused int64
}

// New returns a platform with a number of Things that belong to a hub Thing and have the properties of a body.
func New(hubThing string, things, partitions int, body source.Body) *Sink {
	return &Sink{
		partitions: partitions, services: answers(hubThing, body), first: make(chan struct{}), last: make([]atomic.Int64, things),
	}
}

// createService makes a Thing.
const createService = "CreateThing"

// NewEmpty returns a platform that has no Thing, has at once what is made on it, and looks into no push. Its count of Things is
// what was made.
func NewEmpty() *Sink {
	return &Sink{services: map[string][]byte{createService: empty, "EnableThing": empty}, empty: true}
}

// URL is where a Sink that listens at l is reached.
func URL(l net.Listener) string { return "ws://" + l.Addr().String() + "/Thingworx/WS" }

// Counts returns what was seen so far.
func (s *Sink) Counts() Counts {
	return Counts{
		Messages: s.messages.Load(), Values: s.values.Load(), Pushes: s.pushes.Load(), Things: s.things.Load(),
		Lost: s.lost.Load(), Repeated: s.repeated.Load(), Refused: s.refused.Load(),
	}
}

// First is closed when the first message has come.
func (s *Sink) First() <-chan struct{} { return s.first }

// MeasureLatency begins to keep, for each message, the time from source.SentKey until it was read here.
func (s *Sink) MeasureLatency() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measuring, s.latencies = true, nil
}

// Latencies ends what MeasureLatency began.
func (s *Sink) Latencies() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measuring = false
	return s.latencies
}

// Serve serves connections until ctx ends, and closes l.
func (s *Sink) Serve(ctx context.Context, l net.Listener) error {
	group := supervise.New(ctx)
	group.Accept("connection", l, func(error) {}, func(ctx context.Context, nc net.Conn) {
		defer nc.Close()
		defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
		if _, err := ws.Upgrade(nc); err == nil {
			_ = (&conn{sink: s, net: nc}).serve() // the peer sees its connection end
		}
	})
	group.Stop()
	return group.Wait()
}

// message counts one message of a Thing.
func (s *Sink) message(thing int, sequence int64) {
	s.messages.Add(1)
	s.once.Do(func() { close(s.first) })
	each := int64(len(s.last) / s.partitions)
	switch before := s.last[thing].Swap(sequence); {
	case before == 0:
		s.things.Add(1)
	case sequence == before+each:
	case sequence > before:
		s.lost.Add((sequence-before)/each - 1)
	default:
		s.repeated.Add(1)
	}
}

func (s *Sink) latency(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.measuring {
		s.latencies = append(s.latencies, took)
	}
}

// Listen opens a port on loopback.
func Listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the sink's port: %w", err)
	}
	return l, nil
}
