package lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
)

// The tests of this file are named after what the processors of other libraries do wrong.

func TestAPartitionIsNeverOwnedWithoutAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 4)
		go func() { _, _ = a.Acquire(t.Context(), "2") }()
		synctest.Wait()
		for range 5 {
			a.round(t.Context())
			elapse(interval)
		}
		if got := s.owners(); !maps.Equal(got, map[string]string{"2": "a"}) {
			t.Errorf("with one reader, for partition 2, it owns %v", got)
		}
	})
}

func TestAReaderThatFailedAtItsStartGetsThePartitionAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, newStore(), "a", 1, 1)
		ctx, fails := context.WithCancel(t.Context())
		go a.Acquire(ctx, "0")
		synctest.Wait()
		a.round(t.Context())
		fails() // it could not load its checkpoint, say
		if err := a.Release(t.Context(), "0"); err != nil {
			t.Fatal(err)
		}
		again := make(chan error, 1)
		go func() { _, err := a.Acquire(t.Context(), "0"); again <- err }()
		synctest.Wait()
		a.round(t.Context())
		if err := <-again; err != nil || a.Held("0") != nil {
			t.Errorf("the second try: %v, held: %v", err, a.Held("0"))
		}
	})
}

func TestAListThatFailsOnceEndsNothing(t *testing.T) {
	for _, op := range []string{"list", "claim"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			failures := 1
			s.fail = func(_, which string) (error, bool) {
				if which == op && failures > 0 {
					failures--
					return errStore, false
				}
				return nil, false
			}
			a := start(t, s, "a", 4)
			elapse(2 * interval)
			if got := spread(a); got != "4" {
				t.Errorf("after one failed %s it has %s of 4", op, got)
			}
			s.set(func() { failures = 1 })
			elapse(2 * interval)
			if a.meter.heard("lost 0 taken") || spread(a) != "4" {
				t.Errorf("a later failed %s cost a partition: %v", op, a.meter.events)
			}
			a.kill()
		})
	}
}

func TestTheFenceRefusesWhoseLeaseIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.latency = 3 * time.Second
		a := newNode(t, s, "a", 1, 1)
		go a.Acquire(t.Context(), "0")
		synctest.Wait()
		began := time.Now()
		a.round(t.Context())
		// The claim was sent after the list, and its answer came 3 s later: those count.
		elapse(time.Until(began.Add(3*time.Second + expiry - 2*time.Second - 1)))
		if err := a.Held("0"); err != nil {
			t.Errorf("just before its time it is refused: %v", err)
		}
		elapse(1)
		if err := a.Held("0"); !errors.Is(err, ErrNotHeld) {
			t.Errorf("at the expiry less the margin: %v", err)
		}
		a.round(t.Context()) // it is lost
		go a.Acquire(t.Context(), "0")
		synctest.Wait()
		a.round(t.Context())
		elapse(interval)
		began = time.Now()
		a.round(t.Context()) // a renewal counts likewise
		elapse(time.Until(began.Add(3*time.Second + expiry - 2*time.Second - 1)))
		if err := a.Held("0"); err != nil {
			t.Errorf("just before the time of its renewal it is refused: %v", err)
		}
		elapse(1)
		if a.Held("0") == nil {
			t.Error("the time of a renewal begins with its answer")
		}
	})
}

// F05: the process is stopped for longer than the expiry; what it had goes to another one.
func TestAWokenProcessIsRefusedBeforeItsFirstWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 1)
		var reading context.Context
		go func() { reading, _ = a.Acquire(t.Context(), "0") }()
		synctest.Wait()
		a.round(t.Context())
		fresh := a.Fresh("0")
		if !fresh() {
			t.Error("a message is not written right after the claim")
		}
		b := start(t, s, "b", 1)
		elapse(expiry + 2*interval) // a makes no rounds: it is stopped
		if b.Held("0") != nil {
			t.Fatal("nobody took over")
		}
		if err := a.Held("0"); !errors.Is(err, ErrNotHeld) {
			t.Errorf("its first checkpoint after that: %v", err)
		}
		if fresh() {
			t.Error("its first message after that is written")
		}
		a.round(t.Context())
		if !errors.Is(context.Cause(reading), ErrLapsed) || b.Held("0") != nil {
			t.Errorf("after its first round it reads with cause %v; the new owner: %v", context.Cause(reading), b.Held("0"))
		}
		b.kill()
	})
}

// F34: with a local clock hours off, a live owner keeps its partition and a dead one loses it.
func TestTheLocalClockChangesNothing(t *testing.T) {
	for _, off := range []time.Duration{-2 * time.Hour, -2 * time.Minute, 2 * time.Minute, 2 * time.Hour} {
		t.Run(fmt.Sprint("the clock of the store is off by ", off), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.ahead = off
				a, b := start(t, s, "a", 4), start(t, s, "b", 4)
				elapse(5 * interval)
				before := s.changed()
				elapse(time.Minute)
				if got := spread(a, b); got != "2 2" || !maps.Equal(before, s.changed()) {
					t.Errorf("they have %s; changes %v, then %v", got, before, s.changed())
				}
				a.kill()
				elapse(expiry + 3*interval)
				if got := spread(b); got != "4" {
					t.Errorf("after the other was killed it has %s", got)
				}
				b.kill()
			})
		})
	}
}

func TestWhenTheClockOfTheStoreIsSetNobodyLosesAPartition(t *testing.T) {
	for _, by := range []time.Duration{-2 * time.Hour, -2 * time.Minute, 2 * time.Minute, 2 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				a, b := start(t, s, "a", 4), start(t, s, "b", 4)
				elapse(5 * interval)
				before := s.changed()
				s.set(func() { s.ahead = by })
				elapse(time.Minute)
				if got := spread(a, b); got != "2 2" || !maps.Equal(before, s.changed()) {
					t.Errorf("they have %s; changes %v, then %v", got, before, s.changed())
				}
				a.kill()
				elapse(expiry + 5*interval)
				if got := spread(b); got != "4" {
					t.Errorf("after the other was killed it has %s", got)
				}
				b.kill()
			})
		})
	}
}

// F12: with the store away for five minutes everybody reads on, without checkpoints, and nobody loses anything.
func TestWhileTheStoreIsAwayReadingGoesOnAndCheckpointsDoNot(t *testing.T) {
	for _, what := range []string{"list", "claim", "both"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				a, b := start(t, s, "a", 4), start(t, s, "b", 4)
				elapse(5 * interval)
				before := s.changed()
				s.set(func() {
					s.fail = func(_, op string) (error, bool) {
						if what == op || what == "both" {
							return errStore, false
						}
						return nil, false
					}
				})
				elapse(5 * time.Minute)
				for _, n := range []*node{a, b} {
					mine := n.holding()
					if len(mine) != 2 {
						t.Errorf("%s reads %v", n.id, mine)
					}
					// Renewals need no list.
					if err := n.Held(mine[0]); (err == nil) != (what == "list") {
						t.Errorf("without %s, the fence of %s says %v", what, n.id, err)
					}
				}
				s.set(func() { s.fail = nil })
				elapse(3 * interval)
				for _, n := range []*node{a, b} {
					if mine := n.holding(); len(mine) != 2 || n.Held(mine[0]) != nil {
						t.Errorf("when it is back %s reads %v", n.id, mine)
					}
				}
				if !maps.Equal(before, s.changed()) {
					t.Errorf("changes %v, then %v", before, s.changed())
				}
				a.kill()
				b.kill()
			})
		})
	}
}

func TestWhoAloneCannotReachTheStoreLosesItsPartitionsOnceItCanAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a, b := start(t, s, "a", 4), start(t, s, "b", 4)
		elapse(5 * interval)
		s.set(func() {
			s.fail = func(me, _ string) (error, bool) {
				if me == "a" {
					return errStore, false
				}
				return nil, false
			}
		})
		elapse(time.Minute)
		if got := spread(b); got != "4" {
			t.Fatalf("the other has %s", got)
		}
		mine := a.holding()
		for _, id := range mine {
			if a.Held(id) == nil {
				t.Error("both may write checkpoints")
			}
		}
		s.set(func() { s.fail = nil })
		elapse(3 * interval / 2)
		for _, id := range mine {
			if !a.meter.heard("lost " + id + " taken") {
				t.Errorf("it still reads partition %s", id)
			}
		}
		elapse(5 * interval)
		if got := spread(a, b); got != "2 2" {
			t.Errorf("later they have %s", got)
		}
		a.kill()
		b.kill()
	})
}

func TestTheAnswerToARenewalThatIsLostCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 2)
		elapse(2 * interval)
		lose := 2
		s.set(func() {
			s.fail = func(_, op string) (error, bool) {
				if op == "claim" && lose > 0 {
					lose--
					return errStore, true
				}
				return nil, false
			}
		})
		elapse(3 * interval)
		if lose != 0 || spread(a) != "2" || a.Held("0") != nil || a.Held("1") != nil {
			t.Errorf("it has %v; held: %v, %v", a.holding(), a.Held("0"), a.Held("1"))
		}
		a.kill()
	})
}

func TestAClaimWhoseAnswerIsLostIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		lost := false
		s.fail = func(_, op string) (error, bool) {
			if op == "claim" && !lost {
				lost = true
				return errStore, true
			}
			return nil, false
		}
		a := start(t, s, "a", 1)
		elapse(2 * interval)
		if !a.meter.heard("gained 0 ours") {
			t.Errorf("heard %v", a.meter.events)
		}
		a.kill()
	})
}

// F14: somebody deletes the records.
func TestARecordThatSomebodyDeletesIsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a, b := start(t, s, "a", 4), start(t, s, "b", 4)
		elapse(5 * interval)
		had := slices.Concat(a.holding(), b.holding())
		s.set(func() { clear(s.records) })
		elapse(6 * interval)
		if len(had) != 4 || spread(a, b) != "2 2" || len(s.owners()) != 4 {
			t.Errorf("they had %v, and have %v, %v", had, a.holding(), b.holding())
		}
		a.kill()
		b.kill()
	})
}

func TestARecordThatSomebodyClearsIsOursAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 1)
		elapse(interval)
		s.set(func() { s.records["0"] = delivery.Ownership{Partition: "0", Version: "cleared", Renewed: s.now()} })
		elapse(3 * interval / 2)
		if a.meter.heard("lost 0 taken") || a.Held("0") != nil || s.owners()["0"] != "a" {
			t.Errorf("heard %v; the record says %q", a.meter.events, s.owners()["0"])
		}
		a.kill()
	})
}

func TestWhatIsTakenWhileItIsRenewedIsLostInTheSameRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 1)
		go a.Acquire(t.Context(), "0")
		synctest.Wait()
		a.round(t.Context())
		elapse(interval)
		a.o.Store = leaving{as{s, "a"}, func() {
			_, _, _ = as{s, "b"}.Claim(t.Context(), delivery.Ownership{Partition: "0", Owner: "b", Version: s.records["0"].Version})
		}}
		a.round(t.Context())
		if !a.meter.heard("lost 0 taken") {
			t.Errorf("heard %v", a.meter.events)
		}
	})
}

func TestAReleaseIsTriedAgainUntilItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := newNode(t, s, "a", 1, 2)
		for _, id := range parts(2) {
			go a.Acquire(t.Context(), id)
		}
		synctest.Wait()
		a.round(t.Context())
		a.round(t.Context())
		failures := 3
		s.fail = func(string, string) (error, bool) {
			failures--
			if failures >= 0 {
				return errStore, failures == 2 // the first one is written, but its answer is lost
			}
			return nil, false
		}
		if err := a.Release(t.Context(), "0"); err != nil || s.owners()["0"] != "" {
			t.Errorf("after a few failures: %v, and it belongs to %q", err, s.owners()["0"])
		}
		failures = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := a.Release(ctx, "1"); !errors.Is(err, errStore) || a.Held("1") == nil {
			t.Errorf("a store that stays away: %v, and the fence says %v", err, a.Held("1"))
		}
	})
}
