package amqp10

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// StatusError is an answer that refuses a request. Codes are those of HTTP.
type StatusError struct {
	Code        int
	Description string
}

// Error has code and description.
func (e *StatusError) Error() string {
	if e.Description == "" {
		return fmt.Sprintf("refused with status %d", e.Code)
	}
	return fmt.Sprintf("refused with status %d: %s", e.Code, e.Description)
}

// RPCCode is the code.
func (e *StatusError) RPCCode() int { return e.Code }

// Requester asks a node such as $cbs or $management, with a pair of links and a session of their own.
type Requester struct {
	turn     chan struct{} // held by the requests under way
	receiver *Receiver
	sender   *clientSender
	requests int
}

const (
	answerBytes = 1 << 20 // bounds what may wait of answers
	askedAhead  = 8       // requests that may be under way
)

// Requester attaches both links to a node.
func (c *Client) Requester(ctx context.Context, node string) (*Requester, error) {
	s, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &Requester{turn: make(chan struct{}, 1)}
	answers := ReceiverConfig{Source: &Source{Address: node}, Target: c.cfg.ContainerID, Settled: true, Credit: askedAhead, Bytes: answerBytes}
	if q.receiver, err = s.receive(ctx, answers); err == nil {
		q.receiver.grant()
		q.sender, err = s.send(ctx, node)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return q, nil
}

// Ask sends a request and waits for its answer. It sets message id and reply-to. A status other than 2xx is a *StatusError.
func (q *Requester) Ask(ctx context.Context, m *Message) (*Message, error) {
	answers, err := q.AskAll(ctx, m)
	return answers[0], err
}

// AskAll is Ask of several requests, which do not wait for the answers of each other. The answers are in the order of the
// requests; nil stands for one that has not come. The error is the first one.
func (q *Requester) AskAll(ctx context.Context, all ...*Message) ([]*Message, error) {
	answers := make([]*Message, len(all))
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return answers, ctx.Err()
	}
	defer func() { <-q.turn }()
	for at := 0; at < len(all); at += askedAhead {
		to := min(at+askedAhead, len(all))
		if err := q.ask(ctx, all[at:to], answers[at:to]); err != nil {
			return answers, err
		}
	}
	return answers, nil
}

// ask sends requests and fills in their answers.
func (q *Requester) ask(ctx context.Context, all, answers []*Message) error {
	for _, m := range all {
		q.requests++
		m.Properties = &Properties{MessageID: fmt.Sprintf("%s-%d", q.receiver.name, q.requests), ReplyTo: q.receiver.cfg.Target}
		if err := q.sender.send(ctx, AppendMessage(nil, m)); err != nil {
			return err
		}
	}
	for slices.Contains(answers, nil) {
		came, err := q.receiver.Receive(ctx)
		if err != nil {
			return err
		}
		for _, d := range came {
			m, err := DecodeMessage(d.Payload)
			if err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			// One that answers none of these is late.
			if at := slices.IndexFunc(all, m.answers); at >= 0 {
				answers[at] = m
			}
		}
	}
	for _, m := range answers {
		if err := status(m); err != nil {
			return err
		}
	}
	return nil
}

// answers reports whether m is the answer to a request.
func (m *Message) answers(request *Message) bool {
	return m.Properties != nil && m.Properties.CorrelationID == request.Properties.MessageID
}

// status is the error of an answer. Azure spells its name in either way (read: azeventhubs' internal/rpc.go).
func status(m *Message) error {
	code := int64(0)
	for _, name := range [...]string{"status-code", "statusCode"} {
		switch v := m.ApplicationProperties.Get(name).(type) {
		case int32:
			code = int64(v)
		case int64:
			code = v
		case uint32:
			code = int64(v)
		}
	}
	if code/100 == http.StatusOK/100 {
		return nil
	}
	e := &StatusError{Code: int(code), Description: m.ApplicationProperties.Text("status-description")}
	if e.Description == "" {
		e.Description = m.ApplicationProperties.Text("statusDescription")
	}
	return e
}

// Close ends both links, and waits until the peer has agreed or ctx has ended.
func (q *Requester) Close(ctx context.Context) error { return q.receiver.Close(ctx) }

// clientSender is a link of a client that sends small messages, one at a time. It is guarded by the line's lock.
type clientSender struct {
	s        *clientSession
	name     string
	wake     chan struct{}
	attached bool
	refused  bool
	remote   uint32
	count    uint32
	credit   uint32
	rejected error // by the peer, of the message before
}

// senderHandle is the handle of a session's sender. The receiver has 0.
const senderHandle = 1

func (s *clientSession) send(ctx context.Context, node string) (*clientSender, error) {
	w := &clientSender{s: s, name: s.conn.linkName(), wake: make(chan struct{}, 1)}
	s.sender = w
	s.enqueue(&Attach{
		Name: w.name, Handle: senderHandle, Role: RoleSender, SenderSettleMode: SenderMixed,
		Source: &Source{}, Target: &Target{Address: node}, InitialDeliveryCount: Some[uint32](0),
	})
	err := s.await(ctx, w.wake, func() bool { return w.attached && !w.refused })
	return w, err
}

func (w *clientSender) onAttach(p *Attach) {
	w.attached, w.refused, w.remote = true, p.Target == nil, p.Handle
	kick(w.wake)
}

func (w *clientSender) onFlow(p *Flow) {
	w.credit = p.DeliveryCount.Or(0) + p.LinkCredit.Or(0) - w.count
	if int32(w.credit) < 0 {
		w.credit = 0
	}
}

func (w *clientSender) onDisposition(p *Disposition) {
	if p.State.Outcome == OutcomeRejected {
		w.rejected = fmt.Errorf("request rejected: %w", asError(orRejected(p.State.Error), CondNotAllowed))
		w.s.over(w.rejected)
	}
}

func orRejected(e *Error) error {
	if e == nil {
		return Errorf(CondNotAllowed, "without a reason")
	}
	return e
}

// send sends a message that fits one frame.
func (w *clientSender) send(ctx context.Context, payload []byte) error {
	c, s := w.s.conn, w.s
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.await(ctx, w.wake, func() bool { return s.err == nil && w.credit > 0 && s.remoteWindow > 0 }); err != nil {
		return err
	}
	t := &Transfer{Handle: senderHandle, DeliveryID: Some(w.count), DeliveryTag: []byte{byte(w.count)}, MessageFormat: Some[uint32](0), Settled: Some(false)}
	if len(t.Append(nil))+frameHeaderLen+len(payload) > c.frameLimit() {
		return fmt.Errorf("request of %d bytes: it does not fit a frame of the peer's", len(payload))
	}
	w.count++
	w.credit--
	s.nextOutgoingID++
	s.remoteWindow--
	c.enqueue(s.channel, t, payload)
	return nil
}
