package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
	"azx/internal/supervise"
)

// owners returns the ownerships by partition.
func owners(t *testing.T, s checkpoint.Store) map[string]delivery.Ownership {
	t.Helper()
	list, now, err := s.Ownerships(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]delivery.Ownership{}
	for _, o := range list {
		// A service counts in seconds.
		if age := now.Sub(o.Renewed); o.Version == "" || age < -2*time.Second || age > time.Minute {
			t.Errorf("%+v at %s", o, now)
		}
		all[o.Partition] = o
	}
	return all
}

// claim claims a partition of which the record has a version.
func claim(t *testing.T, s checkpoint.Store, partition, owner, version string) (delivery.Ownership, bool) {
	t.Helper()
	got, ok, err := s.Claim(t.Context(), delivery.Ownership{Partition: partition, Owner: owner, Version: version})
	if err != nil {
		t.Fatal(err)
	}
	return got, ok
}

// mustClaim is a claim that has to work.
func mustClaim(t *testing.T, s checkpoint.Store, partition, owner, version string) delivery.Ownership {
	t.Helper()
	got, ok := claim(t, s, partition, owner, version)
	if !ok || got.Partition != partition || got.Owner != owner || got.Version == "" || got.Version == version || got.Renewed.IsZero() {
		t.Fatalf("got %+v, %v", got, ok)
	}
	return got
}

func ownerships(t *testing.T, subject Subject) {
	t.Run("nobody owns a partition at first", func(t *testing.T) {
		if got := owners(t, subject.Open(t)); len(got) > 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a claim is seen as it was answered", func(t *testing.T) {
		s := subject.Open(t)
		first, second := mustClaim(t, s, "0", "a", ""), mustClaim(t, s, "31", "b", "")
		got := owners(t, s)
		if len(got) != 2 || !same(got["0"], first) || !same(got["31"], second) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("an owner renews, another one takes over, and the first hears of it", func(t *testing.T) {
		s := subject.Open(t)
		first := mustClaim(t, s, "0", "a", "")
		renewed := mustClaim(t, s, "0", "a", first.Version)
		taken := mustClaim(t, s, "0", "b", renewed.Version)
		for _, version := range []string{first.Version, renewed.Version, ""} {
			if got, ok := claim(t, s, "0", "a", version); ok {
				t.Errorf("version %q: got %+v", version, got)
			}
		}
		if got := owners(t, s)["0"]; !same(got, taken) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a partition that was given up has no owner, and is claimed again", func(t *testing.T) {
		s := subject.Open(t)
		given := mustClaim(t, s, "0", "", mustClaim(t, s, "0", "a", "").Version)
		if got := owners(t, s)["0"]; got.Owner != "" || !same(got, given) {
			t.Errorf("got %+v", got)
		}
		if got, ok := claim(t, s, "0", "", "x"); ok {
			t.Errorf("a stale one gives up: %+v", got)
		}
		mustClaim(t, s, "0", "b", given.Version)
	})
	t.Run("of many who claim at once one gets it", func(t *testing.T) {
		s := subject.Open(t)
		race(t, func(int) checkpoint.Store { return s })
	})
	t.Run("what is no partition is not claimed", func(t *testing.T) {
		if _, ok, err := subject.Open(t).Claim(t.Context(), delivery.Ownership{Partition: "../0", Owner: "a"}); ok || err == nil {
			t.Errorf("got %v, %v", ok, err)
		}
	})
}

// shared checks what two processes with the same store see of each other.
func shared(t *testing.T, subject Subject) {
	two := func(t *testing.T) [2]checkpoint.Store {
		first := subject.Open(t)
		return [2]checkpoint.Store{first, subject.Again(t, first)}
	}
	t.Run("a checkpoint does not move backwards across owners", func(t *testing.T) {
		s := two(t)
		Save(t, s[0], "0", 10)
		Save(t, s[1], "0", 50)
		if err := s[0].Save(t.Context(), "0", At(20)); !errors.Is(err, checkpoint.ErrBehind) {
			t.Errorf("got %v", err)
		}
		Expect(t, s[0], "0", 50)
		Save(t, s[0], "0", 60)
		Expect(t, s[1], "0", 60)
	})
	t.Run("of many writers the one that is furthest stays", func(t *testing.T) {
		s := two(t)
		g := supervise.New(t.Context())
		for n := range 2 {
			g.Go("save", func(ctx context.Context) error {
				for i := range int64(20) {
					err := s[n].Save(ctx, "0", At(2*i+int64(n)))
					if err != nil && !errors.Is(err, checkpoint.ErrBehind) {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		Expect(t, s[0], "0", 39)
	})
	t.Run("owners see each other", func(t *testing.T) {
		s := two(t)
		first := mustClaim(t, s[0], "0", "a", "")
		if got := owners(t, s[1])["0"]; !same(got, first) {
			t.Fatalf("got %+v", got)
		}
		mustClaim(t, s[1], "0", "b", first.Version)
		if got, ok := claim(t, s[0], "0", "a", first.Version); ok {
			t.Errorf("the first has it still: %+v", got)
		}
	})
	t.Run("of many processes that claim at once one gets it", func(t *testing.T) {
		s := two(t)
		race(t, func(n int) checkpoint.Store { return s[n%2] })
	})
}

// race has five owners claim a partition at once.
func race(t *testing.T, store func(n int) checkpoint.Store) {
	t.Helper()
	var won atomic.Int32
	g := supervise.New(t.Context())
	for n := range 5 {
		g.Go("claim", func(ctx context.Context) error {
			_, ok, err := store(n).Claim(ctx, delivery.Ownership{Partition: "0", Owner: fmt.Sprint("owner ", n)})
			if ok {
				won.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if won.Load() != 1 {
		t.Errorf("%d owners got it", won.Load())
	}
}

// same compares records but for their time, which an answer and a list may tell with another precision.
func same(a, b delivery.Ownership) bool {
	return a.Partition == b.Partition && a.Owner == b.Owner && a.Version == b.Version
}
