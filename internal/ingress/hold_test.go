package ingress

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

// waits is a writer whose messages wait in a lane until a test sends them.
func waits(*delivery.Queued) *delivery.Outcome { return nil }

// send ends what waits, as a lane does: what is not wanted any more is not written.
func (w *fakeWriter) send() (written []int64) {
	w.mu.Lock()
	waiting := w.seen
	w.seen = nil
	w.mu.Unlock()
	for _, q := range waiting {
		if !q.Wanted() {
			q.Settle(delivery.Outcome{Kind: delivery.Unwanted})
			continue
		}
		written = append(written, q.Message.Sequence)
		q.Settle(delivery.Outcome{})
	}
	return written
}

func three() []*message.Message {
	return []*message.Message{msg(0, "a", `{"x":0}`), msg(1, "a", `{"x":1}`), msg(2, "a", `{"x":2}`)}
}

func (r *rig) wantCounts(t *testing.T, want delivery.Counts) {
	t.Helper()
	if got := r.counts(); got != want {
		t.Errorf("the account is %+v, want %+v", got, want)
	}
}

func TestAPartitionIsReadOnceItIsGained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		leases := r.lend()
		stop := r.start(t)
		elapse(time.Minute)
		if v := r.flow.Partitions[0].View(); v.Held || len(r.hub.opened) > 0 {
			t.Errorf("it is opened at %v without a lease", r.hub.opened)
		}
		leases.grant <- struct{}{}
		elapse(2 * time.Second)
		if v := r.flow.Partitions[0].View(); !v.Held || !v.Reading || v.Counts.Delivered != 3 {
			t.Errorf("after it was gained: %+v", v)
		}
		stop()
		if v := r.flow.Partitions[0].View(); v.Held || v.Counts.Delivered != 3 {
			t.Errorf("after the stop: %+v", v)
		}
	})
}

func TestAGracefulStopSavesWhatHasDrainedBeforeItGivesThePartitionUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, func(q *delivery.Queued) *delivery.Outcome {
			time.AfterFunc(2*time.Second, func() { q.Settle(delivery.Outcome{}) })
			return nil
		}, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		synctest.Wait()
		stop()
		if got := strings.Join(leases.released, ", "); got != "0 at 2" {
			t.Errorf("released %s, want it behind the last message", got)
		}
		r.wantCounts(t, delivery.Counts{Received: 3, Delivered: 3})
	})
}

func TestAPartitionIsGivenUpAsSoonAsItHasDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, waits, three()...)
		leases := r.lend()
		r.flow.Partitions = append(r.flow.Partitions, &Partition{ID: "1"})
		r.flow.Hub = &onlyFirst{r.hub}
		stop := r.start(t)
		leases.grant <- struct{}{}
		leases.grant <- struct{}{}
		elapse(time.Second)
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		synctest.Wait()
		if got := strings.Join(leases.released, ", "); got != "1 at -1" {
			t.Errorf("released %s while the other drains", got)
		}
		r.writer.send()
		<-ended
		if got := strings.Join(leases.released, ", "); got != "1 at -1, 0 at 2" {
			t.Errorf("released %s at the end", got)
		}
	})
}

func TestWhatWaitsForAStuckPlatformAtAStopIsLeftToTheNextReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, waits, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		synctest.Wait()
		stop()
		if got := r.writer.send(); len(got) > 0 || len(leases.released) != 1 {
			t.Errorf("%v written after the partition was given up (%v)", got, leases.released)
		}
		r.wantCounts(t, delivery.Counts{Received: 3, Withdrawn: 3})
	})
}

func TestWhatIsNotFreshIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, waits, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		synctest.Wait()
		leases.stale.Store(true) // the connector has slept, and nobody has told it that the partition is lost
		if got := r.writer.send(); len(got) > 0 {
			t.Errorf("%v written", got)
		}
		r.wantCounts(t, delivery.Counts{Received: 3, Withdrawn: 3})
		stop()
	})
}

func TestALostPartitionLeavesItsWaitingMessagesAndWritesNoCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, func(q *delivery.Queued) *delivery.Outcome {
			if q.Message.Sequence == 0 {
				return &delivery.Outcome{}
			}
			return nil
		}, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		elapse(1500 * time.Millisecond)
		r.writer.seen[1].Settle(delivery.Outcome{}) // sent before the loss, not saved yet
		r.writer.seen = r.writer.seen[2:]
		leases.take()
		synctest.Wait()
		if got := r.writer.send(); slices.Contains(got, 2) {
			t.Errorf("written after the loss: %v", got)
		}
		elapse(time.Minute)
		stop()
		if !slices.Equal(r.store.saved, []int64{0}) || len(leases.released) > 0 {
			t.Errorf("checkpoints %v, released %v: both are the new reader's", r.store.saved, leases.released)
		}
		if c := r.counts(); c.Withdrawn != 1 || c.InFlight != 0 || c.Delivered != 2 {
			t.Errorf("account %+v", c)
		}
	})
}

func TestAStaleOwnerThatWakesLeavesWhatIsNewerToItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, waits, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		elapse(time.Second)
		r.store.with(func() { at := position(r.hub.log[2]); r.store.at = &at }) // while it slept, another one did the work
		leases.take()
		synctest.Wait()
		if got := r.writer.send(); len(got) > 0 {
			t.Errorf("it wrote %v over newer values", got)
		}
		elapse(time.Minute)
		stop()
		if len(r.store.saved) > 0 {
			t.Errorf("it saved %v", r.store.saved)
		}
	})
}

func TestAPartitionThatIsGainedAgainGoesOnBehindTheNewestCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		elapse(2 * time.Second)
		leases.take()
		synctest.Wait()
		r.hub.log = append(r.hub.log, msg(3, "a", `{"x":3}`), msg(4, "a", `{"x":4}`))
		r.store.with(func() { at := position(r.hub.log[3]); r.store.at = &at }) // the other one wrote it
		leases.grant <- struct{}{}
		elapse(2 * time.Second)
		stop()
		if got := strings.Join(r.hub.opened, ", "); got != "earliest, after sequence 3" {
			t.Errorf("opened at %s", got)
		}
		if r.store.last() != 4 {
			t.Errorf("checkpoint at %d", r.store.last())
		}
		r.wantCounts(t, delivery.Counts{Received: 4, Delivered: 4})
	})
}

func TestWhatIsInFlightFromBeforeMovesNoCheckpointOfALaterHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, waits, three()...)
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		synctest.Wait()
		old := r.writer.seen
		r.writer.seen = nil
		leases.take()
		elapse(r.flow.DrainTimeout)
		leases.grant <- struct{}{}
		elapse(2 * time.Second)
		r.wantCounts(t, delivery.Counts{Received: 6, InFlight: 6})
		for _, q := range old { // requests that were on their way
			q.Settle(delivery.Outcome{})
		}
		elapse(2 * time.Second)
		r.wantCounts(t, delivery.Counts{Received: 6, Delivered: 3, InFlight: 3})
		if len(r.store.saved) > 0 {
			t.Errorf("saved %v with every message of this hold in flight", r.store.saved)
		}
		r.writer.send()
		stop()
		r.wantCounts(t, delivery.Counts{Received: 6, Delivered: 6})
		if r.store.last() != 2 {
			t.Errorf("checkpoint at %d", r.store.last())
		}
	})
}

func TestAStoreThatCannotBeReadIsWaitedForBeforeAnythingIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		r.flow.Partitions[0].Start.Latest = true
		r.store.with(func() { at := position(r.hub.log[0]); r.store.at = &at; r.store.unread = errors.New("no such host") })
		stop := r.start(t)
		elapse(5 * time.Minute)
		if v := r.flow.Partitions[0].View(); len(r.hub.opened) > 0 || v.Reading || v.Err == nil {
			t.Errorf("opened at %v, %+v", r.hub.opened, v)
		}
		r.store.with(func() { r.store.unread = nil })
		elapse(time.Minute)
		stop()
		if got := strings.Join(r.hub.opened, ", "); got != "after sequence 0" {
			t.Errorf("opened at %s", got)
		}
	})
}

func TestAStopEndsTheWaitForAStoreAndGivesThePartitionUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		r.store.unread = errors.New("no such host")
		leases := r.lend()
		stop := r.start(t)
		leases.grant <- struct{}{}
		elapse(time.Minute)
		stop()
		if len(r.hub.opened) > 0 || len(leases.released) != 1 {
			t.Errorf("opened at %v, released %v", r.hub.opened, leases.released)
		}
	})
}

func TestAStoreThatNoRepetitionMendsEndsTheFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		r.store.unread = &fault.Problem{Op: "open", Class: fault.Fatal, Cause: errors.New("it is no checkpoint")}
		if err := r.flow.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "load checkpoint of partition 0") {
			t.Errorf("got %v", err)
		}
	})
}

func TestALinkThatAnotherReaderTookHasTheLeaseLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		leases := r.lend()
		r.hub.failAt, r.hub.err = 1, delivery.ErrStolen
		stop := r.start(t)
		leases.grant <- struct{}{}
		elapse(time.Minute)
		stop()
		if leases.doubts != 1 {
			t.Errorf("looked %d times", leases.doubts)
		}
		r.wantCounts(t, delivery.Counts{Received: 3, Delivered: 3})
	})
}
