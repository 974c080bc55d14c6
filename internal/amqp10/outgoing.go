package amqp10

import (
	"context"
	"encoding/binary"
)

// outgoing is the state of a link that sends.
type outgoing struct {
	turn          chan struct{} // held while a delivery is under way: its frames must not mix with another's
	deliveryCount uint32
	credit        uint32
	drain         bool
	sending       bool
	tag           []byte // of the delivery under way
}

// Delivery is a message sent and not yet settled.
type Delivery struct {
	link    *Link
	tag     []byte // nil: the delivery id
	judge   func(State) State
	settled chan struct{}
	state   State
}

// Outcome waits for the peer's verdict.
func (d *Delivery) Outcome(ctx context.Context) (State, error) {
	select {
	case <-d.settled:
		return d.state, nil
	case <-ctx.Done():
	case <-d.link.ctx.Done():
	}
	select {
	case <-d.settled:
		return d.state, nil
	default:
		return State{}, d.link.stopped(ctx)
	}
}

// Send sends a message, an encoded AppendMessage, once the peer has given credit, and forgets it: settled, unless the
// peer insisted on unsettled messages. It returns when the message is queued; payload may then be reused.
// Once the first frame is queued ctx no longer matters.
func (l *Link) Send(ctx context.Context, payload []byte) error {
	if l.asked.SenderSettleMode != SenderUnsettled {
		return l.send(ctx, payload, nil)
	}
	_, err := l.Deliver(ctx, payload)
	return err
}

// Deliver sends like Send, but unsettled, so that the peer's verdict can be had from the Delivery.
// A peer that insisted on settled messages gives none: its deliveries are accepted at once.
func (l *Link) Deliver(ctx context.Context, payload []byte) (*Delivery, error) {
	d := &Delivery{link: l, settled: make(chan struct{})}
	unsettled := d
	if l.asked.SenderSettleMode == SenderSettled {
		unsettled = nil
		d.state.Outcome = OutcomeAccepted
		close(d.settled)
	}
	if err := l.send(ctx, payload, unsettled); err != nil {
		return nil, err
	}
	return d, nil
}

// Hand sends like Deliver, with a delivery tag of up to 32 bytes, and has judge called with the peer's verdict when it
// comes: OutcomeNone if the peer settled without one. What judge returns is what a peer that settles second gets to hear.
// judge runs under the lock of the connection: it must not wait, nor use the link. It is not called when the link ends
// before there is a verdict.
func (l *Link) Hand(ctx context.Context, payload, tag []byte, judge func(State) State) error {
	d := &Delivery{link: l, tag: tag, judge: judge, settled: make(chan struct{})}
	if l.asked.SenderSettleMode != SenderSettled {
		return l.send(ctx, payload, d)
	}
	if err := l.send(ctx, payload, nil); err != nil {
		return err
	}
	judge(State{Outcome: OutcomeAccepted})
	return nil
}

// AwaitCredit waits until the peer wants a message, for who must know before there is one. It is for the goroutine that
// sends.
func (l *Link) AwaitCredit(ctx context.Context) error {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	return l.await(ctx, func() bool { return l.state == linkAttached && l.credit > 0 })
}

// send sends a message unsettled as d, or settled when d is nil.
func (l *Link) send(ctx context.Context, payload []byte, d *Delivery) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return l.stopped(ctx)
	case <-l.ctx.Done():
		return l.over()
	}
	defer func() { <-l.turn }()
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	err := l.await(ctx, func() bool {
		return l.state == linkAttached && l.credit > 0 && l.roomForFrame() && (d == nil || len(l.s.unsettled) < maxUnsettled)
	})
	if err != nil {
		return err
	}
	l.sending = true
	err = l.sendFrames(l.beginDelivery(d), payload)
	l.sending = false
	if err == nil && l.drain {
		l.giveUpCredit()
	}
	return err
}

// beginDelivery uses one credit, remembers an unsettled delivery, and returns its first transfer.
func (l *Link) beginDelivery(d *Delivery) Transfer {
	s := l.s
	l.credit--
	l.deliveryCount++
	id := s.nextDeliveryID
	s.nextDeliveryID++
	l.tag = binary.BigEndian.AppendUint32(l.tag[:0], id)
	if d != nil {
		s.unsettled[id] = d
		if d.tag != nil {
			l.tag = append(l.tag[:0], d.tag...)
		}
	}
	return Transfer{
		Handle: l.asked.Handle, DeliveryID: Some(id), DeliveryTag: l.tag, MessageFormat: Some[uint32](0), Settled: Some(d == nil),
	}
}

func (l *Link) sendFrames(transfer Transfer, payload []byte) error {
	for {
		payload = l.sendFrame(&transfer, payload)
		if !transfer.More {
			return nil
		}
		if err := l.await(l.ctx, l.roomForFrame); err != nil {
			return err
		}
		transfer = Transfer{Handle: transfer.Handle, Settled: transfer.Settled}
	}
}

func (l *Link) roomForFrame() bool {
	return l.s.remoteWindow > 0 && len(l.conn.out.waiting) < outboxSoft
}

// sendFrame queues as much of payload as fits a frame of the peer's and returns the rest, with transfer.More set if there is one.
func (l *Link) sendFrame(transfer *Transfer, payload []byte) (rest []byte) {
	c, s := l.conn, l.s
	dst, mark := BeginFrame(c.out.waiting, FrameAMQP, s.channel)
	start := len(dst)
	transfer.More = false
	dst = transfer.Append(dst)
	room := c.frameLimit() - (len(dst) - mark)
	if len(payload) > room {
		transfer.More = true // takes as many bytes as a false
		dst = transfer.Append(dst[:start])
		payload, rest = payload[:room], payload[room:]
	}
	c.out.waiting = EndFrame(append(dst, payload...), mark)
	s.nextOutgoingID++
	s.remoteWindow--
	c.queued()
	return rest
}

// onFlow takes the peer's credit (§2.6.7).
func (l *Link) onFlow(p *Flow) {
	if l.state == linkDetached {
		return
	}
	if l.sends && p.LinkCredit.Set {
		l.credit = p.DeliveryCount.Or(0) + p.LinkCredit.Value - l.deliveryCount
		if int32(l.credit) < 0 {
			l.credit = 0
		}
	}
	l.drain = l.sends && p.Drain
	l.wakeUp()
	switch {
	case l.drain && !l.sending && l.state == linkAttached:
		l.giveUpCredit()
	case p.Echo:
		l.s.enqueue(l.flow())
	}
}

// giveUpCredit answers a drain: what is not on its way now will not use the credit.
func (l *Link) giveUpCredit() {
	l.deliveryCount += l.credit
	l.credit = 0
	l.s.enqueue(l.flow())
	l.drain = false
}

// flow is the state of the link and its session.
func (l *Link) flow() *Flow {
	f := l.s.flow()
	f.Handle = Some(l.asked.Handle)
	f.DeliveryCount, f.LinkCredit = Some(l.deliveryCount), Some(l.credit)
	f.Drain = l.drain
	return f
}
