package source

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"azx/internal/amqp10"
)

const (
	nodeCBS        = "$cbs"
	nodeManagement = "$management"
)

// attach answers an attach: a partition to read from, or a node to talk with.
func (c *conn) attach(s *session, p *amqp10.Attach) {
	l := &link{s: s, handle: p.Handle, sends: p.Role == amqp10.RoleReceiver, settled: p.SenderSettleMode != amqp10.SenderUnsettled}
	answer := &amqp10.Attach{
		Name: p.Name, Handle: p.Handle, Role: !p.Role, SenderSettleMode: p.SenderSettleMode,
		ReceiverSettleMode: p.ReceiverSettleMode, MaxMessageSize: amqp10.MaxMessageSize,
	}
	if l.sends {
		answer.InitialDeliveryCount = amqp10.Some[uint32](0)
	}
	if refusal := c.place(l, p); refusal != nil {
		c.tell(s.channel, answer) // an attach without a terminus first (§2.6.3)
		c.tell(s.channel, &amqp10.Detach{Handle: p.Handle, Closed: true, Error: refusal})
		return
	}
	answer.Source, answer.Target = p.Source, p.Target
	s.links[p.Handle] = l
	c.tell(s.channel, answer)
	if l.sends {
		c.senders = append(c.senders, l)
		return
	}
	l.deliveryCount = p.InitialDeliveryCount.Or(0)
	c.grant(l)
}

// place finds what a link is for.
func (c *conn) place(l *link, p *amqp10.Attach) *amqp10.Error {
	address := ""
	switch {
	case l.sends && p.Source != nil:
		address = p.Source.Address
	case !l.sends && p.Target != nil:
		address = p.Target.Address
	}
	for _, node := range [...]string{nodeCBS, nodeManagement} {
		if strings.HasSuffix(address, node) {
			l.node = node
			return nil
		}
	}
	_, id, found := strings.Cut(address, "/Partitions/")
	partition, err := strconv.Atoi(id)
	if !found || !l.sends || err != nil || partition < 0 || partition >= c.source.cfg.Partitions {
		return amqp10.Errorf(amqp10.CondNotFound, "there is nothing at %q", address)
	}
	l.partition = partition
	l.template = newTemplate(l.s.channel, l.handle, l.settled, c.source.cfg.Body)
	if len(l.template.frame) > c.frameLimit {
		return amqp10.Errorf(amqp10.CondNotImplemented, "messages are sent in frames of %d bytes", len(l.template.frame))
	}
	var refusal *amqp10.Error
	l.next, refusal = first(p.Source)
	if rate := c.source.cfg.Rate; rate > 0 {
		l.due = time.Now().Add(time.Second / time.Duration(rate) * time.Duration(partition))
	}
	return refusal
}

// first reads the selector: the earliest message, or the one behind an offset.
func first(source *amqp10.Source) (int64, *amqp10.Error) {
	const prefix = "amqp.annotation.x-opt-offset > '"
	filter, _ := source.Filter.Get("apache.org:selector-filter:string").(amqp10.Described)
	text, _ := filter.Value.(string)
	if text == "" {
		return 0, nil
	}
	value, found := strings.CutPrefix(strings.TrimSuffix(text, "'"), prefix)
	offset, err := strconv.ParseInt(value, 10, 64)
	if !found || err != nil {
		return 0, amqp10.Errorf(amqp10.CondNotImplemented, "selector %q: want %s<number>'", text, prefix)
	}
	return max(0, offset-firstOffset+1), nil
}

func (c *conn) detach(s *session, p *amqp10.Detach) {
	if l := s.links[p.Handle]; l != nil {
		c.remove(l)
		c.tell(s.channel, &amqp10.Detach{Handle: p.Handle, Closed: p.Closed})
	}
}

func (c *conn) remove(l *link) {
	delete(l.s.links, l.handle)
	c.senders = slices.DeleteFunc(c.senders, func(other *link) bool { return other == l })
}

// grant lets the peer send requests.
func (c *conn) grant(l *link) {
	l.credit = 100
	c.tell(l.s.channel, l.flow())
}

// request takes a transfer of the peer: a token, or a question.
func (c *conn) request(s *session, p *amqp10.Transfer, payload []byte) error {
	s.nextIncoming++
	l := s.links[p.Handle]
	if l == nil || l.sends {
		return nil
	}
	l.partial = append(l.partial, payload...)
	if p.More {
		return nil
	}
	m, err := amqp10.DecodeMessage(bytes.Clone(l.partial))
	l.partial = l.partial[:0]
	if err != nil {
		return err
	}
	l.deliveryCount++
	if !p.Settled.Or(false) {
		c.tell(s.channel, &amqp10.Disposition{
			Role: amqp10.RoleReceiver, First: p.DeliveryID.Value, Settled: true, State: amqp10.State{Outcome: amqp10.OutcomeAccepted},
		})
	}
	c.grant(l)
	for _, answering := range slices.Backward(c.senders) {
		if answering.node == l.node {
			answering.answers = append(answering.answers, c.source.answer(l.node, m))
			break
		}
	}
	return nil
}

// fill appends messages of all links in turn, as far as credit, windows and the rate allow. wait is how long nothing
// more can be sent unless the peer says something; 0 if a batch was full.
func (c *conn) fill(batch []byte) (filled []byte, wait time.Duration) {
	wait = beatEvery
	now := time.Now()
	var sent int64
	for i := range c.senders {
		l := c.senders[(c.turn+i)%len(c.senders)]
		if len(batch) >= batchBytes {
			return batch, c.count(sent)
		}
		var n int64
		batch, n = c.fillFrom(l, batch, now)
		sent += n
		if l.node == "" && c.source.cfg.Rate > 0 && !l.blocked() { // else credit will wake us
			wait = min(wait, max(time.Until(l.due), time.Microsecond))
		}
	}
	c.turn++
	if c.count(sent); sent > 0 && c.source.cfg.Rate == 0 {
		return batch, 0
	}
	return batch, wait
}

func (c *conn) count(sent int64) time.Duration {
	c.source.sent.Add(sent)
	return 0
}

func (c *conn) fillFrom(l *link, batch []byte, now time.Time) (filled []byte, sent int64) {
	s := l.s
	for _, answer := range l.answers {
		if l.credit == 0 || s.window == 0 {
			break
		}
		batch = amqp10.AppendFrame(batch, amqp10.FrameAMQP, s.channel, &amqp10.Transfer{
			Handle: l.handle, DeliveryID: amqp10.Some(s.nextDelivery), DeliveryTag: quad(s.nextDelivery),
			MessageFormat: amqp10.Some[uint32](0), Settled: amqp10.Some(true),
		}, answer)
		l.answers = l.answers[1:]
		l.use()
	}
	if l.node == "" {
		batch, sent = c.messages(l, batch, now)
	}
	if l.drain { // what is not on its way now will not use the credit
		l.deliveryCount, l.credit = l.deliveryCount+l.credit, 0
		batch = amqp10.AppendFrame(batch, amqp10.FrameAMQP, s.channel, l.flow(), nil)
		l.drain = false
	}
	return batch, sent
}

// messages appends as many messages of a partition as one batch takes.
func (c *conn) messages(l *link, batch []byte, now time.Time) (filled []byte, sent int64) {
	s, cfg := l.s, &c.source.cfg
	for end := len(batch) + linkBytes; len(batch) < end; sent++ {
		stamp := now
		if cfg.Rate > 0 {
			if l.due.After(now) {
				l.starved = false
				return batch, sent
			}
			if l.starved {
				stamp = l.due
			}
		}
		if l.blocked() {
			l.starved = true
			return batch, sent
		}
		if cfg.Rate > 0 {
			l.due = l.due.Add(time.Second * time.Duration(cfg.Partitions) / time.Duration(cfg.Rate))
		}
		batch = l.template.append(batch, s.nextDelivery, Device(cfg.Things, l.partition, cfg.Partitions, l.next), l.next, stamp)
		if !l.settled {
			s.unsettled++
		}
		l.next++
		l.use()
	}
	return batch, sent
}

// blocked reports whether nothing more can be sent before the peer says something.
func (l *link) blocked() bool {
	return l.credit == 0 || l.s.window == 0 || !l.settled && l.s.unsettled >= maxUnsettled
}

// use takes one delivery from the link's credit and its session's window.
func (l *link) use() {
	l.credit--
	l.deliveryCount++
	l.s.window--
	l.s.nextOutgoing++
	l.s.nextDelivery++
}
