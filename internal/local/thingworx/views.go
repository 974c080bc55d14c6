package thingworx

import (
	"context"
	"slices"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// PropertyView is a property as it is at one moment.
type PropertyView struct {
	Definition
	VTQ
}

// ThingView is a Thing as it is at one moment.
type ThingView struct {
	Name, Template, Description, Tags, Project string

	HomeMashup  string
	Identifier  string
	ValueStream string   // the Thing's own or its template's, "" for none
	Package     string   // that it came with, "" for none
	Shapes      []string // of the template and added ones, sorted
	Enabled     bool
	System      bool
	Remote      bool // it can be bound
	Connected   bool
	Properties  []PropertyView // sorted by name; those that the caller may read
	Changed     uint64         // see Platform.Changes
}

// Property returns the property of a name, false if there is none.
func (v *ThingView) Property(name string) (PropertyView, bool) {
	i, ok := slices.BinarySearchFunc(v.Properties, name, func(p PropertyView, n string) int {
		return strings.Compare(p.Name, n)
	})
	if !ok {
		return PropertyView{}, false
	}
	return v.Properties[i], true
}

// view copies the Thing; the caller holds its mutex.
func (t *thing) view() ThingView {
	v := ThingView{
		Name: t.name, Template: t.template, Description: t.about.Description, Tags: t.about.Tags, Project: t.about.Project,
		HomeMashup: t.about.HomeMashup, Identifier: t.identifier, ValueStream: orText(t.stream, t.class.stream), Package: t.pkg,
		Shapes: slices.Clone(t.class.shapes), Enabled: t.enabled, System: t.system, Remote: t.class.isRemote(), Changed: t.changed,
	}
	v.Properties = make([]PropertyView, 0, len(t.props))
	for _, p := range t.props {
		v.Properties = append(v.Properties, PropertyView{*p.def, p.now})
	}
	slices.SortFunc(v.Properties, func(a, b PropertyView) int { return strings.Compare(a.Name, b.Name) })
	if p := t.props[propConnected]; p != nil {
		v.Connected, _ = p.now.Value.Boolean()
	}
	return v
}

// viewed is view for who does not hold the mutex.
func (t *thing) viewed() ThingView {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.view()
}

// Thing returns a Thing as it is now, without the properties that the caller may not read.
func (p *Platform) Thing(ctx context.Context, name string) (ThingView, error) {
	t, err := p.seen(ctx, name)
	if err != nil {
		return ThingView{}, err
	}
	v := t.viewed()
	p.conceal(ctx, t, &v)
	return v, nil
}

// conceal takes out what the caller may not read.
func (p *Platform) conceal(ctx context.Context, t *thing, v *ThingView) {
	if p.Administers(ctx) == nil {
		return
	}
	v.Properties = slices.DeleteFunc(v.Properties, func(d PropertyView) bool {
		return p.may(ctx, subject{thing: t}, security.PropertyRead, d.Name) != nil
	})
}

// Things returns the Things that the caller sees and whose names contain part (case ignored), sorted, at most limit of
// them (0: all), and how many there are in all.
func (p *Platform) Things(ctx context.Context, part string, limit int) (views []ThingView, total int) {
	part = strings.ToLower(part)
	for _, t := range p.all() {
		if part != "" && !strings.Contains(strings.ToLower(t.name), part) || !p.sees(ctx, t) {
			continue
		}
		total++
		if limit > 0 && len(views) == limit {
			continue
		}
		v := t.viewed()
		p.conceal(ctx, t, &v)
		views = append(views, v)
	}
	return views, total
}

// Changes returns those of the named Things that changed after mark, and the mark to ask with next time.
// Reshaped says that Things were added or removed since mark. It is for the page, which sees everything.
func (p *Platform) Changes(mark uint64, names []string) (changed []ThingView, next uint64, reshaped bool) {
	next = p.changes.Load() // before looking: a change made meanwhile is reported again, never lost
	for _, name := range names {
		p.mu.RLock()
		t := p.things[name]
		p.mu.RUnlock()
		if t == nil {
			continue
		}
		t.mu.Lock()
		if t.changed > mark {
			changed = append(changed, t.view())
		}
		t.mu.Unlock()
	}
	return changed, next, p.shape.Load() > mark
}

// EntityView is an entity of any collection as it is at one moment.
type EntityView struct {
	Kind EntityKind
	entity.Common
	Package string // that it came with, "" for none
	System  bool   // built in
	Source  any    // an entity.ThingTemplate and so on; nil if it is built in
}

// Entities returns the entities of a collection that the caller sees, sorted by name. Things are there too, without their
// values.
func (p *Platform) Entities(ctx context.Context, kind EntityKind) []EntityView {
	var out []EntityView
	if kind == EntityThing {
		for _, t := range p.all() {
			if p.sees(ctx, t) {
				out = append(out, t.asEntity())
			}
		}
		return out
	}
	m := p.model.Load()
	for _, e := range m.sorted(kind) {
		if p.seesEntry(ctx, m, kind, e.name()) {
			out = append(out, m.view(e))
		}
	}
	return out
}

// Entity returns one entity of any collection.
func (p *Platform) Entity(ctx context.Context, kind EntityKind, name string) (EntityView, error) {
	on, err := p.subjectOf(ctx, kind, name)
	switch {
	case err != nil:
		return EntityView{}, err
	case on.thing != nil:
		return on.thing.asEntity(), nil
	default:
		return p.model.Load().view(on.entry), nil
	}
}

func (m *model) view(e *entry) EntityView {
	v := EntityView{Kind: e.kind, Common: e.about, Package: e.owner, System: e.system, Source: e.source}
	v.Permissions = *m.permissions(e.kind, e.name())
	return v
}

func (t *thing) asEntity() EntityView {
	t.mu.Lock()
	defer t.mu.Unlock()
	return EntityView{Kind: EntityThing, Common: t.about, Package: t.pkg, System: t.system, Source: t.definition()}
}

// Collections returns the collections that have entities, sorted.
func (p *Platform) Collections() []EntityKind {
	kinds := []EntityKind{EntityThing}
	for kind, byName := range p.model.Load().entries {
		if len(byName) > 0 {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}
