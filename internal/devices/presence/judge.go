package presence

import (
	"math"
	"slices"
	"time"
)

// MaxChanges is how many changes Advance returns at once.
const MaxChanges = 4096

// never is when a state ends that only a sign or the partition can end.
const never = math.MaxInt64

// judge says what the device's state is at the horizon of its partition, since when, and at which horizon that may end
// without a sign.
func (p *Partition) judge(d *device, c class) (state State, since, due int64) {
	departed := d.left && d.gone >= p.since
	watched := max(d.alive, p.since) // from then on it was silent before our eyes
	if d.alive == 0 {
		watched = max(watched, d.gone)
	}
	late, offline := watched+c.late, watched+c.offline
	if departed {
		late = min(late, d.gone)
	}
	switch {
	case p.blind[d.class]:
		return Unknown, p.horizon + c.offline, never
	case p.horizon >= offline:
		return Offline, offline, never
	case p.horizon >= late || departed:
		return Late, late, offline
	case !d.left && p.horizon < d.alive+c.late:
		return Online, d.alive, d.alive + c.late
	default: // a sign of life may be among what was missed
		return Unknown, max(d.alive+c.late, p.since), late
	}
}

func (d *device) status() Status {
	s := Status{State: d.state, Since: moment(d.since), LastSeen: moment(d.alive),
		Evidence: Evidence{Kind: d.aliveBy, Alive: d.aliveBy != None, Time: moment(d.alive)}}
	if d.left {
		s.Evidence = Evidence{Kind: d.goneBy, Time: moment(d.gone)}
	}
	return s
}

// Advance judges at a time, that of the hub as well as it is known, and returns what has changed since the last call. It
// is called every second or so, and again at once while it returns MaxChanges. What it returned counts as told: a Snapshot
// that is to be saved is taken after the changes have arrived where they belong, so that a connector that is killed in
// between tells them again rather than never.
func (t *Table) Advance(now time.Time) []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.partitions {
		p.look(now.UnixMilli())
	}
	var changes []Change
	judged := 0
	for ; judged < len(t.dirty) && len(changes) < MaxChanges; judged++ {
		d := t.dirty[judged]
		d.isDirty = false
		if d.home != nil {
			changes = t.update(d, changes)
		}
	}
	t.dirty = slices.Delete(t.dirty, 0, judged)
	for _, p := range t.partitions {
		for len(p.queue) > 0 && p.queue[0].due <= p.horizon && len(changes) < MaxChanges {
			changes = t.update(p.queue[0], changes)
		}
	}
	return changes
}

// look finds out for which time-outs too much of the log waits to be read.
func (p *Partition) look(now int64) {
	for len(p.blind) < len(p.table.classes) {
		p.blind = append(p.blind, false)
	}
	turned := false
	var turn [mostClasses]bool
	for i, c := range p.table.classes {
		turn[i] = p.blind[i] != (now-p.horizon > c.offline)
		p.blind[i] = p.blind[i] != turn[i]
		turned = turned || turn[i]
	}
	if !turned {
		return
	}
	for _, d := range p.queue {
		if turn[d.class] {
			p.table.mark(d)
		}
	}
}

// update judges a device and appends what has changed.
func (t *Table) update(d *device, changes []Change) []Change {
	c := t.classes[d.class]
	from := d.state
	state, since, due := d.home.judge(d, c)
	d.due = due
	d.home.queue.fix(int(d.place))
	if state == from && !(c.lastSeen && d.alive-d.told >= c.offline/4) {
		return changes
	}
	if state != from {
		d.state, d.since = state, since
	}
	again := state == Offline && d.wasOffline
	d.wasOffline = d.wasOffline || state == Offline
	d.told = d.alive
	return append(changes, Change{Target: d.target, From: from, Status: d.status(), Again: again})
}
