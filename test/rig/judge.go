package rig

import (
	"cmp"
	"slices"
	"time"
)

// clockStep is how much the time of a file may be behind that of a clock, in milliseconds: the file system uses the
// time of the kernel's last tick, at least 100 of which come in a second.
const clockStep = 10

// noLoss is I1: what the hub accepted is written, in quarantine, or left out by a rule.
func (a *account) noLoss(ends map[Event]int64) error {
	f := few{rule: "I1 no loss"}
	accepted := map[numbered]bool{}
	for _, e := range a.events {
		accepted[numbered{e.Device, e.Number}] = true
		if _, ended := ends[e]; !ended {
			f.add("%s is nowhere", e)
		}
	}
	for m := range a.sent {
		if !accepted[m] {
			f.add("message %d of %s was acknowledged to the device, and the hub does not have it", m.number, m.device)
		}
	}
	return f.err()
}

// checkpointsAreSafe is I2: when a checkpoint was written, everything up to it had come to its end; none goes back; and
// where connectors share a hub nobody writes, or tries to, without a lease.
func (a *account) checkpointsAreSafe(ends map[Event]int64) error {
	f := few{rule: "I2 checkpoint safety"}
	logs := map[place][]Event{}
	for _, e := range a.events {
		in := place{log: e.Log, partition: e.Partition}
		logs[in] = append(logs[in], e)
	}
	for _, events := range logs {
		slices.SortFunc(events, func(x, y Event) int { return cmp.Compare(x.Sequence, y.Sequence) })
	}
	saves := a.saves()
	for i, c := range a.checkpoints {
		saves.follow(func(time.Time) bool { return saves.checkpoints < i }, func(time.Time) bool { return true })
		if c.Gone {
			continue
		}
		in := place{log: c.Log, partition: c.Partition}
		if c.Unleased {
			f.add("%s wrote %d of partition %s at %s without a lease", c.Connector, c.Sequence, c.Partition, c.At.Format("15:04:05.000"))
		}
		if before, ok := saves.stored[in]; ok && c.Sequence < before && !c.Refused {
			f.add("partition %s goes back from %d to %d", c.Partition, before, c.Sequence)
		}
		for _, e := range logs[in] {
			if e.Sequence > c.Sequence {
				break
			}
			at, ended := ends[e]
			if !ended || at > c.At.UnixMilli()+clockStep {
				f.add("%s wrote %d at %s, and %s had not come to its end (it did %d ms later)",
					c.Connector, c.Sequence, c.At.Format("15:04:05.000"), e, at-c.At.UnixMilli())
				break
			}
		}
	}
	return f.err()
}

// inOrder is I3: what a Thing gets for the first time ascends without a gap, repeats go on to where they were, the newest
// message is the last, and each value has its message's time.
func (a *account) inOrder() error {
	f := few{rule: "I3 order"}
	created := map[numbered]int64{}
	for _, e := range a.events {
		created[numbered{e.Device, e.Number}] = e.Created
	}
	once := map[numbered]bool{}
	for _, w := range a.written {
		once[numbered{w.Thing, w.Number}] = true
	}
	things := map[string]*progress{}
	in := map[string]place{}
	for _, e := range a.events {
		in[e.Device] = place{log: e.Log, partition: e.Partition}
	}
	late := 0
	taken := a.ofTakings()
	for _, w := range a.written {
		p := things[w.Thing]
		if p == nil {
			p = &progress{most: -1, last: -1}
			things[w.Thing] = p
		}
		between := func(least int) bool {
			for n := least; n < w.Number; n++ {
				if once[numbered{w.Thing, n}] {
					return true
				}
			}
			return false
		}
		switch {
		case w.Number > p.most && between(p.most+1):
			f.add("%s got message %d for the first time when its newest was %d", w.Thing, w.Number, p.most)
		case between(p.last + 1): // what came last was a request from before that arrived late
			if taken.allow(w.Thing, in[w.Thing]) {
				break // its old reader had it under way when the partition was taken
			}
			if late++; late > a.late {
				f.add("%s got message %d behind message %d, and as many requests as may be under way had been late already; its partition was taken %d times",
					w.Thing, w.Number, p.last, a.taken[in[w.Thing]])
			}
		}
		p.last, p.most = w.Number, max(p.most, w.Number)
		if at, ok := created[numbered{w.Thing, w.Number}]; ok && at != 0 && at != w.Time {
			f.add("message %d of %s has the time %d, and was made at %d", w.Number, w.Thing, w.Time, at)
		}
	}
	for thing, p := range things {
		if p.last != p.most {
			f.add("the last value of %s is message %d, the newest is %d", thing, p.last, p.most)
		}
	}
	return f.err()
}

// progress is how far a Thing has come: its newest message, and the one that came last.
type progress struct{ most, last int }

// ofTakings counts requests that old readers had under way when their partitions were taken.
type ofTakings struct {
	*account
	found map[string]int // by Thing, or by partition where it is known how many requests a connector has under way
}

func (a *account) ofTakings() ofTakings { return ofTakings{a, map[string]int{}} }

// allow takes one more, and reports whether there may be so many.
func (o ofTakings) allow(thing string, in place) bool {
	by, each := thing, 1
	if o.underWay > 0 {
		by, each = in.log+" "+in.partition, o.underWay
	}
	o.found[by]++
	return o.found[by] <= each*o.taken[in]
}

// repeatsAreOfASuffix is I4: nothing is written again that a checkpoint had passed, but what a partition's old reader had under
// way whenever it is taken: one request of each Thing, or so many in all as a connector may have, where that is known.
func (a *account) repeatsAreOfASuffix() error {
	const margin = 100 // milliseconds that a request may be on its way
	f := few{rule: "I4 duplicates"}
	at := map[numbered]Event{}
	for _, e := range a.events {
		at[numbered{e.Device, e.Number}] = e
	}
	seen := map[numbered]bool{}
	saves := a.saves()
	taken, allowed := a.ofTakings(), false
	var last Written
	for _, w := range a.written {
		m := numbered{w.Thing, w.Number}
		saves.follow(func(at time.Time) bool { return at.UnixMilli() < w.Received-margin }, func(at time.Time) bool { return at.UnixMilli() <= w.Received })
		e, ok := at[m]
		in := place{log: e.Log, partition: e.Partition}
		if passed, saved := saves.passed[in]; ok && seen[m] && saved && e.Sequence <= passed {
			if !w.follows(last) {
				allowed = taken.allow(w.Thing, in)
			}
			if last = w; !allowed {
				f.add("%s was written again behind its checkpoint, in one request too many of that kind; its partition was taken %d times", e, a.taken[in])
			}
		}
		seen[m] = true
	}
	return f.err()
}

// follows reports whether a value came in the same request as another one.
func (w Written) follows(other Written) bool {
	return w.Thing == other.Thing && w.Index == other.Index+1 && w.Received == other.Received && w.Number > other.Number
}

// delays are those of the messages that were sent since, from their device to the platform's first write, in milliseconds.
func (a *account) delays(since int64, but string) (delays []int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[numbered]bool{}
	for _, w := range a.written {
		if m := (numbered{w.Thing, w.Number}); w.Thing != but && w.Time >= since && !seen[m] {
			seen[m] = true
			delays = append(delays, w.Received-w.Time)
		}
	}
	return delays
}

// repeats is how many messages were written more than once, each counted as often as it came again.
func (a *account) repeats() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	once := map[numbered]bool{}
	for _, w := range a.written {
		once[numbered{w.Thing, w.Number}] = true
	}
	return len(a.written) - len(once)
}
