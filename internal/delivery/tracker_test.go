package delivery

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestTheWatermarkIsTheLongestSettledPrefix(t *testing.T) {
	tr := NewTracker()
	if _, ok := tr.Watermark(); ok {
		t.Fatal("a tracker that saw nothing has a watermark")
	}
	a, b, c := tr.Begin(Checkpoint{Sequence: 7}), tr.Begin(Checkpoint{Sequence: 8}), tr.Begin(Checkpoint{Sequence: 12})
	c.Settle(Delivered)
	if _, ok := tr.Watermark(); ok {
		t.Fatal("the watermark passed messages that are not settled")
	}
	a.Settle(Skipped)
	if at, _ := tr.Watermark(); at.Sequence != 7 {
		t.Fatalf("watermark at %d, want 7", at.Sequence)
	}
	b.Settle(Quarantined)
	if at, _ := tr.Watermark(); at.Sequence != 12 {
		t.Fatalf("watermark at %d, want 12", at.Sequence)
	}
	if got, want := tr.Counts(), (Counts{Received: 3, Delivered: 1, Quarantined: 1, Skipped: 1}); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestAReceiptSettlesOnce(t *testing.T) {
	tr := NewTracker()
	r := tr.Begin(Checkpoint{Sequence: 1})
	if !r.Settle(Delivered) || r.Settle(Quarantined) {
		t.Fatal("the second settlement counted")
	}
	if c := tr.Counts(); c.Delivered != 1 || c.Quarantined != 0 || c.InFlight != 0 {
		t.Fatalf("got %+v", c)
	}
}

func TestIdleIsToldWhenNothingIsInFlight(t *testing.T) {
	tr := NewTracker()
	<-tr.Idle()
	r := tr.Begin(Checkpoint{})
	select {
	case <-tr.Idle():
		t.Fatal("idle with a message in flight")
	default:
	}
	r.Settle(Delivered)
	<-tr.Idle()
}

// Whatever the order of settling, the watermark stands before the first unsettled message and the
// counts add up.
func TestAnyOrderOfSettlingKeepsTheAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := NewTracker()
		var all []Receipt
		var done []bool
		settled := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "how many") {
					all = append(all, tr.Begin(Checkpoint{Sequence: int64(len(all))}))
					done = append(done, false)
				}
			},
			"settle all but few": func(t *rapid.T) {
				for i := rapid.IntRange(0, 5).Draw(t, "first"); i < len(all); i += rapid.IntRange(1, 50).Draw(t, "step") {
					if all[i].Settle(Delivered) {
						settled++
					}
					done[i] = true
				}
			},
			"settle": func(t *rapid.T) {
				if len(all) == 0 {
					return
				}
				i := rapid.IntRange(max(0, len(all)-100), len(all)-1).Draw(t, "which")
				if first := all[i].Settle(Result(i % 3)); first == done[i] {
					t.Fatalf("settle of %d: first is %v", i, first)
				} else if first {
					settled++
				}
				done[i] = true
			},
			"": func(t *rapid.T) {
				prefix := 0
				for prefix < len(done) && done[prefix] {
					prefix++
				}
				at, ok := tr.Watermark()
				if ok != (prefix > 0) || ok && at.Sequence != int64(prefix-1) {
					t.Fatalf("watermark %v %v with a settled prefix of %d", at, ok, prefix)
				}
				c := tr.Counts()
				if c.Received != int64(len(all)) || c.InFlight != c.Received-settled ||
					c.Delivered+c.Quarantined+c.Skipped != settled {
					t.Fatalf("counts %+v with %d begun and %d settled", c, len(all), settled)
				}
				want := Snapshot{Counts: c, Moved: prefix > 0}
				if len(all) > 0 {
					want.Last.Sequence = int64(len(all) - 1)
				}
				if prefix > 0 {
					want.Watermark.Sequence = int64(prefix - 1)
				}
				if prefix < len(all) {
					want.Oldest.Sequence = int64(prefix)
				}
				if got := tr.Snapshot(); got != want {
					t.Fatalf("snapshot %+v, want %+v", got, want)
				}
			},
		})
	})
}

// A snapshot taken while many goroutines begin and settle is of one instant.
func TestASnapshotIsOfOneInstant(t *testing.T) {
	tr := NewTracker()
	receipts := make(chan Receipt, 64)
	var busy sync.WaitGroup
	busy.Go(func() {
		defer close(receipts)
		for i := range int64(20_000) {
			receipts <- tr.Begin(Checkpoint{Sequence: i})
		}
	})
	for range 4 {
		busy.Go(func() {
			for r := range receipts {
				r.Settle(Result(r.number % 3))
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		busy.Wait()
	}()
	for {
		s := tr.Snapshot()
		if s.Received != s.Delivered+s.Quarantined+s.Skipped+s.InFlight {
			t.Fatalf("the account does not balance: %+v", s)
		}
		switch {
		case s.InFlight > 0 && s.Moved && s.Oldest.Sequence != s.Watermark.Sequence+1,
			s.InFlight == 0 && s.Received > 0 && s.Watermark != s.Last,
			s.Moved && s.InFlight > s.Last.Sequence-s.Watermark.Sequence:
			t.Fatalf("positions and counts do not belong together: %+v", s)
		}
		select {
		case <-done:
			if s = tr.Snapshot(); s.Received != 20_000 || s.InFlight != 0 {
				t.Errorf("at the end it is %+v", s)
			}
			return
		default:
		}
	}
}

func TestRoomThatABurstTookIsGivenBack(t *testing.T) {
	tr := NewTracker()
	for range 3 {
		var burst []Receipt
		for i := range 10_000 {
			burst = append(burst, tr.Begin(Checkpoint{Sequence: int64(i)}))
		}
		for _, r := range burst {
			r.Settle(Delivered)
		}
		if len(tr.open) != leastOpen {
			t.Errorf("there is room for %d messages when none is in flight", len(tr.open))
		}
	}
}

// BenchmarkBeginAndSettle settles messages in another order than that in which they came, with 1,000 in flight.
func BenchmarkBeginAndSettle(b *testing.B) {
	tr := NewTracker()
	const run = 8
	var open [1024]Receipt
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := (i%run*(len(open)/run) + i/run) % len(open)
		if open[at] != (Receipt{}) {
			open[at].Settle(Delivered)
		}
		open[at] = tr.Begin(Checkpoint{Sequence: int64(i), Offset: "1"})
	}
}

func TestACheckpointNeverPassesWhatIsLeftToTheNextReader(t *testing.T) {
	tracker := NewTracker()
	first, second, third := tracker.Begin(Checkpoint{Sequence: 1}), tracker.Begin(Checkpoint{Sequence: 2}), tracker.Begin(Checkpoint{Sequence: 3})
	first.Settle(Delivered)
	if !tracker.Wanted() {
		t.Error("nothing is wanted before anybody said so")
	}
	tracker.Withdraw()
	if tracker.Wanted() || !second.Settle(Withdrawn) || second.Settle(Delivered) || !third.Settle(Delivered) {
		t.Error("a message that is left has come to its end, once")
	}
	if at, _ := tracker.Watermark(); at.Sequence != 1 {
		t.Errorf("the watermark is at %d", at.Sequence)
	}
	if got, want := tracker.Counts(), (Counts{Received: 3, Delivered: 2, Withdrawn: 1}); got != want {
		t.Errorf("account %+v", got)
	}
	<-tracker.Idle()
}
