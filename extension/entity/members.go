package entity

import (
	"strconv"
	"strings"
)

// definitions are the elements that stand in the inner <ThingShape> of Things and templates, and directly in shapes.
var definitions = []string{"PropertyDefinitions", "ServiceDefinitions", "EventDefinitions", "ServiceImplementations", "Subscriptions"}

// innerMembers reads the members of a Thing or a template. What stands outside of its <ThingShape> a real platform drops
// (read of Subscriptions, inferred of the others).
func (p *parser) innerMembers(n *node) Members {
	for _, name := range definitions {
		for _, lost := range n.all(name) {
			p.drop(lost, "<%s> %q stands outside of <ThingShape>", lost.name, lost.attr("name"))
		}
	}
	inner := n.child("ThingShape")
	if inner == nil {
		inner = &node{line: n.line}
	}
	return p.members(inner, n)
}

// members reads what inner defines, and the bindings and alerts of outer.
func (p *parser) members(inner, outer *node) Members {
	m := Members{
		Services:      p.services(inner),
		Events:        p.events(inner),
		Subscriptions: p.subscriptions(inner),
		Alerts:        outer.names("AlertConfigurations", "AlertDefinitions"),
	}
	for _, n := range inner.all("PropertyDefinitions", "PropertyDefinition") {
		m.Properties = append(m.Properties, Property{p.field(n), n.attr("category"), p.flag(n, "isLocalOnly", false)})
	}
	for _, n := range outer.all("RemotePropertyBindings", "RemotePropertyBinding") {
		m.RemoteProperties = append(m.RemoteProperties, p.remoteProperty(n, m.Properties))
	}
	for _, n := range outer.all("RemoteServiceBindings", "RemoteServiceBinding") {
		m.RemoteServices = append(m.RemoteServices, RemoteService{n.attr("name"), n.attr("sourceName"),
			int(p.number(n, "timeout")), p.flag(n, "enableQueue", false), p.pos(n)})
	}
	for _, n := range outer.all("RemoteEventBindings", "RemoteEventBinding") {
		m.RemoteEvents = append(m.RemoteEvents, RemoteEvent{n.attr("name"), n.attr("sourceName"), p.pos(n)})
	}
	for _, n := range outer.all("PropertyBindings", "PropertyBinding") {
		m.LocalBindings = append(m.LocalBindings, LocalBinding{n.attr("name"), n.attr("sourceThingName"), n.attr("sourceName"), p.pos(n)})
	}
	return m
}

// remoteProperty reads a binding. How long a value is kept is an aspect of the binding or of the property.
func (p *parser) remoteProperty(n *node, properties []Property) RemoteProperty {
	r := RemoteProperty{
		Name:          n.attr("name"),
		SourceName:    n.attr("sourceName"),
		PushType:      n.attr("pushType"),
		PushThreshold: p.number(n, "pushThreshold"),
		FoldType:      n.attr("foldType"),
		Timeout:       int(p.number(n, "timeout")),
		CacheTime:     p.number(n, "cacheTime"),
		StartType:     n.attr("aspect.startType"),
		Pos:           p.pos(n),
	}
	cache, own := n.aspects()["cacheTime"]
	for _, property := range properties {
		if property.Name == r.Name && !own && n.attr("cacheTime") == "" {
			cache = property.Aspects["cacheTime"]
		}
	}
	if cache != "" {
		r.CacheTime = p.parseNumber(n, "aspect.cacheTime", cache)
	}
	return r
}

func (p *parser) services(n *node) []Service {
	implementations := map[string]*node{}
	for _, i := range n.all("ServiceImplementations", "ServiceImplementation") {
		if implementations[i.attr("name")] != nil {
			p.fail(i, "service %q has two implementations", i.attr("name"))
		}
		implementations[i.attr("name")] = i
	}
	var services []Service
	for _, d := range n.all("ServiceDefinitions", "ServiceDefinition") {
		s := p.service(d)
		if i := implementations[s.Name]; i != nil {
			s.Handler, s.Code, s.CodePos = p.implementation(i)
			delete(implementations, s.Name)
		}
		services = append(services, s)
	}
	for _, i := range n.all("ServiceImplementations", "ServiceImplementation") {
		if implementations[i.attr("name")] == i && !defines(services, i.attr("name")) {
			p.drop(i, "the implementation of service %q stands there without its definition", i.attr("name"))
		}
	}
	return services
}

func defines(services []Service, name string) bool {
	for _, s := range services {
		if s.Name == name {
			return true
		}
	}
	return false
}

func (p *parser) service(n *node) Service {
	s := Service{
		Name:          n.attr("name"),
		Description:   n.attr("description"),
		Category:      n.attr("category"),
		AllowOverride: p.flag(n, "isAllowOverride", false),
		LocalOnly:     p.flag(n, "isLocalOnly", false),
		Open:          p.flag(n, "isOpen", false),
		Private:       p.flag(n, "isPrivate", false),
		Aspects:       n.aspects(),
		Result:        Field{Name: "result", BaseType: "NOTHING", Pos: p.pos(n)},
		Parameters:    p.fields(n.all("ParameterDefinitions", "FieldDefinition")),
		Pos:           p.pos(n),
	}
	if result := n.child("ResultType"); result != nil {
		if nested := result.child("FieldDefinition"); nested != nil {
			p.fail(nested, "<ResultType> of service %q holds a <FieldDefinition>: name and baseType are its own attributes", s.Name)
		}
		s.Result = p.field(result)
	}
	return s
}

// implementation reads the handler and, of scripts, the code and the line on which it begins.
func (p *parser) implementation(n *node) (handler, code string, pos Pos) {
	handler, pos = n.attr("handlerName"), p.pos(n)
	for _, table := range n.all("ConfigurationTables", "ConfigurationTable") {
		if table.attr("name") != "Script" {
			continue
		}
		for _, row := range table.all("Rows", "Row") {
			if c := row.child("code"); c != nil {
				code, pos = c.trimmed(), Pos{p.file, max(c.textLine, c.line)}
			}
		}
	}
	return handler, code, pos
}

func (p *parser) events(n *node) []Event {
	var events []Event
	for _, d := range n.all("EventDefinitions", "EventDefinition") {
		events = append(events, Event{d.attr("name"), d.attr("dataShape"), d.attr("description"), d.attr("category"), p.pos(d)})
	}
	return events
}

func (p *parser) subscriptions(n *node) []Subscription {
	var subscriptions []Subscription
	for _, d := range n.all("Subscriptions", "Subscription") {
		s := Subscription{
			Name:        d.attr("name"),
			Description: d.attr("description"),
			Enabled:     p.flag(d, "enabled", true),
			Event:       d.attr("eventName"),
			SourceType:  d.attr("sourceType"),
			Source:      d.attr("source"),
			Property:    d.attr("sourceProperty"),
			Pos:         p.pos(d),
		}
		if i := d.child("ServiceImplementation"); i != nil {
			s.Handler, s.Code, s.CodePos = p.implementation(i)
		}
		subscriptions = append(subscriptions, s)
	}
	return subscriptions
}

func (p *parser) fields(nodes []*node) []Field {
	var fields []Field
	for _, n := range nodes {
		fields = append(fields, p.field(n))
	}
	return fields
}

func (p *parser) field(n *node) Field {
	return Field{n.attr("name"), n.attr("baseType"), n.attr("description"), int(p.number(n, "ordinal")), n.aspects(), p.pos(n)}
}

// flag reads an attribute that is true or false.
func (p *parser) flag(n *node, name string, absent bool) bool {
	text := n.attr(name)
	switch strings.ToLower(text) {
	case "":
		return absent
	case "true":
		return true
	case "false":
		return false
	}
	p.fail(n, "%s is %q, expected true or false", name, text)
	return false
}

// number reads an attribute that is a number; absent is 0.
func (p *parser) number(n *node, name string) float64 {
	if text := n.attr(name); text != "" {
		return p.parseNumber(n, name, text)
	}
	return 0
}

func (p *parser) parseNumber(n *node, name, text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value != value || value < -1e15 || value > 1e15 {
		p.fail(n, "%s is %q, expected a number", name, text)
	}
	return value
}
