package thingworx

import (
	"context"
	"maps"
	"slices"

	"azx/alwayson/infotable"
)

// EntityKind says where a service lives.
type EntityKind uint8

// Kinds of entities that have services here.
const (
	EntityThing EntityKind = iota
	EntityResource
	EntitySubsystem
)

// String names the collection as REST paths do.
func (k EntityKind) String() string {
	return [...]string{"Things", "Resources", "Subsystems"}[k]
}

// Param is a parameter of a service.
type Param struct {
	Name     string
	Type     infotable.BaseType
	Required bool
}

// ServiceInfo describes a service.
type ServiceInfo struct {
	Name        string
	Description string
	Params      []Param
	Result      infotable.BaseType // NOTHING for none
}

// service is a row of a method table.
type service struct {
	ServiceInfo
	always bool              // also of a disabled Thing
	fields []infotable.Field // columns of an INFOTABLE result, nil where they are not said
	remote *ServiceBinding   // of a service that the edge carries out; run is askEdge then
	run    func(p *Platform, c *call) (infotable.Value, error)
}

// call is one running service: its parameters, checked and in the order of their definition.
type call struct {
	ctx     context.Context // of the caller; a call does not outlive it
	service *service
	thing   *thing // nil for Resources and Subsystems
	params  []Param
	args    []infotable.Value
}

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
	return ServiceDefinition{s.ServiceInfo, s.fields, s.remote}
}

// Service describes one service, or refuses to.
func (p *Platform) Service(kind EntityKind, entity, name string) (ServiceDefinition, error) {
	_, s, err := p.lookup(kind, entity, name)
	if err != nil {
		return ServiceDefinition{}, err
	}
	return s.definition(), nil
}

// Services describes the services of an entity, sorted by name.
func (p *Platform) Services(kind EntityKind, entity string) ([]ServiceDefinition, error) {
	var found []*service
	if kind == EntityThing {
		t, err := p.find(entity)
		if err != nil {
			return nil, err
		}
		found = p.servicesOf(t)
	} else {
		table, err := p.resource(kind, entity)
		if err != nil {
			return nil, err
		}
		found = table
	}
	byName := map[string]ServiceDefinition{}
	for _, s := range slices.Backward(found) {
		byName[s.Name] = s.definition()
	}
	out := make([]ServiceDefinition, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out, nil
}

// servicesOf returns the services of a Thing, its own first.
func (p *Platform) servicesOf(t *thing) []*service {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Values(t.services)), p.model.services(t.template, t.shapes))
}

func (p *Platform) resource(kind EntityKind, name string) ([]*service, error) {
	table := p.model.resources[kind.String()+"/"+name]
	if table == nil {
		return nil, Refuse(NotFound, "this platform has no %s/%s; it has %s", kind, shorten(name),
			list(slices.Sorted(maps.Keys(p.model.resources))))
	}
	return table, nil
}

func (p *Platform) lookup(kind EntityKind, entity, name string) (*thing, *service, error) {
	if kind == EntityThing {
		t, err := p.find(entity)
		if err != nil {
			return nil, nil, err
		}
		t.mu.Lock()
		s := p.model.service(t.template, t.shapes, name)
		if s == nil {
			s = t.services[name]
		}
		t.mu.Unlock()
		if s == nil {
			return nil, nil, Refuse(NotFound, "Thing %s (template %s) has no service %q", entity, t.template, shorten(name))
		}
		return t, s, nil
	}
	table, err := p.resource(kind, entity)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range table {
		if s.Name == name {
			return nil, s, nil
		}
	}
	return nil, nil, Refuse(NotFound, "%s/%s has no service %q", kind, entity, shorten(name))
}

// Call runs a service. params has one row with a column per parameter, nil for none; unknown columns are ignored.
// The result is the content of the answer: nil for NOTHING, the table itself for INFOTABLE, else a table of one
// row with the column "result" (captured, for AlwaysOn). A service bound to the edge waits for the edge's answer, while
// ctx lasts.
func (p *Platform) Call(ctx context.Context, kind EntityKind, entity, name string, params *infotable.Table) (*infotable.Table, error) {
	t, s, err := p.lookup(kind, entity, name)
	if err != nil {
		return nil, err
	}
	if t != nil && !s.always {
		t.mu.Lock()
		err := t.usable()
		t.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	c := &call{ctx: ctx, service: s, thing: t, params: s.Params, args: make([]infotable.Value, len(s.Params))}
	for i, param := range s.Params {
		if c.args[i], err = argument(s, param, params.First(param.Name)); err != nil {
			return nil, err
		}
	}
	v, err := s.run(p, c)
	if err != nil || v.IsNothing() {
		return nil, err
	}
	if table, ok := v.Table(); ok {
		return table, nil
	}
	return infotable.Single("result", v), nil
}

func argument(s *service, param Param, v infotable.Value) (infotable.Value, error) {
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
