package dial

import (
	"net"
	"sync"
	"time"
)

// Gathering: while much comes over a connection, its reader rests once it has read all there is, so that more comes at once
// next time: to be woken for each few messages costs as much as they do. A peer whose window is too small for that is held up,
// and its window then never grows. So every now and then the reader goes without rests, and sees whether that brings much more.
const (
	gatherRest   = 4 * time.Millisecond
	gatherFrom   = 2 << 20               // bytes a second that are much: 5,000 small messages
	gatherLook   = 20 * time.Millisecond // how long bytes are counted
	gatherTry    = 50                    // looks after which the other way is tried for one
	gatherGain   = 1.5                   // times as many bytes without rests: they hold the peer up
	gatherBuffer = 64 << 10
)

// gathered reads as much at once as there is. It is for one reader at a time, as TLS is.
type gathered struct {
	net.Conn
	buffer   []byte
	at, end  int  // of what was read and not returned yet
	drained  bool // the last read returned all there was
	since    time.Time
	received int     // bytes since then
	rests    bool    // once it has read all there is
	looks    int     // since that was changed
	with     float64 // bytes a second that came when it rested last
	without  float64 // and when it did not

	closed chan struct{}
	once   sync.Once // closes it
}

func gather(conn net.Conn) net.Conn {
	return &gathered{Conn: conn, buffer: make([]byte, gatherBuffer), since: time.Now(), closed: make(chan struct{})}
}

// Close is net.Conn's. It ends a rest.
func (g *gathered) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

// Read is net.Conn's.
func (g *gathered) Read(p []byte) (int, error) {
	if g.at == g.end {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.buffer[g.at:g.end])
	g.at += n
	return n, nil
}

func (g *gathered) fill() error {
	if g.drained && g.resting() {
		select {
		case <-time.After(gatherRest):
		case <-g.closed:
		}
	}
	n, err := g.Conn.Read(g.buffer)
	if n == 0 {
		return err
	}
	g.at, g.end, g.drained = 0, n, n < len(g.buffer)
	g.received += n
	return nil // the next read returns it once more
}

// resting reports whether the reader rests, which it decides anew after each look.
func (g *gathered) resting() bool {
	counted := time.Since(g.since)
	if counted < gatherLook {
		return g.rests
	}
	came := float64(g.received) / counted.Seconds()
	g.since, g.received = time.Now(), 0
	g.looks++
	rests := came >= gatherFrom
	if g.rests {
		g.with = came
		rests = rests && g.without < gatherGain*came && g.looks < gatherTry
	} else {
		g.without = came
		rests = rests && (g.with == 0 || came < gatherGain*g.with || g.looks >= gatherTry)
	}
	if rests != g.rests {
		g.rests, g.looks = rests, 0
	}
	return rests
}
