package presence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"azx/internal/fault"
	"azx/internal/message"
)

// A snapshot is, with integers as of package encoding/binary's varints and texts behind their length:
//
//	"azxp", version 1, partition
//	horizon, since (ms since 1970), gap (0, 1), sequence (signed)
//	number of time-outs besides the table's own; of each: late, offline (ms), last seen asked for (0, 1)
//	number of devices; of each: device, module, last sign of life, of absence, last seen as told, begin of the state (ms),
//	    time-outs (0: the table's own), flags, kinds of both signs, and 32 bytes of sequence if a flag says so
//	CRC-32 (Castagnoli) of all that, 4 bytes, little endian
const (
	magic   = "azxp"
	version = 1

	flagState      = 0b00011
	flagWasOffline = 0b00100
	flagSequence   = 0b01000
	flagLeft       = 0b10000

	smallestDevice = 10      // bytes
	longestID      = 128     // bytes
	latest         = 1 << 47 // ms: in the year 6429
)

// MaxSnapshot is how many bytes a snapshot has at most: nothing longer needs to be read.
const MaxSnapshot = 512 << 20

// saved is what a snapshot holds.
type saved struct {
	horizon, since int64
	gap            bool
	sequence       int64
	classes        []class // 1, 2 and so on; 0 is whatever the table has
	devices        []*device
}

// Snapshot returns what is known of the partition, as of the last Advance: about 50 bytes a device. nil if the partition was
// released.
func (p *Partition) Snapshot() []byte {
	t := p.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.released {
		return nil
	}
	p.fresh = false
	return encode(p.name, saved{horizon: p.horizon, since: p.since, gap: p.gap, sequence: p.sequence, classes: t.classes[1:], devices: p.queue})
}

func encode(partition string, s saved) []byte {
	out := make([]byte, 0, 64+len(partition)+16*len(s.classes)+64*len(s.devices))
	out = append(append(out, magic...), version)
	out = appendText(out, partition)
	out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(s.horizon)), uint64(s.since))
	out = binary.AppendVarint(append(out, bit(s.gap)), s.sequence)
	out = binary.AppendUvarint(out, uint64(len(s.classes)))
	for _, c := range s.classes {
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(c.late)), uint64(c.offline))
		out = append(out, bit(c.lastSeen))
	}
	out = binary.AppendUvarint(out, uint64(len(s.devices)))
	for _, d := range s.devices {
		out = appendDevice(out, d)
	}
	return binary.LittleEndian.AppendUint32(out, checksum(out))
}

func appendDevice(out []byte, d *device) []byte {
	out = appendText(appendText(out, d.target.Device), d.target.Module)
	for _, n := range [...]int64{d.alive, d.gone, d.told, d.since, int64(d.class)} {
		out = binary.AppendUvarint(out, uint64(n))
	}
	flags := byte(d.state)
	if d.isDirty && d.state == Offline && !d.wasOffline {
		flags = byte(Unknown) // it has spoken since, and what will be told of that nobody knows who reads this
	}
	if d.wasOffline {
		flags |= flagWasOffline
	}
	if d.left {
		flags |= flagLeft
	}
	ordered := d.sequence != sequence{}
	if ordered {
		flags |= flagSequence
	}
	out = append(out, flags, byte(d.aliveBy)|byte(d.goneBy)<<4)
	if ordered {
		out = append(out, d.sequence[:]...)
	}
	return out
}

func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

var errDamaged = errors.New("it is damaged")

// decode reads a snapshot of a partition. What it allocates is bounded by the length of the snapshot.
func decode(partition string, snapshot []byte) (saved, error) {
	s, err := read(partition, snapshot)
	if err != nil {
		return saved{}, &fault.Problem{Op: "presence: read the snapshot of partition " + partition, Class: fault.Rejected, Cause: err,
			Hint: "without it, devices are not known until they are heard of"}
	}
	return s, nil
}

func read(partition string, snapshot []byte) (s saved, err error) {
	head := len(magic) + 1
	if len(snapshot) > MaxSnapshot || len(snapshot) < head+crc32.Size || string(snapshot[:len(magic)]) != magic {
		return s, errors.New("it is none")
	}
	if v := snapshot[len(magic)]; v != version {
		return s, fmt.Errorf("it has version %d, and this program reads %d", v, version)
	}
	end := len(snapshot) - crc32.Size
	if checksum(snapshot[:end]) != binary.LittleEndian.Uint32(snapshot[end:]) {
		return s, errDamaged
	}
	r := reader{rest: snapshot[head:end]}
	if of := r.text(math.MaxUint8); !r.bad && of != partition {
		return s, fmt.Errorf("it is of partition %.40q", of)
	}
	s = saved{horizon: r.integer(latest), since: r.integer(latest), gap: r.integer(1) == 1, sequence: r.signed()}
	s.classes = make([]class, r.integer(min(mostClasses-1, int64(len(r.rest)))))
	for i := range s.classes {
		s.classes[i] = r.class()
	}
	s.devices = make([]*device, r.integer(min(MaxDevices, int64(len(r.rest)/smallestDevice))))
	for i := range s.devices {
		if s.devices[i] = r.device(len(s.classes)); r.bad {
			break
		}
	}
	if r.bad || len(r.rest) > 0 {
		return s, errDamaged
	}
	return s, nil
}

// reader takes values from the front of rest; after a bad one all are zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.rest, r.bad = nil, true }

// integer reads one of 0 to most.
func (r *reader) integer(most int64) int64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > uint64(max(most, 0)) {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v)
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 || v < NoMessage {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) text(most int64) string { return string(r.bytes(int(r.integer(most)))) }

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) class() class {
	longest, shortest := longest.Milliseconds(), shortest.Milliseconds()
	c := class{late: r.integer(longest), offline: r.integer(longest), lastSeen: r.integer(1) == 1}
	if c.late < shortest || c.offline <= c.late {
		r.fail()
	}
	return c
}

func (r *reader) device(classes int) *device {
	d := &device{target: message.Target{Device: r.text(longestID), Module: r.text(longestID)},
		alive: r.integer(latest), gone: r.integer(latest), told: r.integer(latest), since: r.integer(latest),
		class: uint16(r.integer(int64(classes)))}
	flags, kinds := r.integer(math.MaxInt8), r.integer(math.MaxInt8)
	d.state, d.wasOffline, d.left = State(flags&flagState), flags&flagWasOffline != 0, flags&flagLeft != 0
	if flags&flagSequence != 0 {
		copy(d.sequence[:], r.bytes(len(d.sequence)))
	}
	d.aliveBy, d.goneBy = Kind(kinds&0xf), Kind(kinds>>4)
	if d.target.Device == "" || flags >= 2*flagLeft || d.aliveBy > Ping || d.goneBy > Ping ||
		(d.alive == 0) != (d.aliveBy == None) || (d.gone == 0) != (d.goneBy == None) {
		r.fail()
	}
	return d
}
