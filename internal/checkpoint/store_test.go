package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/delivery"
	"azx/internal/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(sequence int64) delivery.Checkpoint {
	return delivery.Checkpoint{
		Sequence: sequence,
		Offset:   fmt.Sprint(sequence * 100),
		Enqueued: time.Date(2026, 11, 22, 20, 0, 0, int(sequence), time.UTC),
	}
}

func save(t *testing.T, s Store, partition string, sequence int64) {
	t.Helper()
	if err := s.Save(t.Context(), partition, at(sequence)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, s Store, partition string, sequence int64) {
	t.Helper()
	got, ok, err := s.Load(partition)
	if err != nil || !ok || got != at(sequence) {
		t.Errorf("partition %s: got %+v, %v, %v; want sequence %d", partition, got, ok, err, sequence)
	}
}

// conform runs what every Store promises. Reopen is what a restart does to the store; it returns nil
// for one that forgets.
func conform(t *testing.T, open func(t *testing.T) Store, reopen func(t *testing.T, s Store) Store) {
	t.Run("a partition has no checkpoint at first", func(t *testing.T) {
		if got, ok, err := open(t).Load("0"); ok || err != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("each partition has its own", func(t *testing.T) {
		s := open(t)
		save(t, s, "0", 5)
		save(t, s, "31", 7)
		save(t, s, "0", 6)
		expect(t, s, "0", 6)
		expect(t, s, "31", 7)
	})
	t.Run("it does not move backwards", func(t *testing.T) {
		s := open(t)
		save(t, s, "0", 5)
		if err := s.Save(t.Context(), "0", at(4)); !errors.Is(err, ErrBehind) {
			t.Errorf("got %v", err)
		}
		save(t, s, "0", 5)
		expect(t, s, "0", 5)
	})
	t.Run("sequence 0 is a checkpoint like any other", func(t *testing.T) {
		s := open(t)
		save(t, s, "0", 0)
		expect(t, s, "0", 0)
	})
	t.Run("nothing is saved for a context that has ended", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Save(ctx, "0", at(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, ok, _ := s.Load("0"); ok {
			t.Error("it was saved")
		}
	})
	t.Run("a closed store saves nothing", func(t *testing.T) {
		s := open(t)
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(t.Context(), "0", at(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("partitions are saved side by side", func(t *testing.T) {
		s := open(t)
		g := supervise.New(t.Context())
		for p := range 8 {
			g.Go("save", func(ctx context.Context) error {
				for n := range int64(10) {
					if err := s.Save(ctx, fmt.Sprint(p), at(n)); err != nil {
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
			expect(t, s, fmt.Sprint(p), 9)
		}
	})
	if reopen == nil {
		return
	}
	t.Run("checkpoints survive a restart and still do not move backwards", func(t *testing.T) {
		s := open(t)
		save(t, s, "0", 5)
		save(t, s, "1", 9)
		s = reopen(t, s)
		expect(t, s, "0", 5)
		expect(t, s, "1", 9)
		if err := s.Save(t.Context(), "0", at(4)); !errors.Is(err, ErrBehind) {
			t.Errorf("got %v", err)
		}
		save(t, s, "0", 6)
		expect(t, reopen(t, s), "0", 6)
	})
}

func TestMemoryConforms(t *testing.T) {
	conform(t, func(*testing.T) Store { return NewMemory() }, nil)
}

func TestFileConforms(t *testing.T) {
	open := func(t *testing.T, dir string) Store {
		f, err := OpenFile(dir, plant, "azx-1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	dirs := map[Store]string{}
	conform(t,
		func(t *testing.T) Store {
			dir := t.TempDir()
			s := open(t, dir)
			dirs[s] = dir
			return s
		},
		func(t *testing.T, s Store) Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, dirs[s])
			dirs[again] = dirs[s]
			return again
		})
}
