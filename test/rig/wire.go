package rig

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/supervise"
)

// Way is a direction on a wire, or both.
type Way int

// The ways.
const (
	Out  Way = 1 << iota // from the connector to the other side
	Back                 // from the other side to the connector
	Both = Out | Back
)

// Weather is what a wire does to all that passes it, from now on. The zero value lets everything pass.
type Weather struct {
	Latency time.Duration // each way
	Rate    int           // bytes a second, each way of each connection; 0: no limit
	Hole    Way           // what is sent this way does not arrive; it does once there is no hole any more, as TCP sends it again
	Refuse  bool          // new connections are reset
	Linger  time.Duration // how long after one side has closed the other hears of it
}

// Wire is a network between a connector and one other side, which a test can harm.
type Wire struct {
	Address string // host:port that the connector dials

	target string
	group  *supervise.Group

	mu      sync.Mutex
	weather Weather
	changed chan struct{} // closed when the weather changes
	open    map[*pair]bool
	dials   int
	harm    map[Way]*harm // for the next bytes that go this way
	doubles bool          // replies, on new connections
	doubled atomic.Int64
}

// harm befalls the next bytes.
type harm struct {
	after int // bytes that pass before it
	cut   bool
	flip  byte // bits that are turned in the byte that follows
}

// pair is one connection through a wire.
type pair struct {
	near, far *net.TCPConn
	doubler   *doubler // nil: replies come once
}

// reset ends both sides at once, as a network does that forgets a connection.
func (p *pair) reset() {
	for _, c := range []*net.TCPConn{p.near, p.far} {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// StartWire leads to a target host:port until the test ends.
func StartWire(t testing.TB, target string) *Wire {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{
		Address: l.Addr().String(), target: target, group: supervise.New(context.Background()),
		changed: make(chan struct{}), open: map[*pair]bool{}, harm: map[Way]*harm{},
	}
	w.group.Go("accept", func(context.Context) error { return w.accept(l) })
	t.Cleanup(func() {
		w.group.Stop()
		_ = l.Close()
		w.Cut()
		if err := w.group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Set changes the weather, also for connections that are open.
func (w *Wire) Set(weather Weather) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.weather = weather
	close(w.changed)
	w.changed = make(chan struct{})
}

// Clear lets everything pass again.
func (w *Wire) Clear() { w.Set(Weather{}) }

// Cut resets all connections, and returns how many there were.
func (w *Wire) Cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.open)
	for p := range w.open {
		p.reset()
	}
	clear(w.open)
	return n
}

// CutAfter resets the connection over which the next bytes go this way, in the middle of what is sent.
func (w *Wire) CutAfter(way Way, bytes int) { w.plan(way, harm{after: bytes, cut: true}) }

// Flip turns bits of a byte that goes this way next, the one behind so many others.
func (w *Wire) Flip(way Way, after int, bits byte) { w.plan(way, harm{after: after, flip: bits}) }

func (w *Wire) plan(way Way, h harm) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.harm[way] = &h
}

// Harmed reports whether what CutAfter and Flip planned has happened.
func (w *Wire) Harmed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.harm) == 0
}

// Dials is how many connections there have been, refused ones included.
func (w *Wire) Dials() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}

// Open is how many connections there are.
func (w *Wire) Open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open)
}

func (w *Wire) accept(l *net.TCPListener) error {
	for {
		near, err := l.AcceptTCP()
		if err != nil {
			return nil // closed at the end of the test
		}
		w.mu.Lock()
		w.dials++
		refuse := w.weather.Refuse
		w.mu.Unlock()
		far, err := net.Dial("tcp", w.target)
		if err != nil || refuse {
			_ = near.SetLinger(0)
			_ = near.Close()
			if err == nil {
				_ = far.Close()
			}
			continue
		}
		w.join(&pair{near: near, far: far.(*net.TCPConn)})
	}
}

func (w *Wire) join(p *pair) {
	w.mu.Lock()
	w.open[p] = true
	if w.doubles {
		p.doubler = &doubler{wire: w}
	}
	w.mu.Unlock()
	var ways sync.WaitGroup
	ways.Add(2)
	carry := func(way Way, to, from *net.TCPConn) func(context.Context) error {
		return func(ctx context.Context) error {
			defer ways.Done()
			w.carry(ctx, p, way, to, from)
			return nil
		}
	}
	w.group.Go("out", carry(Out, p.far, p.near))
	w.group.Go("back", carry(Back, p.near, p.far))
	w.group.Go("end", func(context.Context) error {
		ways.Wait()
		w.mu.Lock()
		delete(w.open, p)
		w.mu.Unlock()
		_, _ = p.near.Close(), p.far.Close()
		return nil
	})
}

// chunk is what was read at once, and when; or how the reading ended.
type chunk struct {
	data []byte
	at   time.Time
	err  error
}

// carry brings one way of a connection to its other end: it reads ahead, so that latency does not cost throughput.
func (w *Wire) carry(ctx context.Context, p *pair, way Way, to, from *net.TCPConn) {
	ahead := make(chan chunk, 64)
	w.group.Go("read", func(context.Context) error {
		defer close(ahead)
		for {
			data := make([]byte, 16<<10)
			n, err := from.Read(data)
			select {
			case ahead <- chunk{data[:n], time.Now(), err}:
			case <-ctx.Done():
				return nil
			}
			if err != nil {
				return nil
			}
		}
	})
	for c := range ahead {
		if way == Back && p.doubler != nil {
			c.data = p.doubler.pass(c.data)
		}
		switch err := w.await(ctx, way, c); {
		case err != nil, len(c.data) > 0 && !w.write(p, way, to, c.data), c.err != nil && !errors.Is(c.err, io.EOF):
			p.reset()
		case c.err != nil:
			_ = w.pause(ctx, w.now().Linger)
			_ = to.CloseWrite()
		}
	}
}

func (w *Wire) now() Weather {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.weather
}

// await waits as long as the weather asks for.
func (w *Wire) await(ctx context.Context, way Way, c chunk) error {
	for {
		w.mu.Lock()
		weather, changed := w.weather, w.changed
		w.mu.Unlock()
		if weather.Hole&way == 0 {
			wait := time.Until(c.at.Add(weather.Latency))
			if weather.Rate > 0 {
				wait = max(wait, time.Duration(len(c.data))*time.Second/time.Duration(weather.Rate))
			}
			return w.pause(ctx, wait)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *Wire) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write passes data on with the harm that is planned for it; false if the connection has ended.
func (w *Wire) write(p *pair, way Way, to *net.TCPConn, data []byte) bool {
	w.mu.Lock()
	h := w.harm[way]
	switch {
	case h == nil:
	case h.after < len(data):
		delete(w.harm, way)
	default:
		h.after -= len(data)
		h = nil
	}
	w.mu.Unlock()
	switch {
	case h == nil:
	case h.cut:
		_, _ = to.Write(data[:h.after])
		p.reset()
		return false
	default:
		data[h.after] ^= h.flip
	}
	_, err := to.Write(data)
	return err == nil
}
