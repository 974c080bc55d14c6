package amqp10

import "fmt"

// onAttach takes the peer's answer.
func (r *Receiver) onAttach(p *Attach) {
	r.answer, r.attached, r.remote = *p, true, p.Handle
	r.refused = p.Source == nil
	r.count = p.InitialDeliveryCount.Or(0)
	r.limit, r.loop.begun = r.count, r.count
	kick(r.wake)
}

func (r *Receiver) onDetach(p *Detach, cause error) {
	if !r.detached {
		r.detached = true
		r.s.enqueue(&Detach{Handle: 0, Closed: p.Closed})
	}
	r.loop.over = true
	r.over(cause)
}

// onFlow takes the peer's word on how much of the credit is left: it gives it up when it is drained.
func (r *Receiver) onFlow(p *Flow) {
	if n := p.DeliveryCount; r.draining && n.Set && p.LinkCredit.Or(0) == 0 && n.Value-r.count <= r.limit-r.count {
		r.count, r.loop.begun, r.credit = n.Value, n.Value, 0
		kick(r.wake)
	}
	if p.Echo && !r.detached {
		r.s.enqueue(r.flow())
	}
}

// onTransfer takes a frame of a delivery, for the read loop, not locked. The error is one of the whole connection.
func (r *Receiver) onTransfer(t *Transfer, payload []byte) error {
	l := &r.loop
	if l.over {
		return nil
	}
	if !l.dirty {
		l.dirty = true
		r.conn.dirty = append(r.conn.dirty, r)
	}
	if e := l.take(t, payload, r.cfg.MaxMessageSize); e != nil {
		l.over, l.fault = true, e
		r.publish()
		return nil
	}
	if len(l.pending) >= publishMost || l.bytes >= publishBytes || r.s.loop.nextIncomingID%(clientWindow/4) == 0 {
		r.publish()
	}
	return nil
}

// take adds a frame to what has come.
func (l *incomingClient) take(t *Transfer, payload []byte, most int) *Error {
	switch {
	case !l.open && !t.DeliveryID.Set:
		return Errorf(CondInvalidField, "the first frame of a delivery has a delivery-id")
	case l.open && t.DeliveryID.Set && t.DeliveryID.Value != l.current.ID:
		return Errorf(CondInvalidField, "delivery %d begins within delivery %d", t.DeliveryID.Value, l.current.ID)
	case len(l.assembly)+len(payload) > most:
		return Errorf(CondMessageSize, "a message has at most %d bytes", most)
	}
	if !l.open {
		l.begun++
		l.current = Received{ID: t.DeliveryID.Value, Format: t.MessageFormat.Or(0)}
	}
	l.open = t.More && !t.Aborted
	l.current.Settled = l.current.Settled || t.Settled.Or(false)
	if t.Aborted {
		l.assembly = l.assembly[:0]
		return nil
	}
	if t.More || len(l.assembly) > 0 {
		l.assembly = append(l.assembly, payload...)
		payload = l.assembly
	}
	if t.More {
		return nil
	}
	l.pending = append(l.pending, Received{})
	in := &l.pending[len(l.pending)-1]
	in.ID, in.Format, in.Settled = l.current.ID, l.current.Format, l.current.Settled
	l.memory.keep(in, payload)
	l.bytes += len(payload)
	if l.assembly = l.assembly[:0]; cap(l.assembly) > publishBytes {
		l.assembly = nil
	}
	return nil
}

// publish hands over what has come. It waits while that is too much: then nothing more is read from the connection.
func (r *Receiver) publish() {
	c, l := r.conn, &r.loop
	c.mu.Lock()
	defer c.mu.Unlock()
	l.dirty = false
	if r.s.seen() && l.fault == nil {
		l.over, l.fault = true, Errorf(CondWindowViolation, "transfers beyond the incoming window")
	}
	r.credit -= min(r.credit, l.begun-r.count)
	r.count = l.begun
	if int32(r.limit-r.count) < 0 && l.fault == nil {
		l.over, l.fault = true, Errorf(CondTransferLimit, "messages without credit")
	}
	if r.err == nil {
		r.put(l.pending)
	}
	clear(l.pending)
	l.pending, l.bytes = l.pending[:0], 0
	if l.fault != nil {
		r.reject(l.fault)
		return
	}
	if r.held >= r.cfg.Bytes && r.credit > 0 && !r.draining {
		r.setCredit(0)
	} else if r.s.windowEnd-r.s.nextIncomingID < clientWindow/2 {
		r.s.enqueue(r.s.flow())
	}
	for r.held >= 2*r.cfg.Bytes && r.held > r.cfg.MaxMessageSize && r.err == nil {
		c.mu.Unlock()
		<-r.room
		c.mu.Lock()
	}
}

// put adds messages to the inbox.
func (r *Receiver) put(all []Received) {
	for i := range all {
		n := len(all[i].Payload) + overhead
		r.held += n
		r.typical = max(n, r.typical-(r.typical-n)/16)
	}
	if len(all) > 0 {
		r.inbox = append(r.inbox, all...)
		kick(r.wake)
	}
}

// reject ends the link because of what the peer did.
func (r *Receiver) reject(e *Error) {
	if !r.detached && r.err == nil {
		r.detached = true
		r.s.enqueue(&Detach{Handle: 0, Closed: true, Error: e})
	}
	r.over(e)
}

// linkName is a name for a link that no other of the connection has, locked.
func (c *Client) linkName() string {
	c.names++
	return fmt.Sprintf("%s-%d", c.cfg.ContainerID, c.names)
}
