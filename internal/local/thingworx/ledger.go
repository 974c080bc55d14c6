package thingworx

import (
	"sync"

	"azx/alwayson/infotable"
)

// Entry is one acknowledged value.
type Entry struct {
	Index    uint64 // from 1, in the order of acknowledgement; those of one Thing are in the order it took them
	Thing    string
	Property string
	Value    infotable.Value
	Time     int64 // of the value: milliseconds since 1970-01-01 UTC
	Received int64 // when the platform took it: milliseconds since 1970-01-01 UTC
}

// segmentSize is how many entries are kept, and dropped, together.
const segmentSize = 4096

// segment never changes behind its count, so readers scan it without a lock.
type segment struct {
	first   uint64
	entries []Entry // capacity segmentSize, never reallocated
	bytes   int
}

// Ledger is the append-only record of acknowledged values. When it is full its oldest part is dropped.
type Ledger struct {
	maxEntries, maxBytes int

	mu       sync.Mutex
	segments []*segment
	entries  int
	bytes    int
	last     uint64
}

func newLedger(entries, bytes int) *Ledger { return &Ledger{maxEntries: entries, maxBytes: bytes} }

// append records the values of one acknowledged request.
func (l *Ledger) append(thingName string, targets []target, received int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range targets {
		s := l.tail()
		l.last++
		s.entries = append(s.entries, Entry{
			Index: l.last, Thing: thingName, Property: targets[i].prop.def.Name,
			Value: targets[i].vtq.Value, Time: targets[i].vtq.Time, Received: received,
		})
		n := heldBy(targets[i].vtq.Value)
		s.bytes += n
		l.bytes += n
		l.entries++
	}
}

// tail returns the segment to append to, after dropping old ones if the ledger is full.
func (l *Ledger) tail() *segment {
	if n := len(l.segments); n > 0 && len(l.segments[n-1].entries) < segmentSize {
		return l.segments[n-1]
	}
	for len(l.segments) > 1 && (l.entries >= l.maxEntries+segmentSize || l.bytes > l.maxBytes) {
		l.entries -= len(l.segments[0].entries)
		l.bytes -= l.segments[0].bytes
		l.segments[0] = nil
		l.segments = l.segments[1:]
	}
	s := &segment{first: l.last + 1, entries: make([]Entry, 0, segmentSize)}
	l.segments = append(l.segments, s)
	return s
}

// heldBy is the memory, in bytes, that an entry with this value takes, about.
func heldBy(v infotable.Value) int {
	const entry = 112
	if s, ok := v.Text(); ok {
		return entry + len(s)
	}
	if t, ok := v.Table(); ok {
		return entry + 64*len(t.Fields)*(len(t.Rows)+1)
	}
	return entry
}

// Query selects entries.
type Query struct {
	Thing    string // "" for all
	Property string // "" for all
	After    uint64 // only entries with a greater index
	Limit    int    // at most this many; 0 for all
}

// Read returns the entries that match, oldest first.
func (l *Ledger) Read(q Query) []Entry {
	var out []Entry
	for _, s := range l.snapshot() {
		if len(s.entries) == 0 || s.entries[len(s.entries)-1].Index <= q.After {
			continue
		}
		for i := range s.entries {
			e := &s.entries[i]
			if e.Index <= q.After || q.Thing != "" && e.Thing != q.Thing || q.Property != "" && e.Property != q.Property {
				continue
			}
			out = append(out, *e)
			if q.Limit > 0 && len(out) == q.Limit {
				return out
			}
		}
	}
	return out
}

// snapshot copies the heads of the segments; the entries they show do not change any more.
func (l *Ledger) snapshot() []segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]segment, len(l.segments))
	for i, s := range l.segments {
		out[i] = *s
	}
	return out
}

// Bounds returns the indexes of the oldest entry kept and of the newest; first is last+1 when there is none.
func (l *Ledger) Bounds() (first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = l.last + 1
	if len(l.segments) > 0 {
		first = l.segments[0].first
	}
	return first, l.last
}
