// Package storetest checks what every checkpoint store promises: one suite for all of them.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
	"azx/internal/supervise"
)

// Subject is a kind of store.
type Subject struct {
	// Open returns an empty store, which ends with the test.
	Open func(t *testing.T) checkpoint.Store
	// Again opens once more what a store keeps, after a crash if it is still open and exclusive. Nil for one that forgets.
	Again func(t *testing.T, s checkpoint.Store) checkpoint.Store
	// Shared says that what Again returns and the first may be used side by side, as two processes do.
	Shared bool
}

// At is the checkpoint of a sequence number in these tests.
func At(sequence int64) delivery.Checkpoint {
	return delivery.Checkpoint{
		Sequence: sequence,
		Offset:   fmt.Sprint(sequence * 100),
		Enqueued: time.Date(2026, 11, 22, 20, 0, 0, int(sequence), time.UTC),
	}
}

// Save saves the checkpoint of a sequence number.
func Save(t *testing.T, s checkpoint.Store, partition string, sequence int64) {
	t.Helper()
	if err := s.Save(t.Context(), partition, At(sequence)); err != nil {
		t.Fatal(err)
	}
}

// Expect looks whether a partition has the checkpoint of a sequence number.
func Expect(t *testing.T, s checkpoint.Store, partition string, sequence int64) {
	t.Helper()
	got, ok, err := s.Load(t.Context(), partition)
	if err != nil || !ok || got != At(sequence) {
		t.Errorf("partition %s: got %+v, %v, %v; want sequence %d", partition, got, ok, err, sequence)
	}
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	checkpoints(t, s)
	ownerships(t, s)
	snapshots(t, s)
	endings(t, s)
	if s.Again != nil {
		again(t, s)
	}
	if s.Shared {
		shared(t, s)
	}
}

func checkpoints(t *testing.T, subject Subject) {
	t.Run("a partition has no checkpoint at first", func(t *testing.T) {
		if got, ok, err := subject.Open(t).Load(t.Context(), "0"); ok || err != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("each partition has its own", func(t *testing.T) {
		s := subject.Open(t)
		Save(t, s, "0", 5)
		Save(t, s, "31", 7)
		Save(t, s, "0", 6)
		Expect(t, s, "0", 6)
		Expect(t, s, "31", 7)
	})
	t.Run("it does not move backwards", func(t *testing.T) {
		s := subject.Open(t)
		Save(t, s, "0", 5)
		if err := s.Save(t.Context(), "0", At(4)); !errors.Is(err, checkpoint.ErrBehind) {
			t.Errorf("got %v", err)
		}
		Save(t, s, "0", 5)
		Expect(t, s, "0", 5)
	})
	t.Run("it is replaced by one before it, and goes on from there", func(t *testing.T) {
		s := subject.Open(t)
		Save(t, s, "0", 5)
		for _, sequence := range []int64{2, 1} {
			if err := s.Replace(t.Context(), "0", At(sequence)); err != nil {
				t.Fatal(err)
			}
			Expect(t, s, "0", sequence)
		}
		Save(t, s, "0", 3)
		Expect(t, s, "0", 3)
		if s.Replace(t.Context(), "../0", At(1)) == nil || s.Replace(t.Context(), "0", delivery.Checkpoint{Sequence: 1}) == nil {
			t.Error("what could not be loaded again was saved")
		}
	})
	t.Run("sequence 0 is a checkpoint like any other", func(t *testing.T) {
		s := subject.Open(t)
		Save(t, s, "0", 0)
		Expect(t, s, "0", 0)
	})
	t.Run("what could not be loaded again is not saved", func(t *testing.T) {
		s := subject.Open(t)
		for _, partition := range []string{"", "../0", "a"} {
			if s.Save(t.Context(), partition, At(1)) == nil {
				t.Errorf("%q passes for a partition", partition)
			}
		}
		if s.Save(t.Context(), "0", delivery.Checkpoint{Sequence: 1}) == nil {
			t.Error("it was saved without an offset")
		}
	})
	t.Run("partitions are saved side by side", func(t *testing.T) {
		s := subject.Open(t)
		g := supervise.New(t.Context())
		for p := range 8 {
			g.Go("save", func(ctx context.Context) error {
				for n := range int64(10) {
					if err := s.Save(ctx, fmt.Sprint(p), At(n)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for p := range 8 {
			Expect(t, s, fmt.Sprint(p), 9)
		}
	})
}

func endings(t *testing.T, subject Subject) {
	t.Run("nothing is stored for a context that has ended", func(t *testing.T) {
		s := subject.Open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Save(ctx, "0", At(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("save: %v", err)
		}
		if err := s.Replace(ctx, "0", At(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("replace: %v", err)
		}
		if _, _, err := s.Claim(ctx, delivery.Ownership{Partition: "0", Owner: "a"}); !errors.Is(err, context.Canceled) {
			t.Errorf("claim: %v", err)
		}
		if _, _, err := s.Load(ctx, "0"); !errors.Is(err, context.Canceled) {
			t.Errorf("load: %v", err)
		}
		if _, _, err := s.Ownerships(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ownerships: %v", err)
		}
		if _, ok, err := s.Load(t.Context(), "0"); ok || err != nil {
			t.Errorf("there is a checkpoint: %v, %v", ok, err)
		}
		if len(owners(t, s)) > 0 {
			t.Error("there is an owner")
		}
	})
	t.Run("a closed store stores nothing", func(t *testing.T) {
		s := subject.Open(t)
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(t.Context(), "0", At(1)); !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("save: %v", err)
		}
		if err := s.Replace(t.Context(), "0", At(1)); !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("replace: %v", err)
		}
		if _, _, err := s.Claim(t.Context(), delivery.Ownership{Partition: "0", Owner: "a"}); !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("claim: %v", err)
		}
	})
}

func again(t *testing.T, subject Subject) {
	t.Run("checkpoints survive a restart and still do not move backwards", func(t *testing.T) {
		s := subject.Open(t)
		Save(t, s, "0", 5)
		Save(t, s, "1", 9)
		s = subject.Again(t, s)
		Expect(t, s, "0", 5)
		Expect(t, s, "1", 9)
		if err := s.Save(t.Context(), "0", At(4)); !errors.Is(err, checkpoint.ErrBehind) {
			t.Errorf("got %v", err)
		}
		Save(t, s, "0", 6)
		Expect(t, subject.Again(t, s), "0", 6)
	})
}
