package presence

import (
	"slices"
	"strings"
	"sync"
	"time"

	"azx/internal/fault"
	"azx/internal/message"
)

// MaxDevices is how many devices and modules a hub can have (read: quotas page), and how many a table takes.
const MaxDevices = 1_000_000

// Table is what a connector knows of the devices of one hub. Its methods, and those of its partitions, may be called from
// many goroutines; none waits for anything but another of them.
type Table struct {
	mu         sync.Mutex
	devices    map[message.Target]*device
	partitions []*Partition
	classes    []class // [0] is that of devices without time-outs of their own
	dirty      []*device
}

// class is Timeouts in ms.
type class struct {
	late, offline int64
	lastSeen      bool
}

// device is what is known of one device or module: 128 bytes.
type device struct {
	target              message.Target
	sequence            sequence // of the newest connection event
	alive, gone         int64    // the newest sign of life, and of absence
	told                int64    // last seen, as a Change had it last
	since, due          int64    // when the state began; the horizon at which it may end
	home                *Partition
	place               int32 // in home's queue
	class               uint16
	state               State
	aliveBy, goneBy     Kind
	left                bool // the sign that decides is one of absence
	wasOffline, isDirty bool
}

// NewTable makes a table. Devices have the time-outs given until SetTimeouts says otherwise.
func NewTable(t Timeouts) (*Table, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return &Table{devices: map[message.Target]*device{}, classes: []class{classOf(t)}}, nil
}

func classOf(t Timeouts) class {
	return class{t.Late.Milliseconds(), t.Offline.Milliseconds(), t.LastSeen}
}

// SetTimeouts sets those of a device or module; false if it is not known yet. A module that is new has those of its device.
func (t *Table) SetTimeouts(target message.Target, timeouts Timeouts) (bool, error) {
	if err := timeouts.check(); err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.devices[target]
	if d == nil {
		return false, nil
	}
	n, ok := t.intern(classOf(timeouts))
	if !ok {
		return false, fault.Reject(op, "set them for templates rather than for Things", "there are %d different time-outs", mostClasses)
	}
	if n != d.class {
		d.class = n
		t.mark(d)
	}
	return true, nil
}

func (t *Table) intern(c class) (uint16, bool) {
	n := slices.Index(t.classes, c)
	if n < 0 {
		if n = len(t.classes); n == mostClasses {
			return 0, false
		}
		t.classes = append(t.classes, c)
	}
	return uint16(n), true
}

// Pinged tells of a ping at a time: the device answered, or the hub said that nobody is there to answer. A ping that found no
// answer in time says neither. Devices that are not known are left out.
func (t *Table) Pinged(target message.Target, at time.Time, answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.devices[target]
	switch {
	case d == nil:
	case answered:
		t.lives(d, milliseconds(at), Ping)
	default:
		t.absent(d, milliseconds(at), Ping)
	}
}

// Forget removes a device or module, which the hub no longer has. A device's modules are forgotten one by one.
func (t *Table) Forget(target message.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.devices[target]; d != nil {
		d.home.queue.remove(d)
		t.drop(d)
	}
}

// Status returns what is known of a device or module as of the last Advance; false if nothing is.
func (t *Table) Status(target message.Target) (Status, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.devices[target]
	if d == nil {
		return Status{}, false
	}
	return d.status(), true
}

// Count is how many devices and modules are in each State, as of the last Advance.
func (t *Table) Count() (by [4]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.devices {
		by[d.state]++
	}
	return by
}

// find returns the device, a new one of that partition if it was not known.
func (t *Table) find(p *Partition, target message.Target) (*device, error) {
	d := t.devices[target]
	switch {
	case d != nil:
		return d, nil
	case len(target.Device) > longestID || len(target.Module) > longestID:
		return nil, fault.Reject(op, "", "an id of %d characters", max(len(target.Device), len(target.Module)))
	case len(t.devices) == MaxDevices:
		return nil, fault.Reject(op, "those that are new are left out", "%d devices and modules are known", MaxDevices)
	}
	d = &device{target: message.Target{Device: strings.Clone(target.Device), Module: strings.Clone(target.Module)}}
	if of := t.devices[message.Target{Device: target.Device}]; of != nil {
		d.class = of.class
	}
	t.add(p, d)
	return d, nil
}

func (t *Table) add(p *Partition, d *device) {
	t.devices[d.target] = d
	d.home, d.due = p, never
	p.queue.add(d)
	p.fresh = true
	t.mark(d)
}

// drop forgets a device that is in no queue any more.
func (t *Table) drop(d *device) {
	delete(t.devices, d.target)
	d.home = nil
}

// mark has the next Advance judge a device.
func (t *Table) mark(d *device) {
	if !d.isDirty {
		d.isDirty = true
		t.dirty = append(t.dirty, d)
	}
}

// lives takes a sign of life. Of two of the same moment and kind, the one that is taken last counts.
func (t *Table) lives(d *device, at int64, by Kind) {
	if at < d.alive || at == d.alive && by > d.aliveBy {
		return
	}
	if at > d.alive && d.wasOffline {
		d.wasOffline = false
		d.home.fresh = true // else nobody would know after a crash that it had come back
	}
	d.alive, d.aliveBy = at, by
	d.left = d.gone > at || d.gone == at && d.goneBy < by
	c := &t.classes[d.class]
	if d.state != Online || c.lastSeen && at-d.told >= c.offline/4 {
		t.mark(d)
	}
}

// absent takes a sign of absence.
func (t *Table) absent(d *device, at int64, by Kind) {
	if at < d.gone || at == d.gone && by > d.goneBy {
		return
	}
	d.gone, d.goneBy = at, by
	d.left = at > d.alive || at == d.alive && by <= d.aliveBy
	t.mark(d)
}
