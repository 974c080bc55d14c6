package thingworx

import (
	"context"
	"maps"
	"slices"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/script"
	"azx/internal/local/thingworx/security"
)

// Param is a parameter of a service.
type Param struct {
	Name        string
	Type        infotable.BaseType
	Required    bool
	Description string
	Default     infotable.Value   // for a caller who gives nothing
	DataShape   string            // of an INFOTABLE
	Aspects     map[string]string // further aspects, such as thingTemplate; not to be changed
}

// ServiceInfo describes a service.
type ServiceInfo struct {
	Name        string
	Description string
	Params      []Param
	Result      infotable.BaseType // NOTHING for none
}

// service is something that can be called. A native one has run; others are scripts or carried out by the edge.
type service struct {
	ServiceInfo
	always    bool              // also of a disabled Thing
	fields    []infotable.Field // columns of an INFOTABLE result, nil where they are not said
	dataShape string            // that names them
	category  string
	override  bool // derived templates, and Things, may have another one of this name
	private   bool // only for me
	async     bool // the caller does not wait
	from      string
	remote    *ServiceBinding // of a service that the edge carries out; run is askEdge then
	handler   string
	code      string
	program   *script.Program // of a script; run is runScript then
	run       func(p *Platform, c *call) (infotable.Value, error)
}

// subject is what a service is called on: a Thing, or an entity of the model.
type subject struct {
	thing *thing
	entry *entry
}

func (s subject) kind() EntityKind {
	if s.thing != nil {
		return EntityThing
	}
	return s.entry.kind
}

func (s subject) name() string {
	if s.thing != nil {
		return s.thing.name
	}
	return s.entry.name()
}

// String names the subject in reasons.
func (s subject) String() string {
	if s.thing != nil {
		return "Thing " + s.thing.name
	}
	return string(s.entry.kind) + "/" + s.entry.name()
}

// call is one running service: its parameters, checked and in the order of their definition.
type call struct {
	ctx     context.Context // of the caller; a call does not outlive it
	service *service
	thing   *thing // nil for entities of the model
	entry   *entry // nil for Things
	params  []Param
	args    []infotable.Value
}

func (c *call) subject() subject { return subject{c.thing, c.entry} }

func (c *call) value(name string) infotable.Value {
	for i := range c.params {
		if c.params[i].Name == name {
			return c.args[i]
		}
	}
	return infotable.Nothing()
}

func (c *call) text(name string) string {
	s, _ := c.value(name).Text()
	return s
}

func (c *call) truth(name string) bool {
	b, _ := c.value(name).Boolean()
	return b
}

func (c *call) number(name string) float64 {
	f, _ := c.value(name).Number()
	return f
}

func (c *call) table(name string) *infotable.Table {
	t, _ := c.value(name).Table()
	return t
}

func (s *service) definition() ServiceDefinition {
	return ServiceDefinition{ServiceInfo: s.ServiceInfo, Fields: s.fields, Remote: s.remote, DataShape: s.dataShape, Category: s.category,
		AllowOverride: s.override, Private: s.private, Async: s.async, Handler: s.handler, Code: s.code, From: s.from}
}

// Service describes one service, or refuses to.
func (p *Platform) Service(ctx context.Context, kind EntityKind, entity, name string) (ServiceDefinition, error) {
	_, s, err := p.lookup(ctx, kind, entity, name)
	if err != nil {
		return ServiceDefinition{}, err
	}
	return s.definition(), nil
}

// Services describes the services of an entity, sorted by name.
func (p *Platform) Services(ctx context.Context, kind EntityKind, entity string) ([]ServiceDefinition, error) {
	s, err := p.subjectOf(ctx, kind, entity)
	if err != nil {
		return nil, err
	}
	byName := map[string]ServiceDefinition{}
	for _, s := range p.servicesOf(s) {
		byName[s.Name] = s.definition()
	}
	out := make([]ServiceDefinition, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out, nil
}

// servicesOf returns the services of a Thing or entity; a later one counts instead of an earlier one of the same name.
func (p *Platform) servicesOf(s subject) []*service {
	if s.thing == nil {
		return slices.Concat(p.entityServices(s.entry.kind), s.entry.services)
	}
	s.thing.mu.Lock()
	defer s.thing.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Values(s.thing.class.services)), maps.Values(s.thing.services))
}

// subjectOf finds an entity that the caller sees.
func (p *Platform) subjectOf(ctx context.Context, kind EntityKind, name string) (subject, error) {
	if kind == EntityThing {
		t, err := p.seen(ctx, name)
		return subject{thing: t}, err
	}
	e, err := p.entry(ctx, kind, name)
	return subject{entry: e}, err
}

func (p *Platform) lookup(ctx context.Context, kind EntityKind, entity, name string) (subject, *service, error) {
	on, err := p.subjectOf(ctx, kind, entity)
	if err != nil {
		return on, nil, err
	}
	s, err := p.service(on, name)
	return on, s, err
}

// service finds a service of an entity.
func (p *Platform) service(on subject, name string) (*service, error) {
	if t := on.thing; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if s := t.service(name); s != nil {
			return s, nil
		}
		return nil, Refuse(NotFound, "Thing %s (template %s) has no service %q", t.name, t.template, shorten(name))
	}
	for _, table := range [][]*service{on.entry.services, p.entityServices(on.entry.kind)} {
		for _, s := range table {
			if s.Name == name {
				return s, nil
			}
		}
	}
	if on.entry.name() == resourceTables && on.entry.kind == EntityResource {
		if s := p.tableFunction(name); s != nil {
			return s, nil
		}
	}
	return nil, Refuse(NotFound, "%s has no service %q", on, shorten(name))
}

// tableFunction returns a service of InfoTableFunctions, which are carried out where scripts run; nil if there is none.
func (p *Platform) tableFunction(name string) *service {
	functions := p.scripts.InfoTableFunctions()
	signature, ok := functions.ServiceInfo(name)
	if !ok {
		return nil
	}
	s := &service{ServiceInfo: ServiceInfo{Name: name, Result: signature.Result}}
	for _, f := range signature.Params {
		s.Params = append(s.Params, optional(f.Name, f.Type))
	}
	s.run = func(_ *Platform, c *call) (infotable.Value, error) {
		return functions.Call(c.ctx, name, infotable.OneRow(c.given()...))
	}
	return s
}

// Call runs a service. params has one row with a column per parameter, nil for none; unknown columns are ignored.
// The result is the content of the answer: nil for NOTHING, the table itself for INFOTABLE, else a table of one
// row with the column "result" (captured, for AlwaysOn). A service bound to the edge waits for the edge's answer, while
// ctx lasts.
func (p *Platform) Call(ctx context.Context, kind EntityKind, entity, name string, params *infotable.Table) (*infotable.Table, error) {
	on, s, err := p.lookup(ctx, kind, entity, name)
	if err != nil {
		return nil, err
	}
	if s.private {
		return nil, Refuse(Forbidden, "service %s of %s is private: only its own scripts call it, with me", name, on)
	}
	v, err := p.invoke(ctx, on, s, params)
	if err != nil || v.IsNothing() {
		return nil, err
	}
	if table, ok := v.Table(); ok {
		return table, nil
	}
	return infotable.Single("result", v), nil
}

// invoke checks a call and runs it.
func (p *Platform) invoke(ctx context.Context, on subject, s *service, params *infotable.Table) (infotable.Value, error) {
	if err := p.may(ctx, on, security.ServiceInvoke, s.Name); err != nil {
		return nothing(), err
	}
	if t := on.thing; t != nil && !s.always {
		t.mu.Lock()
		err := t.usable()
		t.mu.Unlock()
		if err != nil {
			return nothing(), err
		}
	}
	c := &call{ctx: ctx, service: s, thing: on.thing, entry: on.entry, params: s.Params, args: make([]infotable.Value, len(s.Params))}
	for i := range s.Params {
		var err error
		if c.args[i], err = argument(s, &s.Params[i], params.First(s.Params[i].Name)); err != nil {
			return nothing(), err
		}
	}
	if s.async {
		return nothing(), p.later(c)
	}
	return s.run(p, c)
}

func argument(s *service, param *Param, v infotable.Value) (infotable.Value, error) {
	if v.IsNothing() {
		v = param.Default
	}
	if v.IsNothing() {
		if param.Required {
			return v, Refuse(Invalid, "service %s needs the parameter %s (%s)", s.Name, param.Name, param.Type)
		}
		return v, nil
	}
	fitted, err := fit(param.Type, v)
	if err != nil {
		return v, Refuse(Invalid, "service %s, parameter %s: %v", s.Name, param.Name, err)
	}
	return fitted, nil
}

// required and optional make Params.
func required(name string, t infotable.BaseType) Param {
	return Param{Name: name, Type: t, Required: true}
}

func optional(name string, t infotable.BaseType) Param { return Param{Name: name, Type: t} }

func nothing() infotable.Value { return infotable.Nothing() }

// native makes a service that is carried out here.
func native(name, description string, params []Param, result infotable.BaseType, run func(*Platform, *call) (infotable.Value, error)) *service {
	return &service{ServiceInfo: ServiceInfo{name, description, params, result}, run: run}
}
