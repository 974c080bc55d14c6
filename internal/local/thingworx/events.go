package thingworx

import (
	"context"
	"slices"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/security"
)

// Bounds of the events that are remembered.
const (
	keptEvents      = 10_000
	keptEventBytes  = 32 << 20 // of their data, in AlwaysOn form
	keptOfOneThing  = 100
	maxEventColumns = 100
)

// Fired is an event of a Thing that somebody fired.
type Fired struct {
	Index uint64 // from 1, in the order in which they were fired
	Thing string
	Event string
	Time  time.Time
	Data  *infotable.Table // one row; nil for none
}

// eventLog remembers events, and of each Thing no more than its share.
type eventLog struct {
	mu      sync.Mutex
	entries []keptEvent // oldest first
	bytes   int
	ofThing map[string]int
	last    uint64
}

type keptEvent struct {
	Fired
	size int
}

// add remembers an event; the oldest ones make room, those of its own Thing first.
func (l *eventLog) add(f Fired) {
	size := len(infotable.AppendValue(nil, infotable.FromTable(f.Data)))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ofThing == nil {
		l.ofThing = map[string]int{}
	}
	if l.ofThing[f.Thing] >= keptOfOneThing {
		l.drop(slices.IndexFunc(l.entries, func(e keptEvent) bool { return e.Thing == f.Thing }))
	}
	for len(l.entries) > 0 && (len(l.entries) >= keptEvents || l.bytes+size > keptEventBytes) {
		l.drop(0)
	}
	l.last++
	f.Index = l.last
	l.entries = append(l.entries, keptEvent{f, size})
	l.ofThing[f.Thing]++
	l.bytes += size
}

func (l *eventLog) drop(i int) {
	e := &l.entries[i]
	l.bytes -= e.size
	if l.ofThing[e.Thing]--; l.ofThing[e.Thing] == 0 {
		delete(l.ofThing, e.Thing)
	}
	l.entries = slices.Delete(l.entries, i, i+1)
}

// Events returns the remembered events of a Thing ("": of all), the newest first, at most limit (0: all). It does not ask
// who the caller is.
func (p *Platform) Events(thingName string, limit int) []Fired {
	l := &p.events
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Fired
	for i := len(l.entries) - 1; i >= 0 && (limit <= 0 || len(out) < limit); i-- {
		if e := &l.entries[i]; thingName == "" || e.Thing == thingName {
			out = append(out, e.Fired)
		}
	}
	return out
}

// Fire takes an event of a Thing: it is remembered, and handed to the subscriptions that wait for it. data has one row
// with the columns of the event's data shape, nil for none. ThingNotFoundError of ConnectionServicesHub feeds the list of
// devices without a Thing besides.
func (p *Platform) Fire(ctx context.Context, thingName, event string, data *infotable.Table) error {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return err
	}
	if err := p.may(ctx, subject{thing: t}, security.EventInvoke, event); err != nil {
		return err
	}
	t.mu.Lock()
	err = t.usable()
	definition, ok := t.event(event)
	t.mu.Unlock()
	switch {
	case err != nil:
		return err
	case !ok:
		return Refuse(NotFound, "Thing %s has no event %q", thingName, shorten(event))
	}
	if data, err = p.eventData(&definition, data); err != nil {
		return Refuse(Invalid, "event %s of Thing %s: %v", event, thingName, err)
	}
	if event == EventThingNotFound && thingName == ConnectionServicesHub {
		if err := p.deviceWithoutThing(data); err != nil {
			return err
		}
	}
	now := p.now()
	p.events.add(Fired{Thing: thingName, Event: event, Time: now, Data: data})
	p.stats.events.Add(1)
	p.emit(ctx, occurrence{t, event, "", now.UnixMilli(), data})
	return nil
}

// eventData is data with the columns of the event's data shape.
func (p *Platform) eventData(e *EventDefinition, data *infotable.Table) (*infotable.Table, error) {
	if data.Len() > 1 || data != nil && len(data.Fields) > maxEventColumns {
		return nil, Refuse(Invalid, "its data is one row with at most %d columns", maxEventColumns)
	}
	fields, ok := p.model.Load().dataShape(e.DataShape)
	if !ok || data.Len() == 0 { // an event without a data shape takes anything
		return data, nil
	}
	row := make(infotable.Row, len(fields))
	for i, f := range data.Fields {
		at := slices.IndexFunc(fields, func(own infotable.Field) bool { return own.Name == f.Name })
		v := data.Rows[0].Cell(i)
		if at < 0 {
			return nil, Refuse(Invalid, "its data shape %s has no column %q", e.DataShape, shorten(f.Name))
		}
		if v.IsNothing() {
			continue
		}
		fitted, err := fit(fields[at].Type, v)
		if err != nil {
			return nil, Refuse(Invalid, "column %s: %v", f.Name, err)
		}
		row[at] = fitted
	}
	return infotable.New(fields...).Add(row...), nil
}
