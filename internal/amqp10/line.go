package amqp10

import (
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	outboxSoft  = 256 << 10 // bytes waiting above which links hold their messages back
	outboxHard  = 4 << 20   // bytes waiting above which the peer counts as dead
	writeWithin = 30 * time.Second
)

// outbox collects frames until the writer takes them all in one write.
type outbox struct {
	waiting []byte
	kick    chan struct{}
	over    bool // nothing more will be queued
}

func (o *outbox) init() { o.kick = make(chan struct{}, 1) }

func (o *outbox) wake() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

// line is what both ends of a connection have: the bytes that come and go, and when it is over.
type line struct {
	net     net.Conn
	frames  *FrameReader
	idle    time.Duration // announced to the peer; a line silent for twice as long is given up
	drained func()        // called, locked, when much of what waited is on its way

	mu        sync.Mutex
	out       outbox
	peer      Open
	opened    bool
	closeSent bool
	deadline  time.Time // of reading, while there is one for more than the next bytes
	cause     error     // why the connection ended, if not in good order
}

func (c *line) init(nc net.Conn, idle time.Duration, drained func()) {
	c.net, c.idle, c.drained = nc, idle, drained
	c.deadline = time.Now().Add(handshakeGrace)
	c.frames = NewFrameReader((*timedReader)(c), MaxFrameSize)
	c.out.init()
}

// enqueue appends a frame for the writer.
func (c *line) enqueue(channel uint16, p Performative, payload []byte) {
	c.out.waiting = AppendFrame(c.out.waiting, FrameAMQP, channel, p, payload)
	c.queued()
}

// queued wakes the writer, and gives up a peer that lets answers pile up.
func (c *line) queued() {
	if len(c.out.waiting) > outboxHard {
		if c.cause == nil {
			c.cause = fmt.Errorf("write: the peer takes nothing, %d bytes wait", len(c.out.waiting))
		}
		c.out.waiting = c.out.waiting[:0]
		_ = c.net.Close()
	}
	c.out.wake()
}

// writeLoop writes what is queued, and a heartbeat when the peer would otherwise hear nothing for half its time-out (§2.4.5).
func (c *line) writeLoop() {
	defer c.net.Close()
	var spare []byte
	silence := time.NewTimer(time.Hour)
	defer silence.Stop()
	for {
		beat := false
		select {
		case <-c.out.kick:
		case <-silence.C:
			beat = true
		}
		batch, every, over := c.takeBatch(spare, beat)
		if len(batch) > 0 {
			if _, err := c.net.Write(batch); err != nil {
				c.writeFailed(err)
				return
			}
		}
		if over {
			return
		}
		spare = batch[:0]
		silence.Reset(every)
	}
}

// takeBatch swaps the waiting frames for an empty buffer and tells how long the line may be silent afterwards.
func (c *line) takeBatch(spare []byte, beat bool) (batch []byte, every time.Duration, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	every = time.Hour
	if t := c.peer.IdleTimeout; c.opened && t > 0 {
		every = time.Duration(t) * time.Millisecond / 2
	}
	batch, c.out.waiting = c.out.waiting, spare
	if len(batch) == 0 && beat && c.opened && !c.closeSent {
		batch = AppendFrame(batch, FrameAMQP, 0, nil, nil)
	}
	within := writeWithin
	if c.out.over {
		within = closeGrace
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(within))
	if len(batch) >= outboxSoft {
		c.drained()
	}
	return batch, every, c.out.over
}

func (c *line) writeFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && !c.closeSent && !c.out.over {
		c.cause = fmt.Errorf("write: %w", err)
	}
	c.out.over = true
}

func (c *line) limitReading(d time.Duration) {
	c.deadline = time.Now().Add(d)
	_ = c.net.SetReadDeadline(c.deadline)
}

// timedReader reads from the peer with the deadline that holds at the moment.
type timedReader line

func (t *timedReader) Read(b []byte) (int, error) {
	t.mu.Lock()
	deadline := t.deadline
	if deadline.IsZero() {
		deadline = time.Now().Add(2 * t.idle)
	}
	err := t.net.SetReadDeadline(deadline)
	t.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return t.net.Read(b)
}

func (c *line) writeRaw(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.waiting = append(c.out.waiting, s...)
	c.queued()
}

func (c *line) writeSASL(p Performative) {
	c.writeRaw(string(AppendFrame(nil, FrameSASL, 0, p, nil)))
}

// frameLimit is the largest frame the peer takes from us.
func (c *line) frameLimit() int { return int(min(c.peer.MaxFrameSize.Or(MaxFrameSize), MaxFrameSize)) }
