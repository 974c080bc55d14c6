// Package history keeps the value streams of the local platform: what properties were, and when. It is bounded; what came
// first goes first.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"azx/alwayson/infotable"
)

// Entry is a value that a property had.
type Entry struct {
	Thing    string
	Property string
	Time     int64 // milliseconds since 1970-01-01 UTC
	Value    infotable.Value
	Quality  string // such as GOOD; may be empty
}

// Query asks for entries of a Thing.
type Query struct {
	Thing      string
	Properties []string // nil: all
	From, To   int64    // milliseconds, both included; 0: from the first, to the last
	Limit      int      // at most so many entries; 0, or more than MaxLimit: MaxLimit
	Oldest     bool     // the oldest first, and of one time by the property's name; else the other way round
}

// Size is what a history holds.
type Size struct {
	Entries int64
	Bytes   int64 // as Options.Bytes counts
}

// History keeps entries. There is one for a Thing, a property and a time: a later one replaces it, at its place. Its methods
// may be called concurrently.
type History interface {
	// Append adds entries, all or none. When it returns they outlive the process, and, unless the history was opened with
	// NoSync, a power cut. Appends from several goroutines share a commit. An error that wraps ErrEntry came before
	// anything was written; after another one the disk has the last word, and the same entries may be appended again.
	Append(entries []Entry) error
	// Query returns entries in the order of their times. What is not there gives none.
	Query(q Query) ([]Entry, error)
	// Purge forgets a Thing. From when it is called, its entries are not found; when it returns their room is free. An
	// append under way meanwhile may come before or behind it.
	Purge(thing string) error
	// Size tells how much there is.
	Size() (Size, error)
	// Close ends the use of the history, once what is under way is done. It may be called twice.
	Close() error
}

// ErrEntry says that an entry cannot be kept as it is; the error's text says which and why.
var ErrEntry = errors.New("not an entry")

// Options bound a history. When a bound is exceeded, the entries go that arrived first; one that was replaced arrived when
// it came first.
type Options struct {
	Entries int64 // at most so many; 0: 1,000,000 in a file, 100,000 in memory
	Bytes   int64 // at most so many bytes of values and qualities, and Overhead for each entry; 0: 256 MiB, 64 MiB
	// NoSync leaves it to the operating system when an append is on the disk: a power cut may lose the last ones, or damage
	// the file. It is for histories in files.
	NoSync bool
}

// Bounds of entries and queries.
const (
	Overhead = 64       // bytes that an entry counts besides its content
	MaxName  = 1024     // bytes of the name of a Thing, of a property, and of a quality
	MaxValue = 16 << 20 // bytes of a value on the wire
	MaxLimit = 100_000  // entries that a query returns
)

func (o Options) orDefault(entries, bytes int64) Options {
	o.Entries, o.Bytes = cmp.Or(max(o.Entries, 0), entries), cmp.Or(max(o.Bytes, 0), bytes)
	return o
}

func (o Options) exceeded(s Size) bool { return s.Entries > o.Entries || s.Bytes > o.Bytes }

// encoded is an entry whose value has its wire form.
type encoded struct {
	Entry
	wire []byte
}

// size is what the entry counts against Options.Bytes.
func (e *encoded) size() int64 { return Overhead + int64(len(e.Quality)+len(e.wire)) }

// encode checks entries and writes their values, all into one piece of memory.
func (o Options) encode(entries []Entry) ([]encoded, error) {
	all := make([]encoded, len(entries))
	wires := make([]byte, 0, 32*len(entries))
	for i, e := range entries {
		start := len(wires)
		wires = infotable.AppendValue(wires, e.Value)
		all[i] = encoded{e, wires[start:len(wires):len(wires)]}
		if why := o.refuses(&all[i]); why != "" {
			return nil, fmt.Errorf("append entry %d, %.40q of %.40q: %w: %s", i, e.Property, e.Thing, ErrEntry, why)
		}
	}
	return all, nil
}

// refuses says why an entry cannot be kept; "" if it can.
func (o Options) refuses(e *encoded) string {
	switch {
	case e.Thing == "" || e.Property == "":
		return "Thing and property must have a name"
	case max(len(e.Thing), len(e.Property), len(e.Quality)) > MaxName:
		return fmt.Sprintf("a name or quality of more than %d bytes", MaxName)
	case len(e.wire) > MaxValue:
		return fmt.Sprintf("a value of %d bytes, at most %d", len(e.wire), MaxValue)
	case e.size() > o.Bytes:
		return fmt.Sprintf("it counts %d bytes, and the whole history may have %d", e.size(), o.Bytes)
	}
	if _, isTable := e.Value.Table(); isTable {
		if _, _, err := infotable.DecodeValue(e.wire, limits()); err != nil {
			return "its value could not be read again: " + err.Error()
		}
	}
	return ""
}

// limits are those of values that are read back: what could be written.
func limits() infotable.Limits {
	return infotable.Limits{Bytes: MaxValue, Fields: 1 << 16, Rows: 1 << 22, Cells: 1 << 24, Depth: 255}
}

func (q Query) limit() int {
	if q.Limit <= 0 || q.Limit > MaxLimit {
		return MaxLimit
	}
	return q.Limit
}

// before tells whether an entry comes first: the order of a query with the oldest first.
func before(time int64, property string, otherTime int64, otherProperty string) bool {
	if time != otherTime {
		return time < otherTime
	}
	return strings.Compare(property, otherProperty) < 0
}
