package checkpoint_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/storetest"
	"azx/internal/delivery"
	"azx/internal/fault"
)

// failing is a store that cannot be read a number of times.
type failing struct {
	checkpoint.Store
	times int
	err   error
	tries int
}

func (f *failing) fails() error {
	if f.tries++; f.tries <= f.times {
		return f.err
	}
	return nil
}

func (f *failing) Load(ctx context.Context, partition string) (delivery.Checkpoint, bool, error) {
	if err := f.fails(); err != nil {
		return delivery.Checkpoint{}, false, err
	}
	return f.Store.Load(ctx, partition)
}

func (f *failing) Ownerships(ctx context.Context) ([]delivery.Ownership, time.Time, error) {
	if err := f.fails(); err != nil {
		return nil, time.Time{}, err
	}
	return f.Store.Ownerships(ctx)
}

func classed(class fault.Class) error {
	return &fault.Problem{Op: "read", Class: class, Cause: errors.New("503")}
}

func TestAStoreIsReadUntilItCanBe(t *testing.T) {
	for _, class := range []fault.Class{fault.Transient, fault.Credential} {
		synctest.Test(t, func(t *testing.T) {
			inner := &failing{Store: memory(t), times: 20, err: classed(class)}
			heard := 0
			s := checkpoint.Retry{Store: inner, Waiting: func(error) { heard++ }}
			began := time.Now()
			if _, found, err := s.Load(t.Context(), "0"); found || err != nil {
				t.Errorf("got %v, %v", found, err)
			}
			// Five minutes of outage are 20 tries, not thousands.
			if took := time.Since(began); heard != 20 || took < 90*time.Second || took > 5*time.Minute {
				t.Errorf("%d tries in %s", heard, took)
			}
			inner.tries = 15
			if _, _, err := s.Ownerships(t.Context()); err != nil || heard != 25 {
				t.Errorf("got %v after %d", err, heard)
			}
		})
	}
}

func TestWhatNoRepetitionMendsIsToldAtOnce(t *testing.T) {
	for _, class := range []fault.Class{fault.Fatal, fault.Rejected} {
		s := checkpoint.Retry{Store: &failing{Store: memory(t), times: 1, err: classed(class)}}
		if _, _, err := s.Load(t.Context(), "0"); fault.ClassOf(err) != class {
			t.Errorf("got %v", err)
		}
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := checkpoint.Retry{Store: &failing{times: 1e6, err: classed(fault.Transient)}}
		_, _, err := s.Ownerships(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "503") {
			t.Errorf("got %v", err)
		}
	})
}

// lease is held until it is older than a minute.
type lease struct{ renewed time.Time }

var errStale = errors.New("the lease is old")

func (l *lease) Held(partition string) error {
	if partition != "0" || time.Since(l.renewed) > time.Minute {
		return errStale
	}
	return nil
}

func TestNothingIsSavedWithoutAFreshLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &lease{renewed: time.Now()}
		s := checkpoint.Fence{Store: memory(t), Lease: held}
		storetest.Save(t, s, "0", 5)
		if err := s.Save(t.Context(), "1", storetest.At(5)); !errors.Is(err, errStale) {
			t.Errorf("another partition: %v", err)
		}
		pause, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // as a process that was stopped
		defer cancel()
		<-pause.Done()
		if err := s.Save(t.Context(), "0", storetest.At(6)); !errors.Is(err, errStale) {
			t.Errorf("got %v", err)
		}
		if err := s.Replace(t.Context(), "0", storetest.At(4)); !errors.Is(err, errStale) {
			t.Errorf("replace: %v", err)
		}
		storetest.Expect(t, s, "0", 5)
		held.renewed = time.Now()
		storetest.Save(t, s, "0", 6)
	})
}
