package amqp10

import (
	"context"
	"errors"
	"fmt"
)

// ErrLinkEnded is in every error about a link that is over, be it detached, or its session or connection gone.
var ErrLinkEnded = errors.New("link has ended")

// Terms are what this end grants when it accepts a link.
type Terms struct {
	Source              *Source // nil: as the peer asked
	Target              *Target // nil: as the peer asked
	Credit              uint32  // receiving: messages the peer may send ahead of Receive; 0: 100
	MaxMessageSize      uint64  // receiving: bytes; 0, or more than MaxMessageSize: MaxMessageSize
	OfferedCapabilities []Symbol
	Properties          Map
}

type linkState int

const (
	linkAsked    linkState = iota // the peer waits for an answer
	linkAttached                  // both ends have attached
	linkDetached                  // our detach is sent
)

// Link is one end of a link, the one on this side.
type Link struct {
	conn  *Conn
	s     *session
	asked Attach
	sends bool
	wake  chan struct{} // something Send or Receive waits for may have changed

	ctx    context.Context
	cancel context.CancelCauseFunc

	// guarded by conn.mu
	state linkState
	outgoing
	incoming
}

func newLink(s *session, p *Attach) *Link {
	l := &Link{conn: s.conn, s: s, asked: *p, sends: p.Role == RoleReceiver, wake: make(chan struct{}, 1)}
	l.ctx, l.cancel = context.WithCancelCause(s.conn.ctx)
	l.turn = make(chan struct{}, 1)
	l.deliveryCount = p.InitialDeliveryCount.Or(0)
	if l.sends {
		l.deliveryCount = 0
	}
	return l
}

// Conn is the link's connection.
func (l *Link) Conn() *Conn { return l.conn }

// Name is the link's name, chosen by the peer.
func (l *Link) Name() string { return l.asked.Name }

// Sends reports whether messages go from here to the peer.
func (l *Link) Sends() bool { return l.sends }

// Asked is the peer's attach: source, target, filters, properties, modes. It must not be changed.
func (l *Link) Asked() *Attach { return &l.asked }

// Address is the node on this side that the peer asks for: the source of a link that sends, else the target.
func (l *Link) Address() string {
	switch {
	case l.sends && l.asked.Source != nil:
		return l.asked.Source.Address
	case !l.sends && l.asked.Target != nil:
		return l.asked.Target.Address
	}
	return ""
}

// ReplyAddress is the node on the peer's side: the target of a link that sends, else the source.
func (l *Link) ReplyAddress() string {
	switch {
	case l.sends && l.asked.Target != nil:
		return l.asked.Target.Address
	case !l.sends && l.asked.Source != nil:
		return l.asked.Source.Address
	}
	return ""
}

// Done is closed when the link has ended.
func (l *Link) Done() <-chan struct{} { return l.ctx.Done() }

// Accept answers the peer's attach.
func (l *Link) Accept(t Terms) error {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	if l.state != linkAsked || l.ctx.Err() != nil {
		return l.over()
	}
	answer := l.answer()
	answer.Source, answer.Target = l.asked.Source, l.asked.Target
	if t.Source != nil {
		answer.Source = t.Source
	}
	if t.Target != nil {
		answer.Target = t.Target
	}
	answer.OfferedCapabilities = t.OfferedCapabilities
	if t.Properties != nil {
		answer.Properties = t.Properties
	}
	if !l.sends {
		l.grant(t)
		answer.MaxMessageSize = l.maxSize
	}
	l.state = linkAttached
	l.s.enqueue(answer)
	switch {
	case !l.sends:
		l.replenish()
	case l.drain:
		l.giveUpCredit()
	}
	return nil
}

// answer is an attach for the peer's attach, without source and target.
func (l *Link) answer() *Attach {
	a := &Attach{
		Name: l.asked.Name, Handle: l.asked.Handle, Role: !l.asked.Role,
		SenderSettleMode: l.asked.SenderSettleMode, ReceiverSettleMode: l.asked.ReceiverSettleMode,
		Properties:     Map{}, // azure-eventhub for Python does not expect a null (tried)
		MaxMessageSize: MaxMessageSize,
	}
	if l.sends {
		a.InitialDeliveryCount = Some(l.deliveryCount)
	} else {
		a.ReceiverSettleMode = ReceiverFirst
	}
	return a
}

// Detach ends the link at any time, from any goroutine. e, which may be nil, tells the peer why.
func (l *Link) Detach(e *Error) {
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	l.detach(e)
}

func (l *Link) detach(e *Error) {
	if l.state == linkDetached || l.ctx.Err() != nil {
		return
	}
	if l.state == linkAsked { // refused: an attach without a terminus first (§2.6.3)
		l.s.enqueue(l.answer())
	}
	l.state = linkDetached
	l.s.enqueue(&Detach{Handle: l.asked.Handle, Closed: true, Error: e})
	var cause error = ErrLinkEnded
	if e != nil {
		cause = e
	}
	l.end(cause)
}

// peerDetached answers the peer's detach, unless it is the answer to ours.
func (l *Link) peerDetached(p *Detach) {
	if l.state == linkDetached {
		return
	}
	if l.state == linkAsked {
		l.s.enqueue(l.answer())
	}
	l.state = linkDetached
	l.s.enqueue(&Detach{Handle: l.asked.Handle, Closed: p.Closed})
	var cause error = ErrLinkEnded
	if p.Error != nil {
		cause = p.Error
	}
	l.end(cause)
}

// end releases what the link holds; who waits for it gets the cause.
func (l *Link) end(cause error) {
	l.cancel(cause)
	for id, d := range l.s.unsettled {
		if d.link == l {
			delete(l.s.unsettled, id)
		}
	}
	l.drop()
}

// over is the error of a call on a link that has ended.
func (l *Link) over() error {
	cause := context.Cause(l.ctx)
	if cause == nil || errors.Is(cause, ErrLinkEnded) {
		return ErrLinkEnded
	}
	return fmt.Errorf("%w: %w", ErrLinkEnded, cause)
}

// stopped is the error of a call whose ctx has ended, or whose link has, which goes first: ctx may be the link's own.
func (l *Link) stopped(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return l.over()
	}
	return ctx.Err()
}

func (l *Link) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// await blocks until ready holds; the connection's lock is held on entry and on return, and given up in between.
func (l *Link) await(ctx context.Context, ready func() bool) error {
	for {
		if l.ctx.Err() != nil {
			return l.over()
		}
		if ready() {
			return nil
		}
		l.conn.mu.Unlock()
		select {
		case <-l.wake:
		case <-ctx.Done():
		case <-l.ctx.Done():
		}
		l.conn.mu.Lock()
		if ctx.Err() != nil {
			return l.stopped(ctx)
		}
	}
}

// serve runs the handler of the link, in the link's own goroutine.
func (l *Link) serve() {
	err := l.callHandler()
	if errors.As(err, new(crash)) {
		l.conn.fail(err)
	}
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	l.conn.links--
	switch {
	case err == nil && l.state == linkAsked:
		l.detach(Errorf(CondNotFound, "there is nothing at %q", l.Address()))
	case err == nil:
		l.detach(nil)
	default:
		l.detach(asError(err, CondInternalError))
	}
	l.cancel(ErrLinkEnded)
}

func (l *Link) callHandler() (err error) {
	defer recovered(&err)
	return l.conn.handler.ServeLink(l.ctx, l)
}
