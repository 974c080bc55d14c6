package amqp10

import (
	"fmt"
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

// enqueue appends a frame for the writer.
func (c *Conn) enqueue(channel uint16, p Performative, payload []byte) {
	c.out.waiting = AppendFrame(c.out.waiting, FrameAMQP, channel, p, payload)
	c.queued()
}

// queued wakes the writer, and gives up a peer that lets answers pile up.
func (c *Conn) queued() {
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
func (c *Conn) writeLoop() {
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
func (c *Conn) takeBatch(spare []byte, beat bool) (batch []byte, every time.Duration, over bool) {
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
		c.wakeLinks()
	}
	return batch, every, c.out.over
}

func (c *Conn) wakeLinks() {
	for _, s := range c.sessions {
		s.wakeLinks()
	}
}

func (c *Conn) writeFailed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && !c.closeSent && !c.out.over {
		c.cause = fmt.Errorf("write: %w", err)
	}
	c.out.over = true
}
