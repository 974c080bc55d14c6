package platform

import (
	"slices"
	"sync"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

// Reckoned memory of what is remembered, in bytes, beside names and contents.
const (
	lastThing = 256
	lastEntry = 192
	// indexFrom is how many properties a Thing has when an index of them is worth its memory.
	indexFrom = 64
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
	buf    []byte
}

type lastOfThing struct {
	thing  string
	bytes  int
	values []lastValue
	index  map[string]int // of values, by remote name; nil while they are few
	next   int            // messages name their properties in the same order: the one after the last is tried first
}

type lastValue struct {
	name  string
	value infotable.Value
	at    int64 // ms since 1970-01-01 UTC
	bytes int   // 0: the value is not known
}

func newLastValues(most int) *lastValues {
	return &lastValues{most: most, things: map[string]*node[lastOfThing]{}}
}

// remember takes the values of one Thing, in their order.
func (l *lastValues) remember(thing string, writes []message.Write) {
	if l.most <= 0 || len(writes) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.things[thing]
	if ok {
		l.recent.used(at)
	} else {
		at = l.recent.add(lastOfThing{thing: thing, bytes: lastThing + len(thing), values: make([]lastValue, 0, len(writes))})
		l.things[thing] = at
		l.bytes += lastThing + len(thing)
	}
	for i := range writes {
		l.set(&at.of, &writes[i])
	}
	for l.bytes > l.most {
		l.drop(l.recent.last)
	}
}

func (l *lastValues) set(of *lastOfThing, w *message.Write) {
	kept := of.slot(w.Property)
	before := kept.bytes
	content := l.contentOf(w.Value)
	if content > mostContent {
		kept.value, kept.at, kept.bytes = infotable.Value{}, 0, 0
	} else {
		kept.value, kept.at, kept.bytes = w.Value, w.Time, lastEntry+len(w.Property)+content
	}
	of.bytes += kept.bytes - before
	l.bytes += kept.bytes - before
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

// contentOf is how many bytes a value holds beside its fixed size.
func (l *lastValues) contentOf(v infotable.Value) int {
	switch v.Type() {
	case infotable.TypeNumber, infotable.TypeInteger, infotable.TypeBoolean, infotable.TypeDateTime, infotable.TypeLong,
		infotable.TypeNothing, infotable.TypeLocation:
		return 0
	}
	if text, ok := v.Text(); ok {
		return len(text)
	}
	l.buf = infotable.AppendValue(l.buf[:0], v)
	n := len(l.buf)
	if cap(l.buf) > mostContent {
		l.buf = nil
	}
	return n
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
	if !ok || of.values[i].bytes == 0 {
		return v, 0, false
	}
	return of.values[i].value, of.values[i].at, true
}
