package ingress

import (
	"context"
	"log/slog"
	"maps"
	"testing"

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
