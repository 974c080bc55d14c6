package thingworx

import (
	"context"
	"maps"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// Description is an entity with all that its definition says.
type Description struct {
	EntityView                           // Source is an entity of its kind also for built-in templates, shapes and data shapes
	Effective   entity.Members           // of Things, templates and shapes: what they define and what they inherit
	Shapes      []string                 // of Things and templates: also those of the templates, sorted
	Definitions []entity.TableDefinition // of Things and templates: also those of the templates, sorted by name
}

// Describe returns an entity with all that its definition says: also scripts, permissions and, of a Thing, the present rows of
// configuration tables, with passwords as they are kept. The caller needs the right of design time to read it.
func (p *Platform) Describe(ctx context.Context, kind EntityKind, name string) (Description, error) {
	on, err := p.subjectOf(ctx, kind, name)
	if err == nil {
		err = p.mayDesign(ctx, security.Read, kind, name)
	}
	if err != nil {
		return Description{}, err
	}
	if on.thing != nil {
		return p.describeThing(on.thing)
	}
	m := p.model.Load()
	d := Description{EntityView: m.view(on.entry), Effective: p.effective(on)}
	switch source := d.Source.(type) {
	case nil:
		d.Source = builtinSource(on.entry)
	case entity.ThingTemplate:
		source.Members = asImported(source.Members)
		d.Source = source
	case entity.ThingShape:
		source.Members = asImported(source.Members)
		d.Source = source
	}
	if on.entry.template != nil {
		c := m.class(name, nil)
		d.Shapes, d.Definitions = slices.Clone(c.shapes), tableDefinitions(c.tables, nil)
	}
	return d, nil
}

func (p *Platform) describeThing(t *thing) (Description, error) {
	d := Description{EntityView: t.asEntity(), Effective: p.effective(subject{thing: t})}
	t.mu.Lock()
	defer t.mu.Unlock()
	source, err := t.exported()
	if err != nil {
		return d, err
	}
	source.Values, source.Members = nil, asImported(source.Members)
	d.Source, d.Shapes, d.Definitions = source, slices.Clone(t.class.shapes), tableDefinitions(t.class.tables, t.tables)
	return d, nil
}

// Members returns the characteristics of an entity, own and inherited ones, without scripts: of a Thing, of the Things of a
// template or shape, or the services of another entity.
func (p *Platform) Members(ctx context.Context, kind EntityKind, name string) (entity.Members, error) {
	on, err := p.subjectOf(ctx, kind, name)
	if err != nil {
		return entity.Members{}, err
	}
	m := p.effective(on)
	for i := range m.Services {
		m.Services[i].Code = ""
	}
	for i := range m.Subscriptions {
		m.Subscriptions[i].Code = ""
	}
	return m, nil
}

// effective returns what an entity defines and inherits, sorted by name.
func (p *Platform) effective(on subject) entity.Members {
	var out entity.Members
	var properties []Definition
	services := map[string]*service{}
	var events []EventDefinition
	var subscriptions []*subscription
	switch {
	case on.thing != nil:
		for _, s := range p.servicesOf(on) {
			services[s.Name] = s
		}
		on.thing.mu.Lock()
		defer on.thing.mu.Unlock()
		for _, prop := range on.thing.props {
			properties = append(properties, *prop.def)
		}
		events, subscriptions = on.thing.sortedEvents(), on.thing.allSubscriptions()
	case on.entry.template != nil:
		c := p.model.Load().class(on.entry.name(), nil)
		properties, services, subscriptions = slices.Clone(c.properties), c.services, c.subscriptions
		events = slices.Collect(maps.Values(c.events))
	case on.entry.shape != nil:
		s := on.entry.shape
		properties, events, subscriptions = slices.Clone(s.properties), slices.Clone(s.events), s.subscriptions
		for _, one := range s.services {
			services[one.Name] = one
		}
	default:
		for _, s := range p.servicesOf(on) {
			services[s.Name] = s
		}
	}
	slices.SortFunc(properties, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(events, func(a, b EventDefinition) int { return strings.Compare(a.Name, b.Name) })
	for i := range properties {
		properties[i].into(&out)
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		d := services[name].definition()
		d.into(&out)
	}
	addEvents(&out, events, subscriptions)
	return asImported(out)
}

func addEvents(out *entity.Members, events []EventDefinition, subscriptions []*subscription) {
	for _, e := range events {
		out.Events = append(out.Events, e.Event)
		if e.Remote != nil {
			out.RemoteEvents = append(out.RemoteEvents, *e.Remote)
		}
	}
	for _, s := range subscriptions {
		out.Subscriptions = append(out.Subscriptions, s.Subscription)
	}
}

// builtinSource makes a source for an entity that came with the platform.
func builtinSource(e *entry) any {
	own := func(in *members) (out entity.Members) {
		for i := range in.properties {
			in.properties[i].into(&out)
		}
		for _, s := range in.services {
			d := s.definition()
			d.into(&out)
		}
		addEvents(&out, in.events, in.subscriptions)
		return out
	}
	switch {
	case e.template != nil:
		return entity.ThingTemplate{Common: e.about, Base: e.template.base, Shapes: e.template.shapes, ValueStream: e.template.stream,
			Members: own(&e.template.members), Tables: e.template.shipped}
	case e.shape != nil:
		return entity.ThingShape{Common: e.about, Members: own(&e.shape.members)}
	case e.kind == EntityDataShape:
		return entity.DataShape{Common: e.about, Fields: fieldsOf(e.fields)}
	}
	return nil
}

// fieldsOf makes fields of columns, with the text of their aspects.
func fieldsOf(columns []infotable.Field) []entity.Field {
	var out []entity.Field
	for i, c := range columns {
		f := entity.Field{Name: c.Name, BaseType: c.Type.String(), Description: c.Description, Ordinal: i, Aspects: map[string]string{}}
		for _, a := range c.Aspects {
			if text, err := formatText(a.Value); err == nil {
				f.Aspects[a.Name] = text
			}
		}
		out = append(out, f)
	}
	return out
}

func tableDefinitions(inherited, own map[string]*configTable) []entity.TableDefinition {
	all := maps.Clone(inherited)
	if all == nil {
		all = map[string]*configTable{}
	}
	maps.Copy(all, own)
	var out []entity.TableDefinition
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name].definition())
	}
	return out
}

// EventFields returns the columns of the data of an event of a Thing that the caller sees; nil if it has no data shape.
func (p *Platform) EventFields(ctx context.Context, thingName, event string) ([]infotable.Field, error) {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	e, ok := t.event(event)
	t.mu.Unlock()
	if !ok {
		return nil, Refuse(NotFound, "Thing %s has no event %q", thingName, shorten(event))
	}
	fields, _ := p.model.Load().dataShape(e.DataShape)
	return fields, nil
}

// Delete deletes an entity of any collection; one that is built in, of a package, or in use is refused.
func (p *Platform) Delete(ctx context.Context, kind EntityKind, name string) error {
	switch kind {
	case EntityThing:
		return p.DeleteThing(ctx, name)
	case EntityApplicationKey:
		return p.deleteKey(ctx, name)
	}
	if _, err := p.entry(ctx, kind, name); err != nil {
		return err
	}
	return p.deleteEntry(ctx, kind, name)
}

// ShapesOf returns the shapes of a Thing or template that the caller sees, also those of its templates, sorted.
func (p *Platform) ShapesOf(ctx context.Context, kind EntityKind, name string) ([]string, error) {
	on, err := p.subjectOf(ctx, kind, name)
	switch {
	case err != nil:
		return nil, err
	case on.thing != nil:
		on.thing.mu.Lock()
		defer on.thing.mu.Unlock()
		return slices.Clone(on.thing.class.shapes), nil
	case on.entry.template != nil:
		return slices.Clone(p.model.Load().class(name, nil).shapes), nil
	}
	return nil, Refuse(NotFound, "%s implements no shapes; Things and templates do", on)
}

// FieldsOf returns the columns of a data shape that the caller sees; they must not be changed.
func (p *Platform) FieldsOf(ctx context.Context, name string) ([]infotable.Field, error) {
	e, err := p.entry(ctx, EntityDataShape, name)
	if err != nil {
		return nil, err
	}
	return e.fields, nil
}
