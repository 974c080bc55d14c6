package presence

import (
	"slices"
	"time"

	"azx/internal/fault"
	"azx/internal/message"
)

// Partition is a partition of the hub while this connector reads it, with the devices whose last message came by it.
type Partition struct {
	table    *Table
	name     string
	horizon  int64  // what the hub took until then is known; 0 if nothing is
	since    int64  // no evidence is missing from then to the horizon
	gap      bool   // evidence is missing up to where the horizon moves next
	sequence int64  // of the newest message that was seen, here or by an owner before
	first    bool   // no message was seen since Take
	queue    queue  // its devices by when they are due
	blind    []bool // for each class: more of the log waits to be read than its devices may be silent
	fresh    bool   // a device has come to it, or come back, since the last Snapshot
	released bool
}

// NoMessage stands for the sequence number of the last message where there is none.
const NoMessage = int64(-1)

// Take begins with a partition. The snapshot is the one that its last owner saved, nil if there is none; from is the
// sequence number behind which it is read, NoMessage without a checkpoint. If the checkpoint is further on than the
// snapshot, nobody will see what lies between: a device whose time-out passes and that was not heard of since is unknown,
// until it was watched for a whole one. An error is about the snapshot, of which then nothing was taken; the caller may
// begin with nil.
func (t *Table) Take(partition string, snapshot []byte, from int64) (*Partition, error) {
	s := saved{sequence: NoMessage}
	if snapshot != nil {
		var err error
		if s, err = decode(partition, snapshot); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.partitions, func(p *Partition) bool { return p.name == partition }) {
		return nil, fault.Reject(op, "release it first", "partition %s is taken already", partition)
	}
	p := &Partition{table: t, name: partition, first: true, horizon: s.horizon, since: s.since,
		sequence: max(s.sequence, from), gap: s.gap || snapshot == nil || from > s.sequence}
	if err := t.merge(p, s); err != nil {
		return nil, err
	}
	t.partitions = append(t.partitions, p)
	return p, nil
}

// merge takes the devices of a snapshot. One that has meanwhile been heard of by another partition stays with that one.
func (t *Table) merge(p *Partition, s saved) error {
	classes := make([]uint16, 1+len(s.classes))
	for i, c := range s.classes {
		n, ok := t.intern(c)
		if !ok {
			return fault.Reject(op, "set time-outs for templates rather than for Things", "there are %d different time-outs", mostClasses)
		}
		classes[i+1] = n
	}
	for _, d := range s.devices {
		d.class = classes[d.class]
		if known := t.devices[d.target]; known != nil {
			if known.alive >= d.alive {
				continue
			}
			known.home.queue.remove(known)
			t.drop(known)
		}
		if len(t.devices) < MaxDevices {
			t.add(p, d)
		}
	}
	return nil
}

// Release ends with the partition, which somebody else reads from now on. Its devices are forgotten here.
func (p *Partition) Release() {
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.released {
		return
	}
	p.released = true
	for _, d := range p.queue {
		t.drop(d)
	}
	p.queue = nil
	t.partitions = slices.DeleteFunc(t.partitions, func(q *Partition) bool { return q == p })
}

// Saw takes a message of the partition, whatever it is, before its receipt is settled. The order is that of the partition;
// one that is read again changes nothing. An error says that an event of the hub could not be understood, or that there are
// too many devices; the message counts as seen.
func (p *Partition) Saw(m *message.Message) error {
	signs, err := eventSigns(m)
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.released {
		return nil
	}
	at := milliseconds(m.Enqueued)
	if p.first && m.Sequence > p.sequence+1 {
		p.gap = true
	}
	p.first, p.sequence = false, max(p.sequence, m.Sequence)
	p.reach(at)
	if m.IsTelemetry() && m.DeviceID != "" {
		return p.speaks(message.Target{Device: m.DeviceID, Module: m.ModuleID}, at)
	}
	for _, s := range signs {
		if err := p.sign(s, at); err != nil {
			return err
		}
	}
	return err
}

// Fresh reports whether a device has come to the partition, or come back, since the last Snapshot: until the next one is saved,
// no checkpoint should pass its message, or nobody would know of it after a crash.
func (p *Partition) Fresh() bool {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	return p.fresh && !p.released
}

// Unsaved tells that the last Snapshot could not be saved.
func (p *Partition) Unsaved() {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	p.fresh = true
}

// Head tells that the hub's last message of the partition was that one, NoMessage if there is none, at the time at which the
// hub was asked. If it has been seen, the horizon moves there. It has to come several times within the shortest time-out:
// without it, a partition that nobody sends to is one of which nothing is known.
func (p *Partition) Head(last int64, asked time.Time) {
	p.table.mu.Lock()
	defer p.table.mu.Unlock()
	if !p.released && p.sequence >= last {
		p.reach(milliseconds(asked))
	}
}

// reach moves the horizon.
func (p *Partition) reach(at int64) {
	p.horizon = max(p.horizon, at)
	if p.gap {
		p.gap, p.since = false, p.horizon
		for _, d := range p.queue {
			p.table.mark(d)
		}
	}
}

// speaks takes a message of a device, or of a module and thereby of its device.
func (p *Partition) speaks(target message.Target, at int64) error {
	d, err := p.table.find(p, target)
	if err != nil {
		return err
	}
	if d.home != p && at >= d.alive {
		d.home.queue.remove(d)
		d.home = p
		p.queue.add(d)
		p.fresh = true
		p.table.mark(d)
	}
	p.table.lives(d, at, Message)
	if target.Module == "" {
		return nil
	}
	return p.speaks(message.Target{Device: target.Device}, at)
}

// sign takes what an event says.
func (p *Partition) sign(s sign, at int64) error {
	d, err := p.table.find(p, s.target)
	if err != nil {
		return err
	}
	if s.kind == Connection {
		if !s.sequence.after(d.sequence) {
			return nil // an older one that came late, or the same one once more
		}
		d.sequence = s.sequence
	}
	if !s.alive {
		p.table.absent(d, at, s.kind)
		return nil
	}
	p.table.lives(d, at, s.kind)
	if s.target.Module == "" {
		return nil
	}
	if d, err = p.table.find(p, message.Target{Device: s.target.Device}); err == nil {
		p.table.lives(d, at, s.kind) // where a module lives, its device does
	}
	return err
}
