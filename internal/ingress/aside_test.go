package ingress

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/message"
)

// forgetful notes what it is told to forget, as long as it is not broken off.
type forgetful struct {
	Shelf
	upTo  map[string]uint64
	calls int
}

func (f *forgetful) Forget(ctx context.Context, thing string, upTo uint64) error {
	f.calls++
	f.upTo[thing] = upTo
	return ctx.Err()
}

func TestWhatWasWrittenIsForgottenAlsoAtAStopAndInOneStepForEachThing(t *testing.T) {
	shelf := &forgetful{upTo: map[string]uint64{}}
	a := NewAside(nil, shelf, KeepUnknown, nil, nil, slog.New(slog.DiscardHandler))
	for id := range uint64(10) {
		a.add(task{dead: Dead{Message: &message.Message{}, Thing: "a"}, kept: id + 1, do: forget})
	}
	a.add(task{dead: Dead{Message: &message.Message{}, Thing: "b"}, kept: 5, do: forget})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the stop comes before the first of them
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if want := map[string]uint64{"a": 10, "b": 5}; !maps.Equal(shelf.upTo, want) || shelf.calls != 2 {
		t.Errorf("forgot up to %v in %d calls", shelf.upTo, shelf.calls)
	}
	if err := a.Failing(); err != nil {
		t.Errorf("failing: %v", err)
	}
}

func TestAQuarantineThatHasRoomForSomeStoresEachOnceAndSettlesNoneBeforeTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &fakeQuarantine{err: errors.New("disk full"), room: 3}
		a := NewAside(full, nil, KeepUnknown, nil, nil, slog.New(slog.DiscardHandler))
		settled := 0
		for i := range int64(10) {
			a.add(task{dead: Dead{Message: msg(i, "a", `no JSON`)}, do: quarantine, then: func() { settled++ }})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		elapse(time.Minute)
		if len(full.dead) != 3 || settled != 0 {
			t.Errorf("with room for three: %d are stored and %d settled, want 3 and 0", len(full.dead), settled)
		}
		full.heal()
		elapse(time.Minute)
		for n, d := range full.dead {
			if d.Sequence != int64(n) {
				t.Fatalf("message %d is stored as number %d", d.Sequence, n)
			}
		}
		if len(full.dead) != 10 || settled != 10 {
			t.Errorf("after the disk is free: %d are stored and %d settled, want 10 and 10", len(full.dead), settled)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
