package amqp10

import (
	"context"
	"fmt"
)

// clientWindow is how many frames a peer may send ahead in one session. What bounds them is the credit of the links.
const clientWindow = 1 << 16

// clientSession is a session of a client. It has one receiver, so that deliveries of a link have one number after the other
// and are settled in ranges, and at most one sender. All but the fields of the read loop is guarded by the line's lock.
type clientSession struct {
	conn    *Client
	channel uint16
	remote  uint16 // the peer's channel
	begun   bool
	ending  bool  // our end is sent, the peer's is due
	err     error // why it is over
	wake    chan struct{}

	receiver *Receiver
	sender   *clientSender

	nextIncomingID uint32 // as far as it is known under the lock
	windowEnd      uint32 // transfer id up to which the peer may send, that one excluded
	nextOutgoingID uint32
	remoteWindow   uint32

	loop struct { // of the read loop alone
		nextIncomingID uint32
		handles        [HandleMax + 1]bool // those of the peer's sender
		ended          bool
	}
}

// begin opens a session and waits for the peer's answer.
func (c *Client) begin(ctx context.Context) (*clientSession, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Err(); err != nil {
		return nil, err
	}
	channel := c.freeChannel()
	if channel < 0 {
		return nil, Errorf(CondResourceLimitExceeded, "all channels of the connection are in use")
	}
	s := &clientSession{conn: c, channel: uint16(channel), wake: make(chan struct{}, 1)}
	c.sessions[channel] = s
	s.enqueue(&Begin{IncomingWindow: clientWindow, OutgoingWindow: clientWindow, HandleMax: Some[uint32](HandleMax)})
	err := s.await(ctx, s.wake, func() bool { return s.begun })
	if err != nil {
		s.end()
		return nil, fmt.Errorf("begin session: %w", err)
	}
	return s, nil
}

func (c *Client) freeChannel() int {
	for n := 0; n <= int(min(c.peer.ChannelMax.Or(ChannelMax), ChannelMax)); n++ {
		if c.sessions[n] == nil {
			return n
		}
	}
	return -1
}

func (s *clientSession) enqueue(p Performative) { s.conn.enqueue(s.channel, p, nil) }

// await waits until ready holds, with the lock given up meanwhile. wake tells that it may hold.
func (s *clientSession) await(ctx context.Context, wake <-chan struct{}, ready func() bool) error {
	for {
		switch {
		case ready():
			return nil
		case s.err != nil:
			return s.err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.conn.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
		s.conn.mu.Lock()
	}
}

func kick(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// over ends the session and its links with a reason. The first one counts.
func (s *clientSession) over(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	kick(s.wake)
	if s.receiver != nil {
		s.receiver.over(err)
	}
	if s.sender != nil {
		kick(s.sender.wake)
	}
}

// end tells the peer that the session is over. The channel is free when the peer has answered.
func (s *clientSession) end() {
	s.over(ErrLinkEnded)
	if s.ending || s.conn.ctx.Err() != nil || s.conn.closeSent {
		return
	}
	if s.conn.sessions[s.channel] == s {
		s.ending = true
		s.enqueue(&End{})
	}
}

func (c *Client) onBegin(channel uint16, p *Begin) error {
	if !p.RemoteChannel.Set || p.RemoteChannel.Value > ChannelMax {
		return Errorf(CondNotAllowed, "a session that this end has not begun")
	}
	s := c.sessions[p.RemoteChannel.Value]
	switch {
	case s == nil || s.begun:
		return Errorf(CondNotAllowed, "channel %d is not one for which a begin is due", p.RemoteChannel.Value)
	case channel > ChannelMax:
		return Errorf(CondFramingError, "channel %d is over channel-max %d", channel, ChannelMax)
	case c.incoming[channel] != nil:
		return Errorf(CondNotAllowed, "channel %d has a session already", channel)
	}
	c.incoming[channel] = s
	s.begun, s.remote = true, channel
	s.nextIncomingID, s.loop.nextIncomingID = p.NextOutgoingID, p.NextOutgoingID
	s.windowEnd = p.NextOutgoingID + clientWindow
	s.remoteWindow = p.IncomingWindow
	kick(s.wake)
	return nil
}

// route acts on what is no transfer, for the read loop, locked.
func (s *clientSession) route(p Performative) error {
	if end, ok := p.(*End); ok {
		s.onEnd(end)
		return nil
	}
	if s.ending {
		return nil
	}
	switch p := p.(type) {
	case *Attach:
		return s.onAttach(p)
	case *Flow:
		s.onFlow(p)
	case *Disposition:
		if s.sender != nil && p.Role == RoleReceiver {
			s.sender.onDisposition(p)
		}
	case *Detach:
		s.onDetach(p)
	default:
		return Errorf(CondNotAllowed, "a %T is not due on an open connection", p)
	}
	return nil
}

func (s *clientSession) onEnd(p *End) {
	if !s.ending {
		s.enqueue(&End{})
	}
	var cause error = ErrLinkEnded
	if p.Error != nil {
		cause = fmt.Errorf("%w with its session: %w", ErrLinkEnded, p.Error)
	}
	s.over(cause)
	s.loop.ended, s.ending = true, true
	s.conn.incoming[s.remote], s.conn.sessions[s.channel] = nil, nil
	kick(s.wake)
}

func (s *clientSession) onAttach(p *Attach) error {
	r, w := s.receiver, s.sender
	switch {
	case p.Handle > HandleMax:
		return Errorf(CondFramingError, "handle %d is over handle-max %d", p.Handle, HandleMax)
	case p.Role == RoleSender && r != nil && p.Name == r.name && !r.attached:
		s.loop.handles[p.Handle] = true
		r.onAttach(p)
	case p.Role == RoleReceiver && w != nil && p.Name == w.name && !w.attached:
		w.onAttach(p)
	default:
		return Errorf(CondNotAllowed, "a link that this end has not asked for")
	}
	return nil
}

func (s *clientSession) onDetach(p *Detach) {
	var cause error = ErrLinkEnded
	if p.Error != nil {
		cause = fmt.Errorf("%w: %w", ErrLinkEnded, p.Error)
	}
	r, w := s.receiver, s.sender
	switch {
	case r != nil && r.attached && r.remote == p.Handle:
		r.onDetach(p, cause)
	case w != nil && w.attached && w.remote == p.Handle:
		s.over(cause) // nothing is left to ask with
	}
}

func (s *clientSession) onFlow(p *Flow) {
	s.remoteWindow = p.NextIncomingID.Or(0) + p.IncomingWindow - s.nextOutgoingID
	if int32(s.remoteWindow) < 0 {
		s.remoteWindow = 0
	}
	r, w := s.receiver, s.sender
	switch {
	case p.Handle.Set && r != nil && r.attached && r.remote == p.Handle.Value:
		r.onFlow(p)
	case p.Handle.Set && w != nil && w.attached && w.remote == p.Handle.Value:
		w.onFlow(p)
	case p.Echo && !p.Handle.Set:
		s.enqueue(s.flow())
	}
	if w != nil {
		kick(w.wake)
	}
}

// flow is the session's state, and gives the peer a whole window again.
func (s *clientSession) flow() *Flow {
	s.windowEnd = s.nextIncomingID + clientWindow
	return &Flow{
		NextIncomingID: Some(s.nextIncomingID), IncomingWindow: clientWindow,
		NextOutgoingID: s.nextOutgoingID, OutgoingWindow: clientWindow,
	}
}

// onTransfer counts a frame, for the read loop, not locked.
func (s *clientSession) onTransfer(t *Transfer, payload []byte) error {
	s.loop.nextIncomingID++
	if t.Handle > HandleMax || !s.loop.handles[t.Handle] {
		return Errorf(CondNotAllowed, "a transfer on handle %d, which has no sender", t.Handle)
	}
	return s.receiver.onTransfer(t, payload)
}

// seen takes over, locked, what the read loop has counted.
func (s *clientSession) seen() (violated bool) {
	s.nextIncomingID = s.loop.nextIncomingID
	return int32(s.windowEnd-s.nextIncomingID) < 0
}
