package lease

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAReaderIsFreshAsLongAsTheStoreIsAskedWhateverItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a := start(t, s, "a", 1)
		elapse(2 * interval)
		fresh := a.Fresh("0")
		elapse(5 * time.Minute)
		s.set(func() { s.fail = func(string, string) (error, bool) { return errStore, false } })
		elapse(5 * time.Minute)
		if !fresh() || a.Held("0") == nil {
			t.Errorf("while the store is away: fresh is %v, and the fence says %v", fresh(), a.Held("0"))
		}
		s.set(func() { s.fail = nil })
		elapse(5 * time.Minute)
		if !fresh() {
			t.Error("when it is back, it is not fresh")
		}
		a.kill()
	})
}

// Both were stopped, and nobody took anything: what a reader has left out has to be read again.
func TestWhoWasStoppedReadsAgainAlthoughNobodyTookThePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, asked := range []bool{true, false} {
			s := newStore()
			a := newNode(t, s, "a", 1, 1)
			readers := make(chan context.Context, 2)
			acquire := func() { reading, _ := a.Acquire(t.Context(), "0"); readers <- reading }
			go acquire()
			synctest.Wait()
			a.round(t.Context())
			reading, fresh := <-readers, a.Fresh("0")
			elapse(expiry)
			if asked && fresh() {
				t.Error("its first message is written")
			}
			a.round(t.Context())
			if fresh() || !errors.Is(context.Cause(reading), ErrLapsed) {
				t.Errorf("after a round it reads on: fresh %v, cause %v", fresh(), context.Cause(reading))
			}
			go acquire()
			synctest.Wait()
			a.round(t.Context())
			if <-readers; fresh() || !a.Fresh("0")() {
				t.Error("the claim from before is fresh again, or the new one is not")
			}
		}
	})
}

// The call that was under way at the stop is answered, or fails, after it: that makes nothing fresh again.
func TestAnAnswerAfterTheStopDoesNotMakeALapsedClaimFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, asked := range []bool{true, false} {
			f := newFreshness(time.Now().Add(time.Second))
			f.extend(time.Now().Add(2 * time.Second))
			elapse(2*time.Second - 1)
			if !f.holds() {
				t.Error("it lapses before its time")
			}
			elapse(1)
			if asked {
				f.holds()
			}
			if f.extend(time.Now().Add(time.Minute)); f.holds() {
				t.Errorf("it is fresh again, asked: %v", asked)
			}
		}
	})
}

func BenchmarkFresh(b *testing.B) {
	f := newFreshness(time.Now().Add(time.Hour))
	for b.Loop() {
		f.holds()
	}
}
