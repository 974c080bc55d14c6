package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"azx/internal/checkpoint"
)

func saveSnapshot(t *testing.T, s checkpoint.Store, partition, text string) {
	t.Helper()
	if err := s.SaveSnapshot(t.Context(), partition, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func expectSnapshot(t *testing.T, s checkpoint.Store, partition, text string) {
	t.Helper()
	got, err := s.LoadSnapshot(t.Context(), partition)
	if err != nil || !bytes.Equal(got, []byte(text)) {
		t.Errorf("partition %s: got %q, %v; want %q", partition, got, err, text)
	}
}

func snapshots(t *testing.T, subject Subject) {
	t.Run("a partition has no snapshot at first", func(t *testing.T) {
		if got, err := subject.Open(t).LoadSnapshot(t.Context(), "0"); got != nil || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("each partition has its own snapshot, and the checkpoint beside it stays", func(t *testing.T) {
		s := subject.Open(t)
		Save(t, s, "0", 5)
		saveSnapshot(t, s, "0", "a")
		saveSnapshot(t, s, "1", "b")
		saveSnapshot(t, s, "0", "c\x00")
		expectSnapshot(t, s, "0", "c\x00")
		expectSnapshot(t, s, "1", "b")
		Expect(t, s, "0", 5)
		if _, ok, err := s.Load(t.Context(), "1"); ok || err != nil {
			t.Errorf("a snapshot passes for a checkpoint: %v", err)
		}
	})
	t.Run("no snapshot is stored where it does not belong, for a context that has ended, or after the end", func(t *testing.T) {
		s := subject.Open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.SaveSnapshot(ctx, "0", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if s.SaveSnapshot(t.Context(), "../0", nil) == nil {
			t.Error("a path passes for a partition")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveSnapshot(t.Context(), "0", nil); !errors.Is(err, checkpoint.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
	if subject.Again != nil {
		t.Run("snapshots survive a restart", func(t *testing.T) {
			s := subject.Open(t)
			saveSnapshot(t, s, "0", "a")
			s = subject.Again(t, s)
			expectSnapshot(t, s, "0", "a")
			saveSnapshot(t, s, "0", "b")
			expectSnapshot(t, subject.Again(t, s), "0", "b")
		})
	}
	if subject.Shared {
		t.Run("whoever has loaded a snapshot last may replace it, and nobody else", func(t *testing.T) {
			one := subject.Open(t)
			saveSnapshot(t, one, "0", "a")
			other := subject.Again(t, one)
			expectSnapshot(t, other, "0", "a")
			saveSnapshot(t, other, "0", "b")
			expectSnapshot(t, subject.Again(t, other), "0", "b")
			if other == one { // of one process only
				return
			}
			if one.SaveSnapshot(t.Context(), "0", []byte("stale")) == nil {
				t.Error("a stale owner has replaced it")
			}
			expectSnapshot(t, other, "0", "b")
			saveSnapshot(t, other, "0", "c")
		})
	}
}
