package lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
)

func TestOneConnectorReadsAllWithinAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, newStore(), "a", 32)
		elapse(interval)
		if got := spread(n); got != "32" {
			t.Errorf("after an interval it has %s of 32 partitions", got)
		}
		n.stop(0)
	})
}

// F15: five connectors, eight partitions, all at once.
func TestFiveThatStartTogetherShareEightWithinThreeRoundsAndStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.latency = 50 * time.Millisecond // so that their calls overlap
		var nodes []*node
		for i := range 5 {
			nodes = append(nodes, start(t, s, fmt.Sprint("node", i), 8))
		}
		elapse(36 * interval / 10) // the first round comes after a tenth of an interval, and each may vary by a fifth
		if got := spread(nodes...); got != "1 1 2 2 2" {
			t.Errorf("after three rounds they have %s", got)
		}
		before := s.changed()
		elapse(time.Minute)
		if !maps.Equal(before, s.changed()) {
			t.Errorf("owners changed after it was settled: %v, then %v", before, s.changed())
		}
		for _, n := range nodes {
			n.stop(0)
		}
	})
}

func TestANewcomerGetsItsShareOneARoundAndItIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 8)
		elapse(interval)
		b := start(t, s, "b", 8)
		for range 15 {
			b.Doubt() // to look more often is not to take more
			elapse(interval / 10)
		}
		if got := len(b.holding()); got < 1 || got > 3 {
			t.Errorf("in its first rounds it took %d", got)
		}
		elapse(5 * interval)
		if got := spread(a, b); got != "4 4" {
			t.Errorf("they have %s", got)
		}
		changes := 0
		for _, n := range s.changed() {
			changes += n
		}
		elapse(2 * time.Minute)
		for _, n := range s.changed() {
			changes -= n
		}
		if changes != 0 || a.meter.heard("lost 0 released") {
			t.Errorf("%d changes after it was settled", -changes)
		}
		a.kill()
		b.kill()
	})
}

func TestWhatIsGivenUpAtAStopIsTakenByTheNextRoundOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a, b := start(t, s, "a", 4), start(t, s, "b", 4)
		elapse(5 * interval)
		a.stop(0)
		if got := spread(a, b); got != "0 2" {
			t.Fatalf("right after the stop they have %s", got)
		}
		elapse(3 * interval / 2)
		if got := spread(a, b); got != "0 4" {
			t.Errorf("after a round they have %s", got)
		}
		b.stop(0)
		for id, owner := range s.owners() {
			if owner != "" {
				t.Errorf("partition %s still belongs to %s", id, owner)
			}
		}
	})
}

func TestAConnectorThatDrainsKeepsItsLeasesUntilItReleasesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 4)
		elapse(2 * interval)
		done := make(chan struct{})
		go func() { a.stop(50 * time.Second); close(done) }() // longer than the expiry
		elapse(45 * time.Second)
		for _, id := range parts(4) {
			if err := a.Held(id); err != nil {
				t.Errorf("while it drains: %v", err)
			}
		}
		begun := time.Now()
		<-done
		if waited := time.Since(begun); waited > 6*time.Second {
			t.Errorf("it ended %s after the last release", waited)
		}
	})
}

func TestAPartitionOfAConnectorThatWasKilledIsTakenOverAtItsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 1)
		elapse(interval)
		a.kill()
		b := start(t, s, "b", 1)
		elapse(expiry - interval - 2*time.Second)
		if len(b.holding()) != 0 {
			t.Error("it was taken before its expiry")
		}
		elapse(interval + 6*time.Second)
		if !b.meter.heard("gained 0 expired") {
			t.Errorf("heard %q", b.meter.events)
		}
		b.kill()
	})
}

func TestARenewalIsOneWriteAPartitionAndInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 8)
		elapse(interval)
		before := s.written("a")
		elapse(100 * interval)
		if got := s.written("a") - before; got < 8*95 || got > 8*105 {
			t.Errorf("%d writes in 100 intervals, want about 800", got)
		}
		before = s.written("a")
		for range 100 {
			a.Doubt() // looking is no writing
			elapse(interval / 5)
		}
		if got := s.written("a") - before; got < 8*19 || got > 8*25 {
			t.Errorf("%d writes in 20 intervals of doubt, want about 160", got)
		}
		a.kill()
	})
}

func TestPartitionsThatAHubGetsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 2)
		ctx, stop := context.WithCancel(t.Context())
		got := make(chan string, 3)
		for _, id := range parts(3) {
			go func() {
				if _, err := a.Acquire(ctx, id); err == nil {
					got <- id
				}
			}()
		}
		go func() { _ = a.Run(ctx) }()
		elapse(2 * interval)
		if len(got) != 2 {
			t.Fatalf("%d of two partitions are read", len(got))
		}
		a.Grow(parts(3))
		elapse(2 * interval)
		if len(got) != 3 {
			t.Error("the new one is not read")
		}
		a.o.Grace = 0
		stop()
	})
}

func TestAReaderThatLeavesInTheMomentOfTheClaimLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 1)
		ctx, leave := context.WithCancel(t.Context())
		a.o.Store = leaving{as{s, "a"}, leave}
		ended := make(chan error)
		go func() { _, err := a.Acquire(ctx, "0"); ended <- err }()
		synctest.Wait()
		done := make(chan struct{})
		go func() { a.round(t.Context()); close(done) }()
		err := <-ended
		<-done
		if owner := s.owners()["0"]; err == nil || owner != "" {
			t.Errorf("acquired with %v, and the record says %q", err, owner)
		}
	})
}

func TestAPartitionHasOneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, newStore(), "a", 1, 1)
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = a.Acquire(ctx, "0") }()
		synctest.Wait()
		if _, err := a.Acquire(ctx, "0"); err == nil {
			t.Error("a second reader was let in")
		}
		leave()
	})
}

func TestTheLevelRisesFromClaimToClaimAndStaysWithRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 1)
		elapse(interval)
		first := a.Level("0")
		elapse(5 * interval)
		if a.Level("0") != first || first == 0 {
			t.Errorf("level %d, then %d", first, a.Level("0"))
		}
		a.stop(0)
		b := start(t, s, "b", 1)
		elapse(interval)
		if b.Level("0") <= first || a.Level("0") != 0 {
			t.Errorf("the next claim has level %d after %d, and the old one %d", b.Level("0"), first, a.Level("0"))
		}
		b.kill()
	})
}

func TestALostPartitionIsLostForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 1)
		var reading context.Context
		go func() { reading, _ = a.Acquire(t.Context(), "0") }()
		synctest.Wait()
		a.round(t.Context())
		synctest.Wait()
		r := s.records["0"]
		r.Owner = "b"
		if _, ok, _ := (as{s, "b"}).Claim(t.Context(), r); !ok {
			t.Fatal("b could not take it")
		}
		elapse(interval)
		a.round(t.Context())
		if err := context.Cause(reading); !errors.Is(err, ErrTaken) {
			t.Errorf("the reader hears %v", err)
		}
		if err := a.Held("0"); !errors.Is(err, ErrNotHeld) {
			t.Errorf("the fence says %v", err)
		}
		if err := a.Release(t.Context(), "0"); err != nil || s.owners()["0"] != "b" {
			t.Errorf("releasing what is lost: %v, and it belongs to %q", err, s.owners()["0"])
		}
	})
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	good := Options{ID: "a", Interval: interval, Expiry: expiry}
	tests := []struct {
		name   string
		change func(*Options)
		ok     bool
	}{
		{"three intervals before the expiry", func(*Options) {}, true},
		{"no id", func(o *Options) { o.ID = "" }, false},
		{"no interval", func(o *Options) { o.Interval = 0 }, false},
		{"an expiry of two intervals", func(o *Options) { o.Expiry = 2 * interval }, false},
		{"a margin that leaves one interval", func(o *Options) { o.Margin = 11 * time.Second }, false},
		{"a jitter of a whole interval", func(o *Options) { o.Jitter = 1 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			if _, err := New(o, nil); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestStatesTellWhoReadsWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.records["1"] = delivery.Ownership{Partition: "1", Owner: "b", Version: "x", Renewed: time.Now().Add(time.Hour - expiry)}
		s.ahead = time.Hour
		a := start(t, s, "a", 2)
		s.set(func() {
			s.records["1"] = delivery.Ownership{Partition: "1", Owner: "b", Version: "x", Renewed: s.now()}
		})
		elapse(interval)
		got := a.States()
		if got["0"] != (State{Owner: "a", Held: true, Proven: true, Age: got["0"].Age}) || got["1"] != (State{Owner: "b"}) {
			t.Errorf("got %+v", got)
		}
		a.kill()
	})
}
