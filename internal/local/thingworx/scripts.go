package thingworx

import (
	"context"
	"errors"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/script"
)

// host is the platform as scripts see it.
type host struct{ p *Platform }

// Entity finds an entity that the caller of the script may see.
func (h host) Entity(ctx context.Context, collection, name string) (script.Entity, bool) {
	on, err := h.p.subjectOf(ctx, EntityKind(collection), name)
	if err != nil {
		return nil, false
	}
	return scripted{p: h.p, subject: on}, true
}

// Log remembers what a script says.
func (h host) Log(ctx context.Context, level, logger, text string) { h.p.log(ctx, level, logger, text) }

// scripted is an entity as scripts see it.
type scripted struct {
	p *Platform
	subject
	me bool // the entity whose script it is: it may call its private services
}

// Name is the entity's name.
func (s scripted) Name() string { return s.name() }

// Collection is the entity's collection.
func (s scripted) Collection() string { return string(s.kind()) }

// Attribute gives what is written like a property and is none.
func (s scripted) Attribute(name string) (infotable.Value, bool) {
	about, template := s.about()
	switch name {
	case "name":
		return infotable.String(s.name()), true
	case "description":
		return infotable.String(about.Description), true
	case "tags":
		return infotable.Text(tTags, about.Tags), true
	case "projectName":
		return infotable.String(about.Project), true
	case "thingTemplate":
		return infotable.Text(infotable.TypeThingTemplateName, template), s.thing != nil
	}
	return nothing(), false
}

func (s subject) about() (about entity.Common, template string) {
	if s.thing == nil {
		return s.entry.about, ""
	}
	s.thing.mu.Lock()
	defer s.thing.mu.Unlock()
	return s.thing.about, s.thing.template
}

// Has says what a name is.
func (s scripted) Has(name string) script.Member {
	if s.thing != nil {
		s.thing.mu.Lock()
		_, property := s.thing.props[name]
		_, event := s.thing.event(name)
		service := s.thing.service(name) != nil
		s.thing.mu.Unlock()
		switch {
		case property:
			return script.Property
		case service: // before an event of the same name (inferred)
			return script.Service
		case event:
			return script.Event
		default:
			return script.None
		}
	}
	if _, err := s.p.service(s.subject, name); err == nil {
		return script.Service
	}
	return script.None
}

var errNoThing = errors.New("only Things have properties and events")

// Get reads a property, from the edge if its binding says so.
func (s scripted) Get(ctx context.Context, property string) (infotable.Value, error) {
	if s.thing == nil {
		return nothing(), errNoThing
	}
	view, err := s.p.Fetch(ctx, s.thing.name, property)
	return view.Value, err
}

// Set writes a property, at the edge if it is remote-bound.
func (s scripted) Set(ctx context.Context, property string, v infotable.Value) error {
	if s.thing == nil {
		return errNoThing
	}
	return s.p.Set(ctx, s.thing.name, []Write{{Property: property, Value: v}})
}

// ServiceInfo describes a service; of an event it gives the columns of its data, of a property its type.
func (s scripted) ServiceInfo(name string) (script.Signature, bool) {
	if signature, ok := s.memberInfo(name); ok {
		return signature, true
	}
	found, err := s.p.service(s.subject, name)
	if err != nil {
		return script.Signature{}, false
	}
	out := script.Signature{Result: found.Result, ResultFields: found.fields}
	for _, param := range found.Params {
		out.Params = append(out.Params, infotable.Field{Name: param.Name, Description: param.Description, Type: param.Type})
	}
	return out, true
}

func (s scripted) memberInfo(name string) (script.Signature, bool) {
	if s.thing == nil {
		return script.Signature{}, false
	}
	s.thing.mu.Lock()
	prop := s.thing.props[name]
	event, isEvent := s.thing.event(name)
	isService := s.thing.service(name) != nil
	var d Definition
	if prop != nil {
		d = *prop.def
	}
	s.thing.mu.Unlock()
	m := s.p.model.Load()
	switch {
	case prop != nil:
		fields, _ := m.dataShape(d.DataShape)
		return script.Signature{Result: d.Type, ResultFields: fields}, true
	case isEvent && !isService:
		fields, ok := m.dataShape(event.DataShape)
		return script.Signature{Params: fields, Result: tNothing}, ok
	}
	return script.Signature{}, false
}

// Call calls a service.
func (s scripted) Call(ctx context.Context, name string, params *infotable.Table) (infotable.Value, error) {
	found, err := s.p.service(s.subject, name)
	if err != nil {
		return nothing(), err
	}
	if found.private && !s.me {
		return nothing(), Refuse(Forbidden, "service %s of %s is private: only its own scripts call it, with me", name, s.subject)
	}
	return s.p.invoke(ctx, s.subject, found, params)
}

// Fire fires an event.
func (s scripted) Fire(ctx context.Context, event string, data *infotable.Table) error {
	if s.thing == nil {
		return errNoThing
	}
	return s.p.Fire(ctx, s.thing.name, event, data)
}

// Values gives an empty table with the columns of a data shape.
func (s scripted) Values() (*infotable.Table, error) {
	if s.thing != nil || s.entry.kind != EntityDataShape {
		return nil, Refuse(Unsupported, "%s has no values to create: data shapes have", s.subject)
	}
	return infotable.New(s.entry.fields...), nil
}

// runScript runs a service that is a script. What it does is done with the rights that calls out of services have.
func runScript(p *Platform, c *call) (infotable.Value, error) {
	vars := make([]infotable.Cell, len(c.params))
	for i := range c.params {
		vars[i] = infotable.Cell{Name: c.params[i].Name, Value: c.args[i]}
	}
	v, err := p.scripts.Run(inService(c.ctx), c.service.program, script.Run{
		Me: scripted{p, c.subject(), true}, Vars: vars, Result: c.service.Result, ResultShape: c.service.fields,
		Logger: c.subject().name() + "." + c.service.Name,
	})
	if err != nil || v.IsNothing() || c.service.Result == tTable {
		return v, err
	}
	return fit(c.service.Result, v)
}

// later runs a call while its caller goes on.
func (p *Platform) later(c *call) error {
	what := "service " + c.service.Name + " of " + c.subject().String()
	return p.queue.add(job{what: what, as: actingIn(c.ctx), run: func(ctx context.Context) error {
		background := *c
		background.ctx = ctx
		_, err := c.service.run(p, &background)
		return err
	}})
}
