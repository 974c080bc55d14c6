package ingress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"azx/internal/delivery"
	"azx/internal/message"
)

// wiped is the memory of messages, which is written over when it is used again.
type wiped struct {
	message.Shared
	messages []*message.Message
	times    int
}

func (w *wiped) Reuse() {
	w.times++
	for _, m := range w.messages {
		clear(m.Body)
	}
}

// inGroups gives messages a few at a time that share memory, and then ends.
type inGroups struct{ groups []*wiped }

var errNoMore = errors.New("no more messages")

func (s *inGroups) Receive(context.Context) (batch []*message.Message, err error) {
	for range min(2, len(s.groups)) {
		batch = append(batch, s.groups[0].messages...)
		s.groups = s.groups[1:]
	}
	if len(batch) == 0 {
		err = errNoMore
	}
	return batch, err
}

func (s *inGroups) Close() error { return nil }

// Whatever becomes of messages, in whatever order: memory is used again if all in it were delivered, and only then; and what is put
// aside, or told to others, stays as it was.
func TestMemoryIsUsedAgainOnlyIfNobodyMayLookAtAMessageInIt(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			outcomes := []delivery.Outcome{{Kind: delivery.Accepted}, {Kind: delivery.Accepted}, {Kind: delivery.Accepted},
				{Kind: delivery.Refused, Reason: "wrong-type", Err: errors.New("no")}, {Kind: delivery.NoThing}, {Kind: delivery.Nothing}, {Kind: delivery.Unwanted}}
			r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome { return nil })
			twins := &fakeTwins{}
			pump := r.flow.Pump
			pump.Tracker, pump.Twins = delivery.NewTracker(), twins
			body := func(sequence int64) string { return fmt.Sprintf(`{"n":%d}`, 100+sequence) }
			source, wantAgain := &inGroups{}, map[*wiped]int{}
			next := int64(0)
			for range 30 {
				g := &wiped{Shared: message.Shared{Size: 100}}
				g.Owner = g
				wantAgain[g] = 1
				for range 1 + random.IntN(4) {
					m := msg(next, fmt.Sprint("device", next), body(next))
					if next++; random.IntN(10) == 0 {
						m.Source, wantAgain[g] = message.SourceTwinChanges, 0
					}
					m.Shared = &g.Shared
					g.messages = append(g.messages, m)
				}
				source.groups = append(source.groups, g)
			}
			aside, cancel := context.WithCancel(t.Context())
			stored := make(chan error, 1)
			go func() { stored <- r.aside.Run(aside) }()
			if err := pump.Run(t.Context(), source); !errors.Is(err, errNoMore) {
				t.Fatal(err)
			}
			owner := map[*message.Shared]*wiped{}
			for g := range wantAgain {
				owner[&g.Shared] = g
			}
			waiting := r.writer.seen
			random.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
			for _, q := range waiting {
				o := outcomes[random.IntN(len(outcomes))]
				if o.Kind != delivery.Accepted {
					wantAgain[owner[q.Message.Shared]] = 0
				}
				q.Settle(o)
			}
			synctest.Wait()
			cancel()
			if err := <-stored; err != nil {
				t.Fatal(err)
			}
			for g, want := range wantAgain {
				if g.times != want {
					t.Errorf("seed %d: memory of %d messages was used again %d times, want %d", seed, len(g.messages), g.times, want)
				}
			}
			put := slices.Clone(twins.changes)
			for _, d := range r.quarantine.dead {
				put = append(put, d.Message)
			}
			for _, kept := range r.shelf.kept {
				put = append(put, kept...)
			}
			for _, m := range put {
				if string(m.Body) != body(m.Sequence) {
					t.Errorf("seed %d: message %d was put aside as %q", seed, m.Sequence, m.Body)
				}
			}
			if left := pump.Tracker.Counts().InFlight; left != 0 || !pump.Budget.free.TryAcquire(pump.Budget.limit) {
				t.Errorf("seed %d: %d messages are in flight, and not all of the memory is free", seed, left)
			}
		})
	}
}

func TestWhatCarriedDeliveredMessagesCarriesThoseThatHaveTheirMemoryNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome { return nil })
		pump := r.flow.Pump
		pump.Tracker = delivery.NewTracker()
		g := &wiped{Shared: message.Shared{Size: 100}}
		g.Owner = g
		var carriers []*delivery.Queued
		for n := range int64(3) {
			m := msg(n, fmt.Sprint("device", n), `{"n":1}`)
			m.Shared = &g.Shared
			source := &inGroups{groups: []*wiped{{messages: []*message.Message{m}}}}
			if err := pump.Run(t.Context(), source); !errors.Is(err, errNoMore) {
				t.Fatal(err)
			}
			q := r.writer.seen[n]
			if q.Message != m || q.OnlyNewer || q.Act != nil {
				t.Errorf("message %d is carried as %+v", n, q)
			}
			q.OnlyNewer = true // what is said of one is not said of the next
			q.Settle(delivery.Outcome{})
			carriers = append(carriers, q)
		}
		if carriers[0] != carriers[1] || carriers[1] != carriers[2] {
			t.Error("each message was carried by new memory")
		}
		if c := pump.Tracker.Counts(); c.Delivered != 3 || c.InFlight != 0 {
			t.Errorf("the account is %+v", c)
		}
	})
}

// The budget is one for all hubs: what a hub that pauses has at hand must not keep the others from reading.
func TestWhileReadingPausesNextToNoMemoryIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome {
			return &delivery.Outcome{Kind: delivery.Refused, Reason: "rejected"}
		})
		pump := r.flow.Pump
		pump.Tracker, pump.Trip = delivery.NewTracker(), newTrip(20, &told)
		refuse(pump.Trip, 20, 10)
		source := &inGroups{}
		for n := range int64(3) {
			m := msg(n, "large", `{"n":1}`)
			m.Shared = &message.Shared{Size: int(pump.Budget.limit)}
			source.groups = append(source.groups, &wiped{messages: []*message.Message{m}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- pump.Run(ctx, source) }()
		synctest.Wait()
		if pump.Budget.free.TryAcquire(pump.Budget.limit) {
			pump.Budget.free.Release(pump.Budget.limit)
		} else {
			t.Error("a hub whose reading pauses holds memory")
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}
