package app

import (
	"testing"
	"time"

	"azx/internal/delivery"
	"azx/internal/hub"
)

func TestTheLagIsToldFromTheAccountAndTheHub(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	position := func(sequence int64, minute int) delivery.Checkpoint {
		return delivery.Checkpoint{Sequence: sequence, Enqueued: at(minute)}
	}
	holds := func(first, last int64) head { return head{Partition: hub.Partition{ID: "0", First: first, Last: last}} }
	empty := head{Partition: hub.Partition{ID: "0", Empty: true}}
	after := position(10, 1)
	begun := func(settled bool, sequences ...int64) delivery.Snapshot {
		tracker := delivery.NewTracker()
		for _, s := range sequences {
			r := tracker.Begin(position(s, int(s)))
			if settled {
				r.Settle(delivery.Delivered)
			}
		}
		return tracker.Snapshot()
	}
	level := func(h head, minute int) head {
		h.level = at(minute)
		return h
	}
	for name, c := range map[string]struct {
		account delivery.Snapshot
		start   delivery.Start
		head    head
		behind  int64
		oldest  time.Time
	}{
		"nothing is known before the hub was asked":               {behind: -1},
		"an empty partition has no lag":                           {head: empty},
		"all that the hub holds waits for a first start":          {head: holds(5, 9), behind: 5},
		"behind a checkpoint, nothing received yet":               {start: delivery.Start{After: &after}, head: holds(5, 13), behind: 3, oldest: at(1)},
		"a checkpoint at the end":                                 {start: delivery.Start{After: &after}, head: holds(5, 10)},
		"a checkpoint at the end, and the hub was not asked":      {start: delivery.Start{After: &after}, behind: -1},
		"what the hub no longer has does not count, its age does": {start: delivery.Start{After: &after}, head: holds(31, 40), behind: 10, oldest: at(1)},
		"from now on, nothing received yet":                       {start: delivery.Start{Latest: true}, head: holds(5, 13), behind: -1},
		"from now on, with messages in flight":                    {account: begun(false, 14, 15), start: delivery.Start{Latest: true}, head: holds(5, 15), behind: 2, oldest: at(14)},
		"messages in flight before the hub tells of them":         {account: begun(false, 11, 12), start: delivery.Start{After: &after}, head: holds(5, 10), behind: 2, oldest: at(11)},
		"all settled":                                   {account: begun(true, 11, 12), head: holds(5, 12)},
		"all settled, and the hub was not asked":        {account: begun(true, 11, 12)},
		"settled, and more at the hub that is not read": {account: begun(true, 11, 12), head: holds(5, 20), behind: 8, oldest: at(12)},
		"settled, nothing waited later, and now more":   {account: begun(true, 11, 12), head: level(holds(5, 20), 30), behind: 8, oldest: at(30)},
	} {
		behind, oldest := lag(c.account, c.start, c.head)
		if behind != c.behind || !oldest.Equal(c.oldest) {
			t.Errorf("%s: %d behind, oldest of %v; want %d, %v", name, behind, oldest, c.behind, c.oldest)
		}
	}
}

func TestItIsRememberedWhenNothingWaited(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	part := func(last int64) []hub.Partition {
		return []hub.Partition{{ID: "0", Last: last}, {ID: "1", Empty: true}, {ID: "2", Last: 3}}
	}
	settled := func(id string) (int64, bool) { return 10, id == "0" }
	h := heads{}.next(start, part(10), settled)
	h = h.next(start.Add(time.Minute), part(15), settled)
	if !h.told.Equal(start.Add(time.Minute)) || !h.of["0"].level.Equal(start) || h.of["0"].Last != 15 {
		t.Errorf("partition 0 is %+v", h)
	}
	if !h.of["1"].level.Equal(start.Add(time.Minute)) || !h.of["2"].level.IsZero() {
		t.Errorf("an empty partition is %+v, one of which nothing is known %+v", h.of["1"], h.of["2"])
	}
}
