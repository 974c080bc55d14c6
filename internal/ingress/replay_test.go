package ingress

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"azx/internal/delivery"
	"azx/internal/message"
)

// fakeArchive remembers what has become of messages.
type fakeArchive struct {
	err   error
	ended []Replayed
}

func (a *fakeArchive) Settle(_ context.Context, ended []Replayed) error {
	if a.err == nil {
		a.ended = append(a.ended, ended...)
	}
	return a.err
}

// archived are messages with these bodies, of one device.
func archived(bodies ...string) iter.Seq2[Archived, error] {
	return func(yield func(Archived, error) bool) {
		for i, body := range bodies {
			m := &message.Message{Hub: "Hub", Partition: "0", Sequence: int64(i), DeviceID: "pump", Body: []byte(body)}
			if !yield(Archived{m, uint64(i + 1)}, nil) {
				return
			}
		}
	}
}

func newReplay(outcome func(*delivery.Queued) *delivery.Outcome) (Replay, *fakeWriter, *fakeArchive) {
	w, a := &fakeWriter{outcome: outcome}, &fakeArchive{}
	way := Way{
		Translator: &Translator{Names: &Names{}, Meter: &fakeMeter{}}, Writer: w, Forget: func(string) { w.forgotten++ },
		Held: func() bool { return true },
	}
	return Replay{Archive: a, Way: func(m *message.Message) (Way, bool) { return way, m.Sequence != 3 }}, w, a
}

func TestAReplayWritesInOrderAndNotesWhatBecameOfEachMessage(t *testing.T) {
	r, w, a := newReplay(func(q *delivery.Queued) *delivery.Outcome {
		if !q.OnlyNewer {
			t.Error("a message may replace newer values")
		}
		return []*delivery.Outcome{{}, {Kind: delivery.Superseded}, {Kind: delivery.Nothing, Reason: "no-property"}, nil, {Kind: delivery.NoThing, Reason: "no-thing"}, nil, {Kind: delivery.Unwanted}}[q.Message.Sequence]
	})
	tally, err := r.Run(t.Context(), archived(`{"a":1}`, `{"a":2}`, `{"a":3}`, `{"a":4}`, `{"a":5}`, `{`, `{"a":7}`))
	want := ReplayTally{Delivered: 1, Superseded: 1, Elsewhere: 2, Refused: map[string]int{"no-property": 1, "no-thing": 1, "undecodable": 1}}
	if err != nil || !reflect.DeepEqual(tally, want) {
		t.Errorf("got %+v, %v, want %+v", tally, err, want)
	}
	if w.forgotten != 1 {
		t.Errorf("the Thing was forgotten %d times", w.forgotten)
	}
	if got := w.sequences(); !slices.Equal(got, []int64{0, 1, 2, 4, 5, 6}) {
		t.Errorf("written %v", got)
	}
	for _, e := range a.ended {
		if e.Kind != delivery.Accepted && e.Kind != delivery.Superseded && e.Kind != delivery.NoThing && e.Kind != delivery.Unwanted && e.Err == nil {
			t.Errorf("record %d stays, and nobody says why", e.ID)
		}
	}
	if len(a.ended) != 6 {
		t.Errorf("settled %d", len(a.ended))
	}
}

func TestAReplayHasABoundedNumberInFlightAndGoesOnAsTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, _ := newReplay(func(*delivery.Queued) *delivery.Outcome { return nil })
		way, _ := r.Way(&message.Message{})
		r.Way = func(*message.Message) (Way, bool) { return way, true }
		bodies := slices.Repeat([]string{`{"a":1}`}, replayMessages+1)
		ended := make(chan ReplayTally)
		go func() {
			tally, _ := r.Run(t.Context(), archived(bodies...))
			ended <- tally
		}()
		synctest.Wait()
		if n := len(w.sequences()); n != replayMessages {
			t.Fatalf("%d in flight", n)
		}
		w.seen[5].Settle(delivery.Outcome{})
		synctest.Wait()
		if n := len(w.sequences()); n != replayMessages+1 {
			t.Fatalf("%d were begun", n)
		}
		for i, q := range w.seen {
			if i != 5 {
				q.Settle(delivery.Outcome{})
			}
		}
		if tally := <-ended; tally.Delivered != replayMessages+1 {
			t.Errorf("got %+v", tally)
		}
	})
}

func TestAReplayThatIsBrokenOffBeginsNoMoreAndWaitsForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, a := newReplay(func(*delivery.Queued) *delivery.Outcome { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan ReplayTally)
		go func() {
			tally, err := r.Run(ctx, archived(`{"a":1}`, `{"a":2}`))
			if err == nil {
				t.Error("it says nothing of what is unfinished")
			}
			ended <- tally
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		w.seen[0].Settle(delivery.Outcome{})
		if tally := <-ended; tally.Delivered != 1 || tally.Unfinished != 1 || len(a.ended) != 1 {
			t.Errorf("got %+v", tally)
		}
		w.seen[1].Settle(delivery.Outcome{}) // too late, and nobody is held up
	})
}

func TestAReplayEndsWhenTheArchiveCannotBeWritten(t *testing.T) {
	r, _, a := newReplay(accept)
	a.err = errors.New("read-only")
	tally, err := r.Run(t.Context(), archived(`{"a":1}`))
	if !errors.Is(err, a.err) || tally.Delivered != 0 || tally.Unfinished != 1 {
		t.Errorf("got %+v, %v", tally, err)
	}
}
