package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"azx/extension/entity"
)

func (c *checker) checkShapes() {
	for i := range c.p.Set.ThingShapes {
		s := &c.p.Set.ThingShapes[i]
		c.entity = "ThingShapes/" + s.Name
		if s.ClassName != "" {
			c.at(s.Pos, Takes, nil, "className is %q, and this platform has no Java", s.ClassName)
		}
		c.checkMembers(&s.Members)
	}
}

func (c *checker) checkTemplates() {
	for i := range c.p.Set.ThingTemplates {
		t := &c.p.Set.ThingTemplates[i]
		c.entity = "ThingTemplates/" + t.Name
		switch {
		case t.Base == "":
			c.at(t.Pos, Refuses, nil, "baseThingTemplate is missing")
		case inRing(t.Name, c.base):
			c.at(t.Pos, Refuses, nil, "the base templates of %q lead back to it, or are more than %d", t.Name, maxBases)
		default:
			c.need(t.Pos, "ThingTemplates", t.Base, "has the base template")
		}
		c.checkShapeNames(t.Pos, t.Shapes)
		if t.ValueStream != "" {
			c.need(t.Pos, "Things", t.ValueStream, "has the value stream")
		}
		c.checkMembers(&t.Members)
		c.checkTables("ThingTemplates", t.Name, t.Definitions, t.Tables)
	}
}

// base is the base template of one of the package, "" of others.
func (c *checker) base(template string) string {
	if t := c.index.templates[template]; t != nil {
		return t.Base
	}
	return ""
}

// inRing reports whether the way up from a name leads back to it, or does not end.
func inRing(name string, above func(string) string) bool {
	at := above(name)
	for range maxBases {
		if at == "" || at == name {
			break
		}
		at = above(at)
	}
	return at != ""
}

func (c *checker) checkThings() {
	for i := range c.p.Set.Things {
		t := &c.p.Set.Things[i]
		c.entity = "Things/" + t.Name
		if t.Template == "" {
			c.at(t.Pos, Refuses, nil, "thingTemplate is missing")
		} else {
			c.need(t.Pos, "ThingTemplates", t.Template, "has the template")
		}
		c.checkShapeNames(t.Pos, t.Shapes)
		if t.ValueStream != "" {
			c.need(t.Pos, "Things", t.ValueStream, "has the value stream")
		}
		c.checkMembers(&t.Members)
		c.checkTables("Things", t.Name, t.Definitions, t.Tables)
		c.checkTimer(t)
	}
}

func (c *checker) checkShapeNames(pos entity.Pos, shapes []string) {
	for i, name := range shapes {
		if slices.Contains(shapes[:i], name) {
			c.at(pos, Refuses, nil, "the shape %q is implemented twice", name)
		}
		c.need(pos, "ThingShapes", name, "implements the shape")
	}
}

func (c *checker) checkMembers(m *entity.Members) {
	fields := make([]entity.Field, len(m.Properties))
	for i, p := range m.Properties {
		fields[i] = p.Field
	}
	c.checkFields("property", fields)
	checkTwice(c, "service", m.Services, func(s entity.Service) (string, entity.Pos) { return s.Name, s.Pos })
	for _, s := range m.Services {
		c.checkService(s)
	}

	checkTwice(c, "event", m.Events, func(e entity.Event) (string, entity.Pos) { return e.Name, e.Pos })
	for _, e := range m.Events {
		c.need(e.Pos, "DataShapes", e.DataShape, fmt.Sprintf("event %q has the data shape", e.Name))
	}
	checkTwice(c, "subscription", m.Subscriptions, func(s entity.Subscription) (string, entity.Pos) { return s.Name, s.Pos })
	for _, s := range m.Subscriptions {
		c.checkSubscription(s)
	}
	c.checkBindings(m)
}

// checkTwice refuses members of one kind that have no name or the same one.
func checkTwice[M any](c *checker, what string, members []M, id func(M) (string, entity.Pos)) {
	seen := map[string]bool{}
	for _, m := range members {
		name, pos := id(m)
		switch {
		case name == "":
			c.at(pos, Refuses, nil, "a %s has no name", what)
		case seen[name]:
			c.at(pos, Refuses, nil, "%s %q stands there twice", what, name)
		}
		seen[name] = true
	}
}

func (c *checker) checkService(s entity.Service) {
	what := fmt.Sprintf("service %q", s.Name)
	c.checkFields(what+": parameter", s.Parameters)
	c.checkType("the result of "+what, s.Result)
	switch s.Handler {
	case "Script":
		c.checkScript(what, s.Code, s.CodePos)
	case "":
		if !c.index.remote[s.Name] {
			c.at(s.Pos, KeepsBroken, nil, "%s has neither an implementation nor a remote binding", what)
		}
	default:
		c.at(s.Pos, Takes, nil, "%s is carried out by %s, and this platform runs scripts only", what, s.Handler)
	}
}

func (c *checker) checkSubscription(s entity.Subscription) {
	what := fmt.Sprintf("subscription %q", s.Name)
	if s.Event == "" {
		c.at(s.Pos, Refuses, nil, "%s names no event", what)
	}
	collection, known := map[string]string{"": "Things", "Thing": "Things", "ThingTemplate": "ThingTemplates", "ThingShape": "ThingShapes"}[s.SourceType]
	switch {
	case !known:
		c.at(s.Pos, Refuses, nil, "%s has the source type %q, expected Thing, ThingTemplate or ThingShape", what, s.SourceType)
	case s.Source != "":
		c.need(s.Pos, collection, s.Source, what+" has the source")
	}
	switch s.Handler {
	case "Script":
		c.checkScript(what, s.Code, s.CodePos)
	case "":
		c.at(s.Pos, KeepsBroken, nil, "%s has no implementation", what)
	default:
		c.at(s.Pos, Takes, nil, "%s is carried out by %s, and this platform runs scripts only", what, s.Handler)
	}
}

// lineColumn finds the place in an error of a script.
var lineColumn = regexp.MustCompile(`^\D*(\d+):(\d+):?\s*`)

// checkScript refuses what cannot be compiled. A real platform imports it, and says at the first call that there is no handler.
func (c *checker) checkScript(what, code string, pos entity.Pos) {
	if c.script == nil {
		return
	}
	err := c.script(code)
	if err == nil {
		return
	}
	reason := err.Error()
	if found := lineColumn.FindStringSubmatch(reason); found != nil {
		line, _ := strconv.Atoi(found[1])
		pos.Line += max(line, 1) - 1
		reason = reason[len(found[0]):] + ", column " + found[2]
	}
	c.at(pos, KeepsBroken, nil, "the script of %s: %s", what, reason)
}

func (c *checker) checkBindings(m *entity.Members) {
	checkTwice(c, "remote property binding", m.RemoteProperties, func(b entity.RemoteProperty) (string, entity.Pos) { return b.Name, b.Pos })
	checkTwice(c, "remote service binding", m.RemoteServices, func(b entity.RemoteService) (string, entity.Pos) { return b.Name, b.Pos })
	checkTwice(c, "remote event binding", m.RemoteEvents, func(b entity.RemoteEvent) (string, entity.Pos) { return b.Name, b.Pos })
	oneOf := func(pos entity.Pos, what, value string, values ...string) {
		if value != "" && !slices.Contains(values, value) {
			c.at(pos, Refuses, nil, "%s is %q, expected one of %v", what, value, values)
		}
	}
	for _, b := range m.RemoteProperties {
		oneOf(b.Pos, "pushType", b.PushType, "VALUE", "ALWAYS", "NEVER")
		oneOf(b.Pos, "foldType", b.FoldType, "NONE", "FOLD")
		oneOf(b.Pos, "aspect.startType", b.StartType, "useDefaultValue", "useEdgeValue", "readEdgeValue")
	}
	for _, b := range m.LocalBindings {
		c.at(b.Pos, Takes, nil, "property %q is bound to property %q of %q, and this platform binds properties to the edge only", b.Name, b.SourceName, b.SourceThing)
	}
}
