package platform

import (
	"bytes"
	"slices"
	"sync"

	"azx/alwayson/infotable"
	"azx/internal/mapping"
)

// Reckoned memory of what is remembered, in bytes, beside names and contents.
const (
	lastThing = 256
	lastEntry = 192
	// indexFrom is how many properties a Thing has when an index of them is worth its memory.
	indexFrom = 64
	// mostSpareText is how much longer than twice its length the memory of a value may be.
	mostSpareText = 64
	// mostContent is the largest content that is remembered: larger ones are told by the platform itself.
	mostContent = 64 << 10
)

// lastValues remembers the last acknowledged values of a lane's Things. When they take more memory than they may, the
// Thing that was written longest ago is forgotten.
type lastValues struct {
	most int // bytes; 0 remembers nothing

	mu     sync.Mutex
	bytes  int
	things map[string]*node[lastOfThing]
	recent byUse[lastOfThing] // by when they were written
}

type lastOfThing struct {
	thing  string
	bytes  int
	values []lastValue
	index  map[string]int // of values, by remote name; nil while they are few
	next   int            // messages name their properties in the same order: the one after the last is tried first
}

type lastValue struct {
	name string
	text []byte // the value, encoded; empty: it is not known
	at   int64  // ms since 1970-01-01 UTC
}

// bytes is the memory that the value is reckoned to take.
func (v *lastValue) bytes() int {
	if len(v.text) == 0 {
		return 0
	}
	return lastEntry + len(v.name) + len(v.text)
}

func newLastValues(most int) *lastValues {
	return &lastValues{most: most, things: map[string]*node[lastOfThing]{}}
}

// remember takes the values in [from, to), which are of one Thing, in their order.
func (l *lastValues) remember(thing string, values *mapping.Values, from, to int) {
	if l.most <= 0 || from == to {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.things[thing]
	if ok {
		l.recent.used(at)
	} else {
		at = l.recent.add(lastOfThing{thing: thing, bytes: lastThing + len(thing), values: make([]lastValue, 0, to-from)})
		l.things[thing] = at
		l.bytes += lastThing + len(thing)
	}
	for i := from; i < to; i++ {
		l.set(&at.of, values, i)
	}
	for l.bytes > l.most {
		l.drop(l.recent.last)
	}
}

func (l *lastValues) set(of *lastOfThing, values *mapping.Values, i int) {
	property, text, at := values.At(i)
	kept := of.slot(property)
	before := kept.bytes()
	switch {
	case len(text) > mostContent:
		kept.text = nil
	case cap(kept.text) > 2*len(text)+mostSpareText: // it was much longer
		kept.text = bytes.Clone(text)
	default:
		kept.text = append(kept.text[:0], text...)
	}
	kept.at = at
	of.bytes += kept.bytes() - before
	l.bytes += kept.bytes() - before
}

// slot returns where a property's value is kept.
func (of *lastOfThing) slot(name string) *lastValue {
	at := of.next
	if at >= len(of.values) || of.values[at].name != name {
		var ok bool
		if at, ok = of.find(name); !ok {
			at = of.add(name)
		}
	}
	if of.next = at + 1; of.next == len(of.values) {
		of.next = 0
	}
	return &of.values[at]
}

func (of *lastOfThing) find(name string) (at int, ok bool) {
	if of.index != nil {
		at, ok = of.index[name]
		return at, ok
	}
	at = slices.IndexFunc(of.values, func(v lastValue) bool { return v.name == name })
	return at, at >= 0
}

func (of *lastOfThing) add(name string) (at int) {
	at = len(of.values)
	of.values = append(of.values, lastValue{name: name})
	switch {
	case of.index != nil:
		of.index[name] = at
	case len(of.values) >= indexFrom:
		of.index = make(map[string]int, len(of.values))
		for i := range of.values {
			of.index[of.values[i].name] = i
		}
	}
	return at
}

func (l *lastValues) drop(at *node[lastOfThing]) {
	l.recent.remove(at)
	delete(l.things, at.of.thing)
	l.bytes -= at.of.bytes
}

func (l *lastValues) get(thing, edgeName string) (v infotable.Value, ms int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.things[thing]
	if !ok {
		return v, 0, false
	}
	of := &at.of
	i, ok := of.find(edgeName)
	if !ok || of.values[i].bytes() == 0 {
		return v, 0, false
	}
	v, _, err := infotable.DecodeValue(of.values[i].text, infotable.Limits{})
	return v, of.values[i].at, err == nil
}
