package thingworx

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/script"
)

// Names of aspects that mean something here (read).
const (
	aspectDefault    = "defaultValue"
	aspectDataShape  = "dataShape"
	aspectPrimaryKey = "isPrimaryKey"
	aspectRequired   = "isRequired"
	aspectReadOnly   = "isReadOnly"
	aspectPersistent = "isPersistent"
	aspectLogged     = "isLogged"
	aspectChange     = "dataChangeType"
	aspectThreshold  = "dataChangeThreshold"
	aspectCacheTime  = "cacheTime"
	aspectAsync      = "isAsync"
)

// Handlers of services: scripts (read), and ours for what was imported in silent mode and does not compile.
const (
	handlerScript = "Script"
	handlerBroken = "Broken"
)

// entriesOf compiles what a set has, but Things.
func entriesOf(s *entity.Set) ([]*entry, error) {
	var all []*entry
	var problems []error
	take := func(e *entry, err error) {
		all = append(all, e)
		problems = append(problems, err)
	}
	for i := range s.Projects {
		take(&entry{kind: EntityProject, about: s.Projects[i].Common, source: s.Projects[i]}, nil)
	}
	for i := range s.DataShapes {
		take(compileDataShape(s.DataShapes[i]))
	}
	for i := range s.ThingShapes {
		take(compileShape(s.ThingShapes[i]))
	}
	for i := range s.ThingTemplates {
		take(compileTemplate(s.ThingTemplates[i]))
	}
	for i := range s.Groups {
		take(&entry{kind: EntityGroup, about: s.Groups[i].Common, source: s.Groups[i]}, nil)
	}
	for i := range s.Organizations {
		take(&entry{kind: EntityOrganization, about: s.Organizations[i].Common, source: s.Organizations[i]}, nil)
	}
	for i := range s.Users {
		take(&entry{kind: EntityUser, about: s.Users[i].Common, source: s.Users[i]}, nil)
	}
	for i := range s.Documents {
		take(&entry{kind: EntityKind(s.Documents[i].Collection), about: s.Documents[i].Common, source: s.Documents[i]}, nil)
	}
	for _, e := range all {
		if err := CheckEntityName(e.name()); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.kind, err))
		}
	}
	return all, errors.Join(problems...)
}

func compileDataShape(in entity.DataShape) (*entry, error) {
	e := &entry{kind: EntityDataShape, about: in.Common, source: in}
	var err error
	if e.fields, err = columnsOf(in.Fields); err != nil {
		err = fmt.Errorf("data shape %s: %w", in.Name, err)
	}
	return e, err
}

func compileShape(in entity.ThingShape) (*entry, error) {
	m, err := compileMembers(&in.Members)
	if err != nil {
		err = fmt.Errorf("shape %s: %w", in.Name, err)
	}
	return &entry{kind: EntityShape, about: in.Common, source: in,
		shape: &shape{name: in.Name, description: in.Description, members: m}}, err
}

func compileTemplate(in entity.ThingTemplate) (*entry, error) {
	t := &template{name: in.Name, base: in.Base, description: in.Description, shapes: in.Shapes, stream: in.ValueStream,
		tables: tablesOf(in.Definitions), shipped: in.Tables}
	var err error
	if t.members, err = compileMembers(&in.Members); err != nil {
		err = fmt.Errorf("template %s: %w", in.Name, err)
	}
	return &entry{kind: EntityTemplate, about: in.Common, source: in, template: t}, err
}

// columnsOf makes columns of fields, in the order of their ordinals.
func columnsOf(fields []entity.Field) ([]infotable.Field, error) {
	sorted := slices.Clone(fields)
	slices.SortStableFunc(sorted, func(a, b entity.Field) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	out := make([]infotable.Field, 0, len(fields))
	var problems []error
	for i := range sorted {
		f, err := columnOf(&sorted[i])
		out = append(out, f)
		problems = append(problems, err)
	}
	return out, errors.Join(problems...)
}

func columnOf(f *entity.Field) (infotable.Field, error) {
	out := infotable.Field{Name: f.Name, Description: f.Description}
	var err error
	if out.Type, err = infotable.ParseBaseType(f.BaseType); err != nil {
		return out, Refuse(Invalid, "%s: there is no base type %q", f.Name, shorten(f.BaseType))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Aspects)) {
		text := f.Aspects[name]
		v := infotable.String(text)
		switch name {
		case aspectDefault:
			if v, err = defaultOf(out.Type, text); err != nil {
				return out, Refuse(Invalid, "%s: its default value: %v", f.Name, err)
			}
		case aspectPrimaryKey, aspectRequired:
			v = infotable.Boolean(text == "true")
		}
		if !v.IsNothing() {
			out.Aspects = append(out.Aspects, infotable.Aspect{Name: name, Value: v})
		}
	}
	return out, nil
}

// defaultOf reads a default value; that of a text may be empty, of others that says nothing.
func defaultOf(t infotable.BaseType, text string) (infotable.Value, error) {
	if text == "" && !t.IsText() {
		return infotable.Nothing(), nil
	}
	return parseText(t, text)
}

func compileMembers(in *entity.Members) (members, error) {
	var out members
	var problems []error
	properties := map[string]*entity.RemoteProperty{}
	for i := range in.RemoteProperties {
		properties[in.RemoteProperties[i].Name] = &in.RemoteProperties[i]
	}
	for i := range in.Properties {
		d, err := definitionOf(&in.Properties[i], properties[in.Properties[i].Name])
		out.properties = append(out.properties, d)
		problems = append(problems, err)
		delete(properties, d.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		out.bindings = append(out.bindings, *properties[name])
	}
	services := map[string]*entity.RemoteService{}
	for i := range in.RemoteServices {
		services[in.RemoteServices[i].Name] = &in.RemoteServices[i]
	}
	for i := range in.Services {
		d, err := serviceOf(&in.Services[i], services[in.Services[i].Name])
		delete(services, d.Name)
		var s *service
		if err == nil {
			s, err = d.service()
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		out.services = append(out.services, s)
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		out.calls = append(out.calls, *services[name])
	}
	out.events = eventsOf(in)
	for i := range in.Subscriptions {
		s, err := compileSubscription(in.Subscriptions[i])
		out.subscriptions = append(out.subscriptions, s)
		problems = append(problems, err)
	}
	return out, errors.Join(problems...)
}

func eventsOf(in *entity.Members) []EventDefinition {
	var out []EventDefinition
	for _, e := range in.Events {
		d := EventDefinition{Event: e}
		for i := range in.RemoteEvents {
			if in.RemoteEvents[i].Name == e.Name {
				d.Remote = &in.RemoteEvents[i]
			}
		}
		out = append(out, d)
	}
	return out
}

// definitionOf makes a Definition of a property and its binding, which may be nil.
func definitionOf(in *entity.Property, b *entity.RemoteProperty) (Definition, error) {
	f, err := columnOf(&in.Field)
	d := Definition{Name: in.Name, Description: in.Description, Category: in.Category, Type: f.Type, Ordinal: in.Ordinal,
		ReadOnly: in.Aspects[aspectReadOnly] == "true", Persistent: in.Aspects[aspectPersistent] == "true",
		Logged: in.Aspects[aspectLogged] == "true", DataShape: in.Aspects[aspectDataShape],
		Default: f.Aspect(aspectDefault), Change: in.Aspects[aspectChange]}
	if err != nil {
		return d, Refuse(Invalid, "property %v", err)
	}
	d.Threshold, _ = strconv.ParseFloat(in.Aspects[aspectThreshold], 64)
	cache, _ := strconv.ParseFloat(in.Aspects[aspectCacheTime], 64)
	if d.Aspects = maps.Clone(in.Aspects); d.Aspects != nil {
		for _, known := range []string{aspectReadOnly, aspectPersistent, aspectLogged, aspectDataShape, aspectDefault, aspectChange, aspectThreshold} {
			delete(d.Aspects, known)
		}
	}
	if b != nil {
		d.Remote = bindingOf(b, cache)
	}
	return d, d.check()
}

// bindingOf makes a Binding; cache is the cache time of the property, for a binding that says none.
func bindingOf(b *entity.RemoteProperty, cache float64) *Binding {
	if b.CacheTime != 0 {
		cache = b.CacheTime
	}
	return &Binding{EdgeName: b.SourceName, PushType: b.PushType, PushThreshold: b.PushThreshold, CacheTime: int(cache), Timeout: b.Timeout}
}

// bind returns an inherited definition with a binding.
func (d *Definition) bind(b *entity.RemoteProperty) (Definition, error) {
	out := *d
	cache, _ := strconv.ParseFloat(d.Aspects[aspectCacheTime], 64)
	out.Remote = bindingOf(b, cache)
	return out, out.check()
}

// bind returns an inherited service as one that the edge carries out.
func (s *service) bind(b *entity.RemoteService) *service {
	out := *s
	out.remote, out.run = &ServiceBinding{EdgeName: orText(b.SourceName, s.Name), Timeout: b.Timeout}, askEdge
	return &out
}

// serviceOf makes a ServiceDefinition of a service and its binding, which may be nil.
func serviceOf(in *entity.Service, b *entity.RemoteService) (ServiceDefinition, error) {
	d := ServiceDefinition{ServiceInfo: ServiceInfo{Name: in.Name, Description: in.Description, Result: tNothing},
		Category: in.Category, DataShape: in.Result.Aspects[aspectDataShape], AllowOverride: in.AllowOverride, Private: in.Private,
		Async: in.Aspects[aspectAsync] == "true", Code: in.Code, Handler: in.Handler}
	result, err := columnOf(&in.Result)
	if in.Result.BaseType != "" {
		d.Result = result.Type
		if err != nil {
			return d, Refuse(Invalid, "service %s: result: %v", in.Name, err)
		}
	}
	params := slices.Clone(in.Parameters)
	slices.SortStableFunc(params, func(a, b entity.Field) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for i := range params {
		f, err := columnOf(&params[i])
		if err != nil {
			return d, Refuse(Invalid, "service %s: parameter %v", in.Name, err)
		}
		d.Params = append(d.Params, Param{Name: f.Name, Type: f.Type, Description: f.Description, Default: f.Aspect(aspectDefault),
			Required: params[i].Aspects[aspectRequired] == "true", DataShape: params[i].Aspects[aspectDataShape], Aspects: params[i].Aspects})
	}
	if b != nil {
		d.Remote = &ServiceBinding{EdgeName: b.SourceName, Timeout: b.Timeout}
	}
	return d, d.check()
}

// compileScript compiles the code of a member; what names it in reasons.
func compileScript(what, handler, code string) (*script.Program, error) {
	if handler == handlerBroken {
		return nil, nil
	}
	if handler != "" && !strings.EqualFold(handler, handlerScript) {
		return nil, Refuse(Unsupported, "%s: its handler is %s, and only scripts can be run here", what, shorten(handler))
	}
	program, err := script.Compile(what, code)
	if err != nil {
		return nil, Refuse(Invalid, "%s: %v", what, err)
	}
	return program, nil
}
