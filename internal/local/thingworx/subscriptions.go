package thingworx

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/script"
	"azx/internal/local/thingworx/security"
)

// Kinds of sources of subscriptions (read).
const (
	sourceThing    = "Thing"
	sourceTemplate = "ThingTemplate"
	sourceShape    = "ThingShape"
)

// maxChain bounds how many events may fire each other.
const maxChain = 16

// subscription runs a script, or calls a service, when an event is fired.
type subscription struct {
	entity.Subscription
	from    string // template or shape that defines it; "" for the Thing's own
	service string // of a dynamic one, instead of the program
	program *script.Program
}

func compileSubscription(in entity.Subscription) (*subscription, error) {
	program, err := compileScript("subscription "+in.Name, in.Handler, in.Code)
	return &subscription{Subscription: in, program: program}, err
}

// addSubscription adds an own one; the caller holds the Thing's mutex.
func (t *thing) addSubscription(in entity.Subscription) error {
	if len(t.subscriptions) >= maxMembers {
		return Refuse(Forbidden, "a Thing may have %d subscriptions of its own", maxMembers)
	}
	s, err := compileSubscription(in)
	if err == nil {
		t.subscriptions = append(t.subscriptions, s)
	}
	return err
}

// local reports whether a subscription of t is to t's own events.
func (s *subscription) local(t *thing) bool {
	return s.Source == "" || s.Source == t.name && s.kind() == sourceThing
}

func (s *subscription) kind() string { return orText(s.SourceType, sourceThing) }

func isDataChange(event string) bool { return event == eventDataChange || event == eventAnyDataChange }

// watch notes whether subscriptions of the Thing's own wait for data changes; the caller holds its mutex.
func (t *thing) watch() {
	t.watched = slices.ContainsFunc(t.allSubscriptions(), func(s *subscription) bool {
		return s.Enabled && s.local(t) && isDataChange(s.Event)
	})
}

// occurrence is an event on its way to subscriptions.
type occurrence struct {
	thing    *thing // that fired it
	event    string
	property string // of a data change
	time     int64  // milliseconds since 1970-01-01 UTC
	data     *infotable.Table
}

// subscriber is a Thing with one of its subscriptions.
type subscriber struct {
	thing *thing
	*subscription
}

// sourceKey is what subscriptions of other Things wait for.
type sourceKey struct{ kind, name, event string }

// sources knows the subscriptions to events of other Things.
type sources struct {
	mu   sync.RWMutex
	by   map[sourceKey][]subscriber
	keys map[*thing][]sourceKey
	data atomic.Int64 // how many of them wait for data changes
}

// put takes up the subscriptions of a Thing as they are now.
func (s *sources) put(t *thing) {
	t.mu.Lock()
	var found []subscriber
	for _, one := range t.allSubscriptions() {
		if one.Enabled && !one.local(t) {
			found = append(found, subscriber{t, one})
		}
	}
	t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(t)
	for _, one := range found {
		if s.by == nil {
			s.by, s.keys = map[sourceKey][]subscriber{}, map[*thing][]sourceKey{}
		}
		key := sourceKey{one.kind(), one.Source, one.Event}
		s.by[key] = append(s.by[key], one)
		s.keys[t] = append(s.keys[t], key)
		if isDataChange(one.Event) {
			s.data.Add(1)
		}
	}
}

func (s *sources) remove(t *thing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(t)
}

func (s *sources) forget(t *thing) {
	for _, key := range s.keys[t] {
		s.by[key] = slices.DeleteFunc(s.by[key], func(one subscriber) bool {
			mine := one.thing == t
			if mine && isDataChange(one.Event) {
				s.data.Add(-1)
			}
			return mine
		})
		if len(s.by[key]) == 0 {
			delete(s.by, key)
		}
	}
	delete(s.keys, t)
}

// subscribers returns who waits for an event of a Thing.
func (p *Platform) subscribers(o *occurrence) []subscriber {
	var out []subscriber
	t := o.thing
	t.mu.Lock()
	c := t.class
	for _, s := range t.allSubscriptions() {
		if s.Enabled && s.Event == o.event && s.local(t) {
			out = append(out, subscriber{t, s})
		}
	}
	t.mu.Unlock()
	p.sources.mu.RLock()
	if len(p.sources.by) > 0 {
		out = append(out, p.sources.by[sourceKey{sourceThing, t.name, o.event}]...)
		for _, name := range c.lineage {
			out = append(out, p.sources.by[sourceKey{sourceTemplate, name, o.event}]...)
		}
		for _, name := range c.shapes {
			out = append(out, p.sources.by[sourceKey{sourceShape, name, o.event}]...)
		}
	}
	p.sources.mu.RUnlock()
	if o.event == eventDataChange {
		out = slices.DeleteFunc(out, func(s subscriber) bool { return s.Property != o.property })
	}
	return out
}

// emit hands an event to the subscriptions that wait for it, which run later in the security context of the caller.
func (p *Platform) emit(ctx context.Context, o occurrence) {
	found := p.subscribers(&o)
	if len(found) == 0 {
		return
	}
	as := acting{Caller: Caller{User: security.SuperUser}}
	if a := actingIn(ctx); a != nil {
		as = *a
	}
	as.inService = true
	if as.chain++; as.chain > maxChain {
		p.log(ctx, "error", "subscriptions", fmt.Sprintf("event %s of Thing %s: %d events have fired each other, so nobody hears of it",
			o.event, o.thing.name, maxChain))
		return
	}
	for _, s := range found {
		what := "subscription " + s.Name + " of Thing " + s.thing.name
		err := p.queue.add(job{what: what, as: &as, run: func(ctx context.Context) error { return p.hear(ctx, s, &o) }})
		if err != nil {
			p.log(ctx, "error", what, err.Error())
		}
	}
}

// hear runs one subscription.
func (p *Platform) hear(ctx context.Context, s subscriber, o *occurrence) error {
	s.thing.mu.Lock()
	err := s.thing.usable()
	s.thing.mu.Unlock()
	if err != nil {
		return nil // it was deleted or disabled meanwhile
	}
	vars := []infotable.Cell{
		{Name: "eventData", Value: infotable.FromTable(o.data)}, {Name: "eventName", Value: infotable.String(o.event)},
		{Name: "eventTime", Value: infotable.DateTime(o.time)}, {Name: "source", Value: infotable.String(o.thing.name)},
		{Name: "sourceProperty", Value: infotable.String(o.property)},
	}
	me := scripted{p, subject{thing: s.thing}, true}
	if s.service != "" {
		_, err := me.Call(ctx, s.service, infotable.OneRow(vars...))
		return err
	}
	if s.program == nil { // imported in silent mode, with a mistake
		return nil
	}
	_, err = p.scripts.Run(ctx, s.program, script.Run{Me: me, Vars: vars, Result: tNothing, Logger: s.thing.name + "." + s.Name})
	return err
}

// change is a data change of a property.
type change struct {
	def      *Definition
	old, now VTQ
}

// isChange reports whether a write is a data change, as the property's definition says.
func (d *Definition) isChange(old, now VTQ) bool {
	switch d.Change {
	case ChangeAlways:
		return true
	case ChangeNever:
		return false
	case ChangeOn, ChangeOff:
		was, _ := old.Value.Boolean()
		is, ok := now.Value.Boolean()
		return ok && was != is && is == (d.Change == ChangeOn)
	}
	if a, ok := old.Value.Number(); ok && d.Threshold > 0 {
		b, _ := now.Value.Number()
		return math.Abs(a-b) >= d.Threshold
	}
	return !old.Value.Equal(now.Value)
}

// heard reports whether anybody may wait for data changes of a Thing; the caller holds its mutex.
func (p *Platform) heard(t *thing) bool { return t.watched || p.sources.data.Load() > 0 }

// emitChanges tells of data changes.
func (p *Platform) emitChanges(ctx context.Context, t *thing, changes []change) {
	now := p.now().UnixMilli()
	for i := range changes {
		c := &changes[i]
		cells := []infotable.Cell{{Name: "newValue", Value: infotable.FromTable(vtqTable(c.def.Type, c.now))},
			{Name: "oldValue", Value: infotable.FromTable(vtqTable(c.def.Type, c.old))}}
		p.emit(ctx, occurrence{t, eventDataChange, c.def.Name, now, infotable.OneRow(cells...)})
		cells = append(cells, infotable.Cell{Name: "name", Value: infotable.String(c.def.Name)})
		p.emit(ctx, occurrence{t, eventAnyDataChange, c.def.Name, now, infotable.OneRow(cells...)})
	}
}

// vtqTable has the columns of the data shape VTQ (read).
func vtqTable(t infotable.BaseType, v VTQ) *infotable.Table {
	at := infotable.Nothing()
	if !v.Value.IsNothing() {
		at = infotable.DateTime(v.Time)
	}
	return infotable.New(infotable.Column("value", t), infotable.Column("time", tDateTime), infotable.Column("quality", tString)).
		Add(v.Value, at, infotable.String(v.Quality))
}

// started tells of a Thing that starts, if it is enabled.
func (p *Platform) started(ctx context.Context, t *thing) {
	t.mu.Lock()
	enabled, timer := t.enabled && !t.gone, t.class.bases[TemplateTimer]
	t.mu.Unlock()
	if enabled {
		p.emit(ctx, occurrence{t, eventThingStart, "", p.now().UnixMilli(), &infotable.Table{Rows: []infotable.Row{{}}}})
	}
	if timer {
		p.wakeTimers()
	}
}

// restarted is started for a Thing whose definitions or configuration its edge should learn anew.
func (p *Platform) restarted(ctx context.Context, t *thing) {
	p.bindingsChanged(t)
	p.started(ctx, t)
}
