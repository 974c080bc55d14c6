package source

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"azx/internal/amqp10"
)

const (
	batchBytes   = 128 << 10 // of one write
	linkBytes    = 32 << 10  // of one link in it
	maxUnsettled = 10_000    // deliveries of a session sent and not settled
	ourWindow    = 5_000     // frames a peer may send ahead
	beatEvery    = 15 * time.Second
)

// conn is one peer's connection: a reading goroutine keeps the books, a writing one sends what they allow.
type conn struct {
	source     *Source
	net        net.Conn
	frameLimit int
	wake       chan struct{}

	mu       sync.Mutex
	control  []byte // frames that go before any message
	sessions map[uint16]*session
	senders  []*link
	turn     int // of senders: who begins the next batch
	over     bool
}

// session counts frames (transfer ids) and deliveries in both directions.
type session struct {
	channel      uint16
	links        map[uint32]*link
	nextIncoming uint32
	nextOutgoing uint32
	window       uint32 // frames the peer still takes
	nextDelivery uint32
	unsettled    int
}

// link is our end of a link.
type link struct {
	s      *session
	handle uint32
	node   string // "$cbs", "$management" or "" for a partition
	sends  bool

	deliveryCount, credit uint32
	drain, settled        bool
	answers               [][]byte // of a node

	partition int
	next      int64 // number of the next message
	template  template
	due       time.Time
	starved   bool // it could not send when it was due

	partial []byte // of a request in several frames
}

func (c *conn) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *conn) readLoop(frames *amqp10.FrameReader) error {
	c.kick()
	for {
		frame, err := frames.Next()
		if err != nil {
			return err
		}
		if len(frame.Body) == 0 {
			continue // heartbeat
		}
		p, payload, err := amqp10.DecodePerformative(frame.Body)
		if err != nil {
			return err
		}
		c.mu.Lock()
		over, err := c.route(frame.Channel, p, payload)
		c.mu.Unlock()
		c.kick()
		if over || err != nil {
			return err
		}
	}
}

func (c *conn) tell(channel uint16, p amqp10.Performative) {
	c.control = amqp10.AppendFrame(c.control, amqp10.FrameAMQP, channel, p, nil)
}

func (c *conn) route(channel uint16, p amqp10.Performative, payload []byte) (over bool, err error) {
	switch p := p.(type) {
	case *amqp10.Close:
		c.tell(0, &amqp10.Close{})
		return true, nil
	case *amqp10.Begin:
		c.begin(channel, p)
		return false, nil
	}
	s := c.sessions[channel]
	if s == nil {
		return false, nil // what crosses an end on the wire
	}
	switch p := p.(type) {
	case *amqp10.End:
		c.end(s)
	case *amqp10.Attach:
		c.attach(s, p)
	case *amqp10.Detach:
		c.detach(s, p)
	case *amqp10.Flow:
		c.flow(s, p)
	case *amqp10.Disposition:
		c.disposition(s, p)
	case *amqp10.Transfer:
		err = c.request(s, p, payload)
	default:
		err = fmt.Errorf("a %T is not due", p)
	}
	return false, err
}

func (c *conn) begin(channel uint16, p *amqp10.Begin) {
	c.sessions[channel] = &session{
		channel: channel, links: map[uint32]*link{}, nextIncoming: p.NextOutgoingID, window: p.IncomingWindow,
	}
	c.tell(channel, &amqp10.Begin{
		RemoteChannel: amqp10.Some(channel), IncomingWindow: ourWindow, OutgoingWindow: ourWindow,
		HandleMax: amqp10.Some[uint32](amqp10.HandleMax),
	})
}

func (c *conn) end(s *session) {
	for _, l := range s.links {
		c.remove(l)
	}
	delete(c.sessions, s.channel)
	c.tell(s.channel, &amqp10.End{})
}

// flow takes windows and credit (§2.6.7).
func (c *conn) flow(s *session, p *amqp10.Flow) {
	s.window = p.NextIncomingID.Or(0) + p.IncomingWindow - s.nextOutgoing
	if int32(s.window) < 0 {
		s.window = 0
	}
	l := s.links[p.Handle.Or(amqp10.HandleMax+1)]
	switch {
	case l == nil:
		if p.Echo {
			c.tell(s.channel, s.flow())
		}
		return
	case l.sends && p.LinkCredit.Set:
		l.credit = p.DeliveryCount.Or(0) + p.LinkCredit.Value - l.deliveryCount
		if int32(l.credit) < 0 {
			l.credit = 0
		}
		l.drain = p.Drain
	}
	if p.Echo && !l.drain {
		c.tell(s.channel, l.flow())
	}
}

// disposition counts what the peer has dealt with, and settles what it leaves to us to settle.
func (c *conn) disposition(s *session, p *amqp10.Disposition) {
	if p.Role != amqp10.RoleReceiver || !p.Settled && p.State.Outcome < amqp10.OutcomeAccepted {
		return
	}
	last := p.Last.Or(p.First)
	s.unsettled = max(0, s.unsettled-int(last-p.First)-1)
	if !p.Settled {
		c.tell(s.channel, &amqp10.Disposition{Role: amqp10.RoleSender, First: p.First, Last: amqp10.Some(last), Settled: true})
	}
}

func (s *session) flow() *amqp10.Flow {
	return &amqp10.Flow{
		NextIncomingID: amqp10.Some(s.nextIncoming), IncomingWindow: ourWindow,
		NextOutgoingID: s.nextOutgoing, OutgoingWindow: ourWindow,
	}
}

func (l *link) flow() *amqp10.Flow {
	f := l.s.flow()
	f.Handle, f.DeliveryCount, f.LinkCredit = amqp10.Some(l.handle), amqp10.Some(l.deliveryCount), amqp10.Some(l.credit)
	f.Drain = l.drain
	return f
}

// writeLoop sends what waits, and then as many messages as the peer takes.
func (c *conn) writeLoop(ctx context.Context) error {
	var batch []byte
	pause := time.NewTimer(beatEvery)
	defer pause.Stop()
	for beat := false; ; {
		c.mu.Lock()
		batch = append(batch[:0], c.control...)
		c.control = c.control[:0]
		wait := beatEvery
		if !c.over {
			batch, wait = c.fill(batch)
		}
		over := c.over
		c.mu.Unlock()
		if len(batch) == 0 && beat {
			batch = amqp10.AppendFrame(batch, amqp10.FrameAMQP, 0, nil, nil)
		}
		if len(batch) > 0 {
			if _, err := c.net.Write(batch); err != nil {
				_ = c.net.Close() // the reader then ends too
				return nil
			}
		}
		switch {
		case over:
			return nil
		case len(batch) > 0 && wait == 0:
			beat = false
			continue
		}
		pause.Reset(wait)
		select {
		case <-c.wake:
			beat = false
		case <-pause.C:
			beat = wait == beatEvery
		case <-ctx.Done():
			return nil
		}
	}
}
