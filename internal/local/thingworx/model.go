package thingworx

import (
	"maps"
	"slices"

	"azx/alwayson/infotable"
)

// Names of built-in entities (read, unless marked).
const (
	TemplateGeneric      = "GenericThing"
	TemplateRemote       = "RemoteThing"
	TemplateFileTransfer = "RemoteThingWithFileTransfer"
	TemplateConnection   = "ConnectionServer"
	TemplateHub          = "ConnectionServicesHub"

	ShapeConnectable  = "Connectable"
	ShapeReportable   = "Reportable"
	ShapeRoutedEgress = "RoutedEgress"
	ShapeEgressGate   = "EgressGateway"
	ShapeMultiBind    = "MultiBindRemoteThing"

	// ConnectionServicesHub is the Thing that takes the events of connectors.
	ConnectionServicesHub = "ConnectionServicesHub"
	// EventThingNotFound is fired on it for a device that has no Thing.
	EventThingNotFound = "ThingNotFoundError"

	propConnected      = "isConnected"
	propLastConnection = "lastConnection"
	propGateway        = "gatewayThing"
)

// shape is a set of characteristics that templates and Things implement.
type shape struct {
	name        string
	description string
	properties  []Definition
	services    []*service
}

// template is what Things are made of: its own characteristics, those of its base and of its shapes.
type template struct {
	name        string
	base        string
	description string
	shapes      []string
	properties  []Definition
	services    []*service
	events      []string
	tables      []configTable
}

// model is the set of built-in templates and shapes. It never changes after it was made.
type model struct {
	templates map[string]*template
	shapes    map[string]*shape
	resources map[string][]*service          // Resources and Subsystems by name
	tables    map[string]map[string]*service // services of each template and its bases, by name
}

func newModel() *model {
	m := &model{templates: map[string]*template{}, shapes: map[string]*shape{},
		resources: builtinResources(), tables: map[string]map[string]*service{}}
	for _, s := range slices.Concat(builtinShapes(), azureShapes()) {
		m.shapes[s.name] = s
	}
	for _, t := range slices.Concat(builtinTemplates(), azureTemplates()) {
		m.templates[t.name] = t
	}
	for name := range m.templates {
		table := map[string]*service{}
		for _, t := range slices.Backward(m.lineage(name)) {
			for _, s := range t.services {
				table[s.Name] = s
			}
		}
		m.tables[name] = table
	}
	return m
}

func local(name string, t infotable.BaseType, description string) Definition {
	return Definition{Name: name, Type: t, Description: description}
}

func builtinShapes() []*shape {
	return []*shape{
		{name: ShapeConnectable, description: "Knows whether somebody stands for the Thing", properties: []Definition{
			{Name: propConnected, Type: infotable.TypeBoolean, ReadOnly: true, Description: "Bound by an edge or through its gateway"},
			{Name: propLastConnection, Type: infotable.TypeDateTime, ReadOnly: true, Description: "Last time it became connected"},
		}},
		{name: ShapeReportable, description: "Reports its state", properties: []Definition{
			local("isReporting", infotable.TypeBoolean, "Reporting state"),
			local("reportingLastChange", infotable.TypeDateTime, "Last change of isReporting"),
			local("reportingLastEvaluation", infotable.TypeDateTime, "Last evaluation of isReporting"),
		}},
		{name: ShapeRoutedEgress, description: "Delegates outbound requests to a gateway", properties: []Definition{
			local(propGateway, infotable.TypeThingName, "Thing whose binding carries the requests for this one"),
		}},
		{name: ShapeEgressGate, description: "Carries the requests of other Things"},
		{name: ShapeMultiBind, description: "May be bound by several connections at once"},
	}
}

func builtinTemplates() []*template {
	return []*template{
		{name: TemplateGeneric, description: "Thing with local properties", services: genericServices()},
		{name: TemplateRemote, base: TemplateGeneric, description: "Thing that an edge stands for",
			shapes: []string{ShapeConnectable, ShapeReportable}, services: remoteServices()},
		{name: TemplateFileTransfer, base: TemplateRemote, description: "RemoteThing with files (not served here)"},
		{name: TemplateConnection, base: TemplateRemote, description: "Thing of a connector"},
		{name: TemplateHub, base: TemplateGeneric, description: "Takes the events of connectors", events: []string{
			"AuthenticationError", "ClearCacheEntry", "EdgeError", "FileNotFoundError", "InternalError",
			"ProtocolError", EventThingNotFound, "WritePropertyError", "UserError",
		}},
	}
}

// lineage returns the template and its bases, the template first.
func (m *model) lineage(name string) []*template {
	var out []*template
	for t := m.templates[name]; t != nil; t = m.templates[t.base] {
		out = append(out, t)
	}
	return out
}

// isA reports whether a template is base or descends from it.
func (m *model) isA(name, base string) bool {
	return slices.ContainsFunc(m.lineage(name), func(t *template) bool { return t.name == base })
}

// shapesOf returns the names of all shapes of a template with these added ones, sorted.
func (m *model) shapesOf(templateName string, added []string) []string {
	set := map[string]bool{}
	for _, t := range m.lineage(templateName) {
		for _, s := range t.shapes {
			set[s] = true
		}
	}
	for _, s := range added {
		set[s] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// hasShape reports whether Things of a template with these added shapes have a shape.
func (m *model) hasShape(templateName string, added []string, shape string) bool {
	for t := m.templates[templateName]; t != nil; t = m.templates[t.base] {
		if slices.Contains(t.shapes, shape) {
			return true
		}
	}
	return slices.Contains(added, shape)
}

// inherited returns the properties that a Thing has from its template and shapes.
func (m *model) inherited(templateName string, added []string) []Definition {
	var out []Definition
	for _, t := range m.lineage(templateName) {
		for _, d := range t.properties {
			d.From = t.name
			out = append(out, d)
		}
	}
	for _, name := range m.shapesOf(templateName, added) {
		for _, d := range m.shapes[name].properties {
			d.From = name
			out = append(out, d)
		}
	}
	return out
}

// service finds a service of Things of a template with these added shapes, nil if there is none.
func (m *model) service(templateName string, added []string, name string) *service {
	if s := m.tables[templateName][name]; s != nil {
		return s
	}
	for _, shapeName := range m.shapesOf(templateName, added) {
		for _, s := range m.shapes[shapeName].services {
			if s.Name == name {
				return s
			}
		}
	}
	return nil
}

// services returns all services of Things of a template with these added shapes; own ones come first.
func (m *model) services(templateName string, added []string) []*service {
	var out []*service
	for _, t := range m.lineage(templateName) {
		out = append(out, t.services...)
	}
	for _, name := range m.shapesOf(templateName, added) {
		out = append(out, m.shapes[name].services...)
	}
	return out
}

// hasEvent reports whether Things of a template have an event.
func (m *model) hasEvent(templateName, event string) bool {
	return slices.ContainsFunc(m.lineage(templateName), func(t *template) bool {
		return slices.Contains(t.events, event)
	})
}
