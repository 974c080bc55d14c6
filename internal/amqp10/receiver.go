package amqp10

import (
	"context"
	"errors"
	"fmt"
)

const (
	batchMost    = 256       // deliveries that Receive returns at once
	publishMost  = 64        // deliveries that wait for being handed over
	publishBytes = 256 << 10 // their bytes
	firstTypical = 256 << 10 // the size of a message, in bytes, before one has come
	overhead     = 256       // bytes a delivery takes besides its payload, at the most
)

// ErrDrained is returned when all is received that came before a drain.
var ErrDrained = errors.New("link is drained")

// ReceiverConfig says what a Receiver asks for.
type ReceiverConfig struct {
	Source     *Source
	Properties Map
	Desired    []Symbol // capabilities
	// Target names this end, for a peer that is told where to answer. May be empty.
	Target string
	// Settled asks for messages that are settled beforehand. If the peer sends unsettled ones all the same, or if this is
	// false, they are accepted when Receive is called again, all with one disposition.
	Settled bool
	// Credit is the number of messages that may be ahead of the caller: on their way, waiting, or returned by the Receive
	// before. 1 at the least.
	Credit int
	// Bytes bounds these messages in bytes. While there is room for less than Credit messages of the size that came of
	// late, fewer are asked for; what is asked for already is taken back where it is too much. Where the peer sends on, no
	// more is read from the connection at twice as much.
	Bytes int
	// MaxMessageSize is the largest message to take, in bytes. 0, or more than MaxMessageSize: MaxMessageSize.
	MaxMessageSize int
}

// Received is a message of a Receiver. Its payload is for as long as anybody wants it, which is until its Chunk is told otherwise;
// nobody may change it.
type Received struct {
	Payload []byte // encoded sections
	ID      uint32
	Format  uint32 // what the payload is; 0: a message of the standard
	Settled bool   // by the sender, beforehand
	Chunk   *Chunk // that the payload is in, with those before and behind it; nil: it has memory of its own
}

// Receiver is a client's link that receives, with a session of its own.
type Receiver struct {
	conn *Client
	s    *clientSession
	cfg  ReceiverConfig
	name string
	wake chan struct{} // there is a message, an answer, or an end
	room chan struct{} // there is room for more, or an end

	loop incomingClient // of the read loop alone

	// guarded by the line's lock
	attached bool
	refused  bool // the attach has no source: a detach follows
	answer   Attach
	remote   uint32 // the peer's handle
	detached bool   // our detach is sent
	err      error  // why it is over; told behind what has come
	inbox    []Received
	batch    []Received // returned by the Receive before
	held     int        // bytes of both
	typical  int        // size of a message: that of the largest of late
	count    uint32     // deliveries begun by the peer (§2.6.7: delivery-count)
	credit   uint32     // as the peer knows it
	limit    uint32     // delivery-count up to which credit was ever given
	draining bool
}

// incomingClient is what the read loop knows of a receiver.
type incomingClient struct {
	memory   chunks
	assembly []byte // a message of several frames, as far as it has come
	current  Received
	open     bool   // there is a delivery with more to come
	begun    uint32 // deliveries
	pending  []Received
	bytes    int // of pending
	dirty    bool
	over     bool // what comes is dropped
	fault    *Error
}

// Receive attaches a receiver and waits for the peer's answer.
func (c *Client) Receive(ctx context.Context, cfg ReceiverConfig) (*Receiver, error) {
	s, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := s.receive(ctx, cfg)
	if err != nil {
		s.end()
		return nil, err
	}
	return r, nil
}

func (s *clientSession) receive(ctx context.Context, cfg ReceiverConfig) (*Receiver, error) {
	if cfg.MaxMessageSize <= 0 || cfg.MaxMessageSize > MaxMessageSize {
		cfg.MaxMessageSize = MaxMessageSize
	}
	cfg.Credit, cfg.Bytes = max(cfg.Credit, 1), max(cfg.Bytes, 1)
	r := &Receiver{conn: s.conn, s: s, cfg: cfg, name: s.conn.linkName(), typical: firstTypical,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		loop: incomingClient{memory: chunks{home: &s.conn.chunks}}}
	s.receiver = r
	mode := SenderMixed
	if cfg.Settled {
		mode = SenderSettled
	}
	s.enqueue(&Attach{
		Name: r.name, Handle: 0, Role: RoleReceiver, SenderSettleMode: mode, ReceiverSettleMode: ReceiverFirst,
		Source: cfg.Source, Target: &Target{Address: cfg.Target}, MaxMessageSize: uint64(cfg.MaxMessageSize),
		DesiredCapabilities: cfg.Desired, Properties: cfg.Properties,
	})
	if err := r.await(ctx, func() bool { return r.attached && !r.refused }); err != nil {
		return nil, fmt.Errorf("attach receiver: %w", err)
	}
	return r, nil
}

// Answer is the peer's attach.
func (r *Receiver) Answer() *Attach { return &r.answer }

// await waits until ready holds or the link is over.
func (r *Receiver) await(ctx context.Context, ready func() bool) error {
	if err := r.s.await(ctx, r.wake, func() bool { return ready() || r.err != nil }); err != nil {
		return err
	}
	if !ready() {
		return r.err
	}
	return nil
}

// Receive returns the next messages, at least one, as soon as there is one. They are valid until the call after this one; their
// payloads are for longer. One call at a time. The error is of the link's end, told behind all messages; it wraps an
// *Error if the peer gave a reason.
func (r *Receiver) Receive(ctx context.Context) ([]Received, error) {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	r.returnBatch()
	r.grant()
	drained := func() bool { return r.draining && r.credit == 0 }
	if err := r.await(ctx, func() bool { return len(r.inbox) > 0 || drained() }); err != nil {
		return nil, err
	}
	if len(r.inbox) == 0 {
		return nil, ErrDrained
	}
	r.takeBatch()
	return r.batch, nil
}

// takeBatch moves messages from the inbox to the batch, all of them if they are few.
func (r *Receiver) takeBatch() {
	if len(r.inbox) <= batchMost {
		r.inbox, r.batch = r.batch[:0], r.inbox
		return
	}
	r.batch = append(r.batch[:0], r.inbox[:batchMost]...)
	rest := copy(r.inbox, r.inbox[batchMost:])
	clear(r.inbox[rest:])
	r.inbox = r.inbox[:rest]
}

// returnBatch settles what the caller has had, and forgets it.
func (r *Receiver) returnBatch() {
	if len(r.batch) == 0 {
		return
	}
	for i := range r.batch {
		r.held -= len(r.batch[i].Payload) + overhead
	}
	if r.err == nil {
		r.accept(r.batch)
	}
	clear(r.batch)
	r.batch = r.batch[:0]
	kick(r.room)
}

// accept settles deliveries, those with one number after the other at once.
func (r *Receiver) accept(all []Received) {
	for i := 0; i < len(all); i++ {
		if all[i].Settled {
			continue
		}
		first := all[i].ID
		for i+1 < len(all) && !all[i+1].Settled && all[i+1].ID == all[i].ID+1 {
			i++
		}
		r.s.enqueue(&Disposition{Role: RoleReceiver, First: first, Last: Some(all[i].ID), Settled: true, State: State{Outcome: OutcomeAccepted}})
	}
}

// grant gives the peer as much credit as there is room for, once that is worth a frame.
func (r *Receiver) grant() {
	if r.err != nil || r.detached || r.draining || !r.attached {
		return
	}
	want := r.cfg.Credit - len(r.inbox) - len(r.batch)
	if room := (r.cfg.Bytes - r.held) / r.typical; want > room {
		want = room
	}
	switch {
	case r.held == 0:
		want = max(want, 1)
	case want < min(r.cfg.Credit, r.cfg.Bytes/r.typical)/4:
		return
	}
	if want > 0 && uint32(want) > 2*r.credit {
		r.setCredit(uint32(want))
	}
}

func (r *Receiver) setCredit(n uint32) {
	r.credit = n
	if limit := r.count + n; int32(limit-r.limit) > 0 {
		r.limit = limit
	}
	r.s.enqueue(r.flow())
}

func (r *Receiver) flow() *Flow {
	f := r.s.flow()
	f.Handle = Some[uint32](0)
	f.DeliveryCount, f.LinkCredit = Some(r.count), Some(r.credit)
	f.Drain = r.draining
	return f
}

// Drain takes back the credit of messages that are not on their way yet, and waits until the peer has agreed. What has come
// is had from Receive, which returns ErrDrained then. No Receive may be under way.
func (r *Receiver) Drain(ctx context.Context) error {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if !r.draining {
		r.draining = true
		r.s.enqueue(r.flow())
	}
	return r.await(ctx, func() bool { return r.credit == 0 })
}

// Close ends the link and its session, and waits until the peer has agreed or ctx has ended. It drops what was not received;
// what was is accepted. No Receive may be under way.
func (r *Receiver) Close(ctx context.Context) error {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	r.returnBatch()
	if r.attached && !r.detached && r.s.err == nil {
		r.detached = true
		r.s.enqueue(&Detach{Handle: 0, Closed: true})
	}
	r.s.end()
	r.inbox, r.held = nil, 0
	kick(r.room)
	for c.sessions[r.s.channel] == r.s && c.ctx.Err() == nil && ctx.Err() == nil {
		c.mu.Unlock()
		select {
		case <-r.s.wake:
		case <-ctx.Done():
		case <-c.ctx.Done():
		}
		c.mu.Lock()
	}
	if c.sessions[r.s.channel] == r.s {
		return ctx.Err()
	}
	return nil
}

// over ends the link. Messages that have come are still received.
func (r *Receiver) over(err error) {
	if r.err == nil {
		r.err = err
	}
	kick(r.wake)
	kick(r.room)
}
