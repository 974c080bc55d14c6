package amqp10

import (
	"bytes"
	"context"
)

const defaultCredit = 100

// incoming is the state of a link that receives. Its credit and delivery count are those of outgoing.
type incoming struct {
	window  uint32 // credit and unread messages together
	maxSize uint64
	inbox   []*Incoming
	partial *Incoming
}

// Incoming is a message that came over a link.
type Incoming struct {
	Payload []byte // encoded sections, for DecodeMessage
	Tag     []byte
	Format  uint32 // what the payload is; 0: a message of the standard
	Settled bool   // by the sender, beforehand
	link    *Link
	id      uint32
}

// Receive returns the next message. Only one goroutine may call it at a time.
func (l *Link) Receive(ctx context.Context) (*Incoming, error) {
	c := l.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := l.await(ctx, func() bool { return len(l.inbox) > 0 }); err != nil {
		return nil, err
	}
	return l.take(), nil
}

// TryReceive returns the next message if it is there already, else nil.
func (l *Link) TryReceive() *Incoming {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	if l.ctx.Err() != nil || len(l.inbox) == 0 {
		return nil
	}
	return l.take()
}

func (l *Link) take() *Incoming {
	in := l.inbox[0]
	l.inbox = l.inbox[1:]
	l.conn.buffered -= len(in.Payload)
	l.replenish()
	return in
}

// Accept tells the sender that the message is dealt with. It does nothing for a message settled beforehand.
func (in *Incoming) Accept() { in.settle(State{Outcome: OutcomeAccepted}) }

// Reject tells the sender that the message is invalid; e, which may be nil, says why.
func (in *Incoming) Reject(e *Error) { in.settle(State{Outcome: OutcomeRejected, Error: e}) }

// Release gives the message back to the sender, unprocessed.
func (in *Incoming) Release() { in.settle(State{Outcome: OutcomeReleased}) }

func (in *Incoming) settle(state State) {
	l := in.link
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	if in.Settled || l.ctx.Err() != nil {
		return
	}
	in.Settled = true
	l.s.enqueue(&Disposition{Role: RoleReceiver, First: in.id, Last: Some(in.id), Settled: true, State: state})
}

func (l *Link) grant(t Terms) {
	l.window = t.Credit
	if l.window == 0 {
		l.window = defaultCredit
	}
	l.maxSize = t.MaxMessageSize
	if l.maxSize == 0 || l.maxSize > MaxMessageSize {
		l.maxSize = MaxMessageSize
	}
}

// replenish gives new credit once half of the window is free.
func (l *Link) replenish() {
	free := l.window - l.credit - uint32(len(l.inbox))
	if free == 0 || free < l.window/2 {
		return
	}
	l.credit += free
	l.s.enqueue(l.flow())
}

// onTransfer takes a frame of a delivery. The error is one of the whole connection.
func (l *Link) onTransfer(p *Transfer, payload []byte) error {
	if l.state == linkDetached {
		return nil
	}
	if l.partial == nil && !l.beginIncoming(p) {
		return nil
	}
	in, c := l.partial, l.conn
	if p.Aborted {
		l.dropPartial()
		l.replenish()
		return nil
	}
	if uint64(len(in.Payload)+len(payload)) > l.maxSize {
		l.detach(Errorf(CondMessageSize, "a message has at most %d bytes", l.maxSize))
		return nil
	}
	if c.buffered+len(payload) > maxBuffered {
		return Errorf(CondResourceLimitExceeded, "over %d bytes of messages wait on this connection", maxBuffered)
	}
	c.buffered += len(payload)
	in.Payload = append(in.Payload, payload...)
	in.Settled = in.Settled || p.Settled.Or(false)
	if p.More {
		return nil
	}
	l.partial = nil
	l.inbox = append(l.inbox, in)
	l.wakeUp()
	return nil
}

// beginIncoming opens a delivery and reports false for one that may not be.
func (l *Link) beginIncoming(p *Transfer) bool {
	switch {
	case l.credit == 0:
		l.detach(Errorf(CondTransferLimit, "a message without credit"))
		return false
	case !p.DeliveryID.Set:
		l.detach(Errorf(CondInvalidField, "the first frame of a delivery has a delivery-id"))
		return false
	}
	l.credit--
	l.deliveryCount++
	l.partial = &Incoming{link: l, id: p.DeliveryID.Value, Tag: bytes.Clone(p.DeliveryTag), Format: p.MessageFormat.Or(0)}
	return true
}

func (l *Link) dropPartial() {
	if l.partial != nil {
		l.conn.buffered -= len(l.partial.Payload)
		l.partial = nil
	}
}

// drop forgets messages nobody will take any more.
func (l *Link) drop() {
	l.dropPartial()
	for _, in := range l.inbox {
		l.conn.buffered -= len(in.Payload)
	}
	l.inbox = nil
}
