package amqp10

const (
	sessionWindow = 2048  // frames a peer may send before it hears of a new window
	maxUnsettled  = 10000 // deliveries of a session sent and not settled
)

// session is one session. Everything in it is guarded by the connection's lock.
// Its outgoing channel has the number of the incoming one, and its links' output handles those of the input handles.
type session struct {
	conn    *Conn
	channel uint16
	links   map[uint32]*Link
	left    [HandleMax + 1]bool // handles whose link was detached, and that nobody has attached since
	ending  bool                // our end is sent, the peer's is due; what comes before it is dropped

	// Transfer ids count frames, delivery ids count deliveries: the two differ after the first message of several frames.
	nextIncomingID uint32
	incomingWindow uint32
	nextOutgoingID uint32
	remoteWindow   uint32
	nextDeliveryID uint32
	unsettled      map[uint32]*Delivery
}

func (c *Conn) onBegin(channel uint16, p *Begin) error {
	switch {
	case channel > ChannelMax:
		return Errorf(CondFramingError, "channel %d is over channel-max %d", channel, ChannelMax)
	case c.sessions[channel] != nil:
		return Errorf(CondNotAllowed, "channel %d has a session already", channel)
	}
	s := &session{
		conn: c, channel: channel, links: map[uint32]*Link{}, unsettled: map[uint32]*Delivery{},
		nextIncomingID: p.NextOutgoingID, incomingWindow: sessionWindow, remoteWindow: p.IncomingWindow,
	}
	c.sessions[channel], c.begun[channel] = s, true
	s.enqueue(&Begin{
		RemoteChannel:  Some(channel),
		IncomingWindow: sessionWindow,
		OutgoingWindow: sessionWindow,
		HandleMax:      Some[uint32](HandleMax),
	})
	return nil
}

func (s *session) enqueue(p Performative) { s.conn.enqueue(s.channel, p, nil) }

func (s *session) onEnd() {
	if !s.ending {
		s.enqueue(&End{})
	}
	s.endLinks(ErrLinkEnded)
	delete(s.conn.sessions, s.channel)
}

// fail ends the session with an error.
func (s *session) fail(condition Symbol, format string, args ...any) {
	if s.ending {
		return
	}
	s.ending = true
	e := Errorf(condition, format, args...)
	s.enqueue(&End{Error: e})
	s.endLinks(e)
}

func (s *session) endLinks(cause error) {
	for _, l := range s.links {
		l.end(cause)
	}
	clear(s.links)
}

func (s *session) wakeLinks() {
	for _, l := range s.links {
		l.wakeUp()
	}
}

func (s *session) onAttach(p *Attach) error {
	if s.ending {
		return nil
	}
	if p.Handle > HandleMax {
		return Errorf(CondFramingError, "handle %d is over handle-max %d", p.Handle, HandleMax)
	}
	if s.links[p.Handle] != nil {
		s.fail(CondHandleInUse, "handle %d is in use", p.Handle)
		return nil
	}
	c := s.conn
	l := newLink(s, p)
	s.links[p.Handle], s.left[p.Handle] = l, false
	if c.links >= maxLinks {
		l.detach(Errorf(CondResourceLimitExceeded, "a connection has at most %d links", maxLinks))
		return nil
	}
	c.links++
	c.loops.Go(l.serve)
	return nil
}

// hasLeft reports whether the link of a handle was detached. A flow, or another detach, may come after that: go-amqp
// sends a flow behind its own detach when a message is settled while a receiver closes (read in its source, and seen).
func (s *session) hasLeft(handle uint32) bool { return handle <= HandleMax && s.left[handle] }

// find returns the link of a handle. Nil: there is none, and the session has been ended for it.
func (s *session) find(handle uint32) *Link {
	l := s.links[handle]
	if l == nil && !s.ending {
		s.fail(CondUnattachedHandle, "handle %d has no link", handle)
	}
	return l
}

func (s *session) onDetach(p *Detach) {
	if s.hasLeft(p.Handle) {
		return
	}
	l := s.find(p.Handle)
	if l == nil {
		return
	}
	l.peerDetached(p)
	delete(s.links, p.Handle)
	s.left[p.Handle] = true
}

func (s *session) onFlow(p *Flow) {
	if s.ending {
		return
	}
	s.remoteWindow = p.NextIncomingID.Or(0) + p.IncomingWindow - s.nextOutgoingID
	if int32(s.remoteWindow) < 0 {
		s.remoteWindow = 0
	}
	s.wakeLinks()
	if !p.Handle.Set {
		if p.Echo {
			s.enqueue(s.flow())
		}
		return
	}
	if s.hasLeft(p.Handle.Value) {
		return
	}
	if l := s.find(p.Handle.Value); l != nil {
		l.onFlow(p)
	}
}

// flow is the session's state, without that of a link.
func (s *session) flow() *Flow {
	return &Flow{
		NextIncomingID: Some(s.nextIncomingID),
		IncomingWindow: s.incomingWindow,
		NextOutgoingID: s.nextOutgoingID,
		OutgoingWindow: sessionWindow,
	}
}

func (s *session) onTransfer(p *Transfer, payload []byte) error {
	if s.ending {
		return nil
	}
	if s.incomingWindow == 0 {
		s.fail(CondWindowViolation, "a transfer beyond the incoming window")
		return nil
	}
	s.nextIncomingID++
	s.incomingWindow--
	if s.incomingWindow < sessionWindow/2 {
		s.incomingWindow = sessionWindow
		s.enqueue(s.flow())
	}
	l := s.find(p.Handle)
	if l == nil {
		return nil
	}
	if l.sends {
		s.fail(CondNotAllowed, "a transfer on handle %d, whose receiver is the peer", p.Handle)
		return nil
	}
	return l.onTransfer(p, payload)
}

// onDisposition settles what was sent. A sender's disposition changes nothing: received deliveries are settled here at once.
func (s *session) onDisposition(p *Disposition) {
	if s.ending || p.Role != RoleReceiver {
		return
	}
	span := p.Last.Or(p.First) - p.First
	if int(span) <= len(s.unsettled) {
		for id := p.First; id-p.First <= span; id++ {
			s.settle(id, p)
		}
		return
	}
	for id := range s.unsettled {
		if id-p.First <= span {
			s.settle(id, p)
		}
	}
}

func (s *session) settle(id uint32, p *Disposition) {
	d := s.unsettled[id]
	if d == nil || !p.Settled && (p.State.Outcome == OutcomeNone || p.State.Outcome == OutcomeReceived) {
		return
	}
	delete(s.unsettled, id)
	d.state = p.State
	var answer State
	if d.judge != nil {
		answer = d.judge(p.State)
	}
	close(d.settled)
	d.link.wakeUp()
	if !p.Settled { // the receiver waits for us to settle first (§2.6.12, mode second)
		s.enqueue(&Disposition{Role: RoleSender, First: id, Last: Some(id), Settled: true, State: answer})
	}
}
