package ingress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/internal/decode"
	"azx/internal/delivery"
	"azx/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHub is a log of messages that a source reads from a position on; failAt cuts a source once.
type fakeHub struct {
	mu      sync.Mutex
	log     []*message.Message
	opened  []string // positions
	failAt  int64
	err     error // of a source that is cut
	refuse  int   // so many sources fail at their first Receive
	unknown int64 // offsets from this sequence on are not known; 0: all are
	silent  bool  // sources wait although there are messages
	arrived chan struct{}
}

func newHub(messages ...*message.Message) *fakeHub {
	return &fakeHub{log: messages, failAt: -1, arrived: make(chan struct{}, 1)}
}

func (h *fakeHub) Open(_ context.Context, _ string, from delivery.Start) (Source, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = append(h.opened, from.String())
	s := &fakeSource{hub: h}
	switch {
	case from.After != nil && h.unknown > 0 && from.After.Sequence >= h.unknown:
		return nil, fmt.Errorf("refused: %w", delivery.ErrPosition)
	case from.After != nil:
		s.next = from.After.Sequence + 1
	case !from.From.IsZero():
		s.next = int64(slices.IndexFunc(h.log, func(m *message.Message) bool { return !m.Enqueued.Before(from.From) }))
	}
	return s, nil
}

type fakeSource struct {
	hub  *fakeHub
	next int64
}

func (s *fakeSource) Receive(ctx context.Context) ([]*message.Message, error) {
	for {
		s.hub.mu.Lock()
		if s.hub.refuse > 0 {
			s.hub.refuse--
			s.hub.mu.Unlock()
			return nil, errors.New("connection refused")
		}
		if s.hub.failAt >= 0 && s.next >= s.hub.failAt {
			s.hub.failAt = -1
			s.hub.mu.Unlock()
			return nil, cmp.Or(s.hub.err, errors.New("link lost"))
		}
		for s.next < int64(len(s.hub.log)) && s.hub.log[s.next] == nil { // not kept any more
			s.next++
		}
		if s.next < int64(len(s.hub.log)) && !s.hub.silent {
			m := s.hub.log[s.next]
			s.next++
			s.hub.mu.Unlock()
			return []*message.Message{m}, nil
		}
		s.hub.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.hub.arrived:
		}
	}
}

func (s *fakeSource) Close() error { return nil }

// fakeWriter refuses bodies that cannot be read, and decides each other message's outcome by the given function; nil holds it open.
type fakeWriter struct {
	mu      sync.Mutex
	outcome func(*delivery.Queued) *delivery.Outcome
	seen    []*delivery.Queued

	forgotten int // Things, by a replay
	hurried   int
}

func (w *fakeWriter) Hurry() { w.mu.Lock(); w.hurried++; w.mu.Unlock() }

func (w *fakeWriter) Write(q *delivery.Queued) {
	w.mu.Lock()
	w.seen = append(w.seen, q)
	var o *delivery.Outcome
	if _, err := decode.Body(q.Message); err != nil && q.Act == nil {
		o = &delivery.Outcome{Kind: delivery.Refused, Reason: delivery.Undecodable, Err: err}
	} else {
		o = w.outcome(q)
	}
	w.mu.Unlock()
	if o != nil {
		q.Settle(*o)
	}
}

func (w *fakeWriter) sequences() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s []int64
	for _, q := range w.seen {
		s = append(s, q.Message.Sequence)
	}
	return s
}

func accept(*delivery.Queued) *delivery.Outcome { return &delivery.Outcome{} }

// fakeQuarantine remembers; while err is set it fails, and takes no more than there is room for.
type fakeQuarantine struct {
	mu   sync.Mutex
	err  error
	room int
	dead []Dead
}

func (q *fakeQuarantine) Put(_ context.Context, dead []Dead) (stored int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil || len(dead) <= q.room {
		q.dead = append(q.dead, dead...)
		q.room = max(0, q.room-len(dead))
		return len(dead), nil
	}
	stored, q.room = q.room, 0
	q.dead = append(q.dead, dead[:stored]...)
	return stored, q.err
}

func (q *fakeQuarantine) heal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = nil
}

func (q *fakeQuarantine) reasons() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var r []string
	for _, d := range q.dead {
		r = append(r, fmt.Sprintf("%d %s/%s", d.Sequence, d.Stage, d.Reason))
	}
	return r
}

// fakeShelf keeps the last two messages of a Thing.
type fakeShelf struct {
	mu   sync.Mutex
	kept map[string][]*message.Message
}

func (s *fakeShelf) Keep(_ context.Context, dead []Dead) (evicted int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range dead {
		s.kept[d.Thing] = append(s.kept[d.Thing], d.Message)
		if n := len(s.kept[d.Thing]); n > 2 {
			s.kept[d.Thing] = s.kept[d.Thing][n-2:]
			evicted++
		}
	}
	return evicted, nil
}

func (s *fakeShelf) Kept(thing string) ([]Kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []Kept
	for _, m := range s.kept[thing] {
		kept = append(kept, Kept{Message: m, ID: uint64(m.Sequence)})
	}
	return kept, nil
}

func (s *fakeShelf) Forget(_ context.Context, thing string, upTo uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[thing] = slices.DeleteFunc(s.kept[thing], func(k *message.Message) bool { return uint64(k.Sequence) <= upTo })
	return nil
}

// fakeTwins keeps what it is told.
type fakeTwins struct{ changes []*message.Message }

func (f *fakeTwins) Changed(m *message.Message) { f.changes = append(f.changes, m) }

// fakeMeter counts endings by reason.
type fakeMeter struct {
	mu    sync.Mutex
	ended map[string]int
}

func (m *fakeMeter) Ended(_, _ string, result delivery.Result, reason string) {
	m.add(result.String() + " " + reason)
}
func (m *fakeMeter) Evicted(_ string, n int)         { m.add(fmt.Sprintf("evicted %d", n)) }
func (m *fakeMeter) TimeReplaced(string)             { m.add("time replaced") }
func (m *fakeMeter) ReceiveFailed(string, string)    { m.add("receive failed") }
func (m *fakeMeter) CheckpointFailed(string, string) { m.add("checkpoint failed") }
func (m *fakeMeter) PositionUnknown(string, string)  { m.add("position unknown") }
func (m *fakeMeter) Missed(_, _ string, n int64)     { m.add(fmt.Sprintf("missed %d", n)) }
func (m *fakeMeter) Stalled(string, string)          { m.add("stalled") }
func (m *fakeMeter) add(what string)                 { m.mu.Lock(); m.ended[what]++; m.mu.Unlock() }
func (m *fakeMeter) count(what string) int           { m.mu.Lock(); defer m.mu.Unlock(); return m.ended[what] }

// fakeStore remembers every checkpoint. While err is set it fails, while unread is set it cannot be read.
type fakeStore struct {
	mu     sync.Mutex
	at     *delivery.Checkpoint
	saved  []int64
	err    error
	unread error
}

var errBehind = errors.New("behind")

func (s *fakeStore) Load(context.Context, string) (at delivery.Checkpoint, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unread == nil && s.at != nil {
		at, found = *s.at, true
	}
	return at, found, s.unread
}

func (s *fakeStore) Save(ctx context.Context, partition string, at delivery.Checkpoint) error {
	s.mu.Lock()
	behind := s.at != nil && at.Sequence < s.at.Sequence
	s.mu.Unlock()
	if behind {
		return errBehind
	}
	return s.Replace(ctx, partition, at)
}

func (s *fakeStore) Replace(_ context.Context, _ string, at delivery.Checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.saved = append(s.saved, at.Sequence)
		s.at = &at
	}
	return s.err
}

func (s *fakeStore) with(change func()) { s.mu.Lock(); defer s.mu.Unlock(); change() }

// fakeLeases grant a partition each time that a test says so.
type fakeLeases struct {
	grant    chan struct{}
	stale    atomic.Bool // what was acquired is not fresh any more
	mu       sync.Mutex
	lose     context.CancelCauseFunc
	doubts   int
	released []string // what was stored last at each release
	store    *fakeStore
}

func (l *fakeLeases) Acquire(ctx context.Context, _ string) (context.Context, error) {
	select {
	case <-l.grant:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	reading, lose := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = lose
	return reading, nil
}

func (l *fakeLeases) Fresh(string) func() bool { return func() bool { return !l.stale.Load() } }

func (l *fakeLeases) Doubt() { l.mu.Lock(); l.doubts++; l.mu.Unlock() }

func (l *fakeLeases) Release(_ context.Context, partition string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = append(l.released, fmt.Sprintf("%s at %d", partition, l.store.last()))
	return nil
}

// take gives the partition to another connector.
func (l *fakeLeases) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose(errors.New("another connector reads it"))
}

func (s *fakeStore) last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.saved) == 0 {
		return -1
	}
	return s.saved[len(s.saved)-1]
}

// rig is a flow of one partition on fakes.
type rig struct {
	flow       *Flow
	hub        *fakeHub
	writer     *fakeWriter
	quarantine *fakeQuarantine
	shelf      *fakeShelf
	meter      *fakeMeter
	store      *fakeStore
	aside      *Aside
}

func newRig(unknown UnknownThing, outcome func(*delivery.Queued) *delivery.Outcome, messages ...*message.Message) *rig {
	r := &rig{
		hub: newHub(messages...), writer: &fakeWriter{outcome: outcome}, quarantine: &fakeQuarantine{},
		shelf: &fakeShelf{kept: map[string][]*message.Message{}}, meter: &fakeMeter{ended: map[string]int{}}, store: &fakeStore{},
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	translator := &Translator{Names: &Names{}, Meter: r.meter}
	r.aside = NewAside(r.quarantine, r.shelf, unknown, translator, r.meter, log)
	r.flow = &Flow{
		Hub: r.hub, HubThing: "Hub", Partitions: []*Partition{{ID: "0"}}, Checkpoints: r.store, Leases: Alone{},
		Pump:         Pump{Budget: NewBudget(1 << 20), Translator: translator, Writer: r.writer, Aside: r.aside, Meter: r.meter},
		SaveInterval: time.Second, DrainTimeout: 5 * time.Second, Meter: r.meter, Log: log,
	}
	return r
}

func (r *rig) counts() delivery.Counts { return r.flow.Partitions[0].View().Counts }

// lend has a test decide when the partition is the rig's.
func (r *rig) lend() *fakeLeases {
	l := &fakeLeases{grant: make(chan struct{}), store: r.store}
	r.flow.Leases = l
	return l
}

// start runs flow and aside; stop ends first the one, then the other, as the connector does.
func (r *rig) start(t *testing.T) (stop func()) {
	ctx, cancelFlow := context.WithCancel(t.Context())
	aside, cancelAside := context.WithCancel(t.Context())
	var flow, store sync.WaitGroup
	flow.Go(func() {
		if err := r.flow.Run(ctx); err != nil && r.store.err == nil {
			t.Errorf("flow: %v", err)
		}
	})
	store.Go(func() { r.aside.Run(aside) })
	return func() {
		cancelFlow()
		flow.Wait()
		cancelAside()
		store.Wait()
	}
}

func msg(sequence int64, device, body string) *message.Message {
	return &message.Message{
		Hub: "Hub", Partition: "0", Sequence: sequence, Offset: fmt.Sprint(sequence * 100), DeviceID: device,
		Enqueued: time.Date(2026, 11, 22, 12, 0, int(sequence), 0, time.UTC), Source: message.SourceTelemetry, Body: []byte(body),
	}
}

// elapse lets d of a test's fake time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
