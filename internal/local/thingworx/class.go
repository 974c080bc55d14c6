package thingworx

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"azx/extension/entity"
)

// class is what a Thing has from its template and shapes, put together. It never changes.
type class struct {
	template      string
	lineage       []string // the template and its bases, the template first
	shapes        []string // of all of those and added ones, sorted
	bases         map[string]bool
	implements    map[string]bool
	properties    []Definition
	services      map[string]*service
	events        map[string]EventDefinition
	subscriptions []*subscription
	tables        map[string]*configTable
	stream        string   // value stream of the template
	problems      []string // what is wrong with it; of a class that is used: nothing
}

// class returns the class of Things of a template with these shapes of their own.
func (m *model) class(templateName string, added []string) *class {
	key := templateName
	if len(added) > 0 {
		key += "\x00" + strings.Join(slices.Sorted(slices.Values(added)), "\x00")
	}
	if c, ok := m.classes.Load(key); ok {
		return c.(*class)
	}
	c, _ := m.classes.LoadOrStore(key, m.compose(templateName, added))
	return c.(*class)
}

// compose puts a class together. What is closer to the Thing counts: the template before its base, and all templates
// before shapes.
func (m *model) compose(templateName string, added []string) *class {
	c := &class{template: templateName, bases: map[string]bool{}, implements: map[string]bool{},
		services: map[string]*service{}, events: map[string]EventDefinition{}, tables: map[string]*configTable{}}
	for _, s := range added {
		c.implements[s] = true
	}
	lineage := m.lineage(templateName)
	for _, t := range lineage {
		c.lineage = append(c.lineage, t.name)
		c.bases[t.name] = true
		for _, s := range t.shapes {
			c.implements[s] = true
		}
		if c.stream == "" {
			c.stream = t.stream
		}
	}
	c.shapes = slices.Sorted(maps.Keys(c.implements))
	defined := map[string]string{}
	for _, t := range lineage {
		c.take(m, t.name, &t.members, defined)
		c.takeTables(m, t)
	}
	for _, name := range c.shapes {
		if s := m.shape(name); s != nil {
			c.take(m, name, &s.members, defined)
		}
	}
	for _, t := range lineage { // the template's rows count before those of its base
		c.takeRows(t)
	}
	for _, t := range slices.Backward(lineage) {
		c.bind(t.name, &t.members)
	}
	return c
}

// bind binds inherited members to the edge.
func (c *class) bind(from string, in *members) {
	for i := range in.bindings {
		b := &in.bindings[i]
		at := slices.IndexFunc(c.properties, func(d Definition) bool { return d.Name == b.Name })
		if at < 0 {
			c.problem("remote binding of property %s of %s: there is no such property", b.Name, from)
			continue
		}
		d, err := c.properties[at].bind(b)
		if err != nil {
			c.problem("%s: %v", from, err)
			continue
		}
		c.properties[at] = d
	}
	for i := range in.calls {
		b := &in.calls[i]
		if s := c.services[b.Name]; s != nil {
			c.services[b.Name] = s.bind(b)
		} else {
			c.problem("remote binding of service %s of %s: there is no such service", b.Name, from)
		}
	}
}

// take adds the members that are not defined yet; defined says where each property is from.
func (c *class) take(m *model, from string, in *members, defined map[string]string) {
	for _, d := range in.properties {
		if other, twice := defined[d.Name]; twice {
			if other != from {
				c.problem("property %s of %s is one of %s as well", d.Name, other, from)
			}
			continue
		}
		defined[d.Name] = from
		d.From = from
		c.properties = append(c.properties, d)
	}
	for _, s := range in.services {
		if over := c.services[s.Name]; over != nil {
			if !s.override {
				c.problem("service %s of %s is one of %s as well, which does not allow to override it", s.Name, over.from, from)
			}
			continue
		}
		own := *s
		own.from = from
		if own.dataShape != "" {
			own.fields, _ = m.dataShape(own.dataShape)
		}
		c.services[s.Name] = &own
	}
	for _, e := range in.events {
		if _, twice := c.events[e.Name]; !twice {
			e.From = from
			c.events[e.Name] = e
		}
	}
	for _, s := range in.subscriptions {
		own := *s
		own.from = from
		c.subscriptions = append(c.subscriptions, &own)
	}
}

func (c *class) takeTables(m *model, t *template) {
	for i := range t.tables {
		table := t.tables[i]
		if c.tables[table.name] != nil {
			continue
		}
		if err := table.resolve(m); err != nil {
			c.problem("template %s: %v", t.name, err)
		}
		c.tables[table.name] = &table
	}
}

func (c *class) takeRows(t *template) {
	for i := range t.shipped {
		in := &t.shipped[i]
		table := c.tables[in.Name]
		if table == nil || table.rows != nil {
			continue
		}
		rows, err := table.read(in)
		if err != nil {
			c.problem("template %s: configuration table %s: %v", t.name, in.Name, err)
			continue
		}
		table.rows = rows
	}
}

func (c *class) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// isRemote reports whether an edge can stand for Things of the class.
func (c *class) isRemote() bool { return c.bases[TemplateRemote] }

// problems says what is wrong with the model: names that entities refer to and nothing has, and members that exclude
// each other.
func (m *model) problems() []string {
	var out []string
	report := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, e := range m.sorted(EntityTemplate) {
		t := e.template
		if !e.system && t.base == "" {
			report("template %s has no base template", t.name)
		}
		if t.base != "" && m.template(t.base) == nil {
			report("template %s: its base template %s is not there", t.name, t.base)
			continue
		}
		if len(m.lineage(t.name)) >= maxLineage {
			report("template %s: more than %d templates are based on each other, or in a circle", t.name, maxLineage)
			continue
		}
		for _, s := range t.shapes {
			if m.shape(s) == nil {
				report("template %s: its shape %s is not there", t.name, s)
			}
		}
		m.missing("template "+t.name, &t.members, report)
		for _, problem := range m.class(t.name, nil).problems {
			report("template %s: %s", t.name, problem)
		}
	}
	for _, e := range m.sorted(EntityShape) {
		m.missing("shape "+e.name(), &e.shape.members, report)
	}
	for _, p := range m.packages {
		for _, d := range p.Info.DependsOn {
			if m.packageOf(d.Name) == nil {
				report("package %s needs the package %s", p.Info.Name, d.Name)
			}
		}
	}
	return out
}

// missing reports data shapes that members name and that are not there.
func (m *model) missing(what string, in *members, report func(format string, args ...any)) {
	named := func(shape, where string) {
		if shape != "" && m.entry(EntityDataShape, shape) == nil {
			report("%s: %s: its data shape %s is not there", what, where, shape)
		}
	}
	for _, d := range in.properties {
		named(d.DataShape, "property "+d.Name)
	}
	for _, s := range in.services {
		named(s.dataShape, "service "+s.Name)
		for _, param := range s.Params {
			named(param.DataShape, "service "+s.Name+", parameter "+param.Name)
		}
	}
	for _, e := range in.events {
		named(e.DataShape, "event "+e.Name)
	}
}

// packageOf returns an installed package, nil if it is not.
func (m *model) packageOf(name string) *entity.Package {
	for _, p := range m.packages {
		if p.Info.Name == name {
			return &p.Info
		}
	}
	return nil
}
