package platform

import (
	"container/list"
	"sync"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

// Reckoned memory of what is remembered, in bytes, beside names and contents.
const (
	lastThing = 256
	lastEntry = 160
	// mostContent is the largest content that is remembered: larger ones are told by the platform itself.
	mostContent = 64 << 10
)

// lastValues remembers the last acknowledged values of a lane's Things. When they take more memory than they may, the
// Thing that was written longest ago is forgotten.
type lastValues struct {
	most int // bytes; 0 remembers nothing

	mu     sync.Mutex
	bytes  int
	things map[string]*list.Element // of *lastOfThing
	recent list.List                // written last first
	buf    []byte
}

type lastOfThing struct {
	thing  string
	bytes  int
	values map[string]*lastValue // by remote name
}

type lastValue struct {
	value infotable.Value
	at    int64 // ms since 1970-01-01 UTC
	bytes int
}

func newLastValues(most int) *lastValues {
	return &lastValues{most: most, things: map[string]*list.Element{}}
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
		l.recent.MoveToFront(at)
	} else {
		at = l.recent.PushFront(&lastOfThing{thing: thing, bytes: lastThing + len(thing), values: map[string]*lastValue{}})
		l.things[thing] = at
		l.bytes += lastThing + len(thing)
	}
	of := at.Value.(*lastOfThing)
	for i := range writes {
		l.set(of, &writes[i])
	}
	for l.bytes > l.most {
		l.drop(l.recent.Back())
	}
}

func (l *lastValues) set(of *lastOfThing, w *message.Write) {
	content := l.contentOf(w.Value)
	kept := of.values[w.Property]
	before := 0
	if kept != nil {
		before = kept.bytes
	}
	after := lastEntry + len(w.Property) + content
	switch {
	case content > mostContent:
		delete(of.values, w.Property)
		after = 0
	case kept == nil:
		of.values[w.Property] = &lastValue{w.Value, w.Time, after}
	default:
		*kept = lastValue{w.Value, w.Time, after}
	}
	of.bytes += after - before
	l.bytes += after - before
}

func (l *lastValues) drop(at *list.Element) {
	of := l.recent.Remove(at).(*lastOfThing)
	delete(l.things, of.thing)
	l.bytes -= of.bytes
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

func (l *lastValues) get(thing, edgeName string) (v infotable.Value, at int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of, ok := l.things[thing]
	if !ok {
		return v, 0, false
	}
	kept := of.Value.(*lastOfThing).values[edgeName]
	if kept == nil {
		return v, 0, false
	}
	return kept.value, kept.at, true
}
