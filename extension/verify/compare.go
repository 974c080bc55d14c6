package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"azx/extension/entity"
)

// comparer looks for what one entity should have. What a platform has beyond that is no loss: people add to entities.
type comparer struct {
	lose    func(format string, args ...any)
	summary bool // the platform's side lacks members of groups and units
}

func (c *comparer) compare(want, got *entity.Set, collection, name string) {
	named := func(e entity.Common) bool { return e.Name == name }
	switch collection {
	case "Projects":
		w, g := pick(want.Projects, got.Projects, func(e entity.Project) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		c.text("packageVersion", w.Version, g.Version)
	case "DataShapes":
		w, g := pick(want.DataShapes, got.DataShapes, func(e entity.DataShape) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		c.fields("field", w.Fields, g.Fields)
	case "ThingShapes":
		w, g := pick(want.ThingShapes, got.ThingShapes, func(e entity.ThingShape) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		c.members(w.Members, g.Members)
	case "ThingTemplates":
		w, g := pick(want.ThingTemplates, got.ThingTemplates, func(e entity.ThingTemplate) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		c.text("the base template", w.Base, g.Base)
		c.text("the value stream", w.ValueStream, g.ValueStream)
		c.names("the shape", w.Shapes, g.Shapes)
		c.members(w.Members, g.Members)
		c.tables(w.Definitions, g.Definitions, w.Tables, g.Tables)
	case "Things":
		w, g := pick(want.Things, got.Things, func(e entity.Thing) bool { return named(e.Common) })
		c.thing(w, g)
	case "Groups":
		w, g := pick(want.Groups, got.Groups, func(e entity.Group) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		if !c.summary {
			c.principals(memberOf, w.Members, g.Members)
		}
	case "Organizations":
		w, g := pick(want.Organizations, got.Organizations, func(e entity.Organization) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		c.units(w.Units, g.Units)
	case "Users":
		w, g := pick(want.Users, got.Users, func(e entity.User) bool { return named(e.Common) })
		c.common(w.Common, g.Common)
		c.text("enabled", fmt.Sprint(w.Enabled), fmt.Sprint(g.Enabled))
	}
}

// pick gives the one entity of each side; both are there.
func pick[E any](want, got []E, named func(E) bool) (w, g E) {
	return want[slices.IndexFunc(want, named)], got[slices.IndexFunc(got, named)]
}

func (c *comparer) thing(w, g entity.Thing) {
	c.common(w.Common, g.Common)
	c.text("the template", w.Template, g.Template)
	c.text("the value stream", w.ValueStream, g.ValueStream)
	if w.Enabled && !g.Enabled {
		c.lose("the Thing is not enabled")
	}
	c.names("the shape", w.Shapes, g.Shapes)
	c.members(w.Members, g.Members)
	c.tables(w.Definitions, g.Definitions, w.Tables, g.Tables)
}

// memberOf is how a loss of a member begins.
const memberOf = "the membership of"

// text loses what is another one. Nothing wanted is nothing lost.
func (c *comparer) text(what, want, got string) {
	switch {
	case want == "" || want == got:
	case got == "":
		c.lose("%s is missing, expected %q", what, want)
	default:
		c.lose("%s is %q, expected %q", what, got, want)
	}
}

func (c *comparer) names(what string, want, got []string) {
	for _, name := range want {
		if !slices.Contains(got, name) {
			c.lose("%s %q is missing", what, name)
		}
	}
}

func (c *comparer) common(w, g entity.Common) {
	c.text("the project", w.Project, g.Project)
	const editable = "isEditableExtensionObject"
	if w.Aspects[editable] == "true" && g.Aspects[editable] != "true" {
		c.lose("the entity cannot be edited: its aspect %s is missing", editable)
	}
	c.grants("run-time permission", w.Permissions.RunTime, g.Permissions.RunTime)
	c.grants("design-time permission", w.Permissions.DesignTime, g.Permissions.DesignTime)
	c.grants("run-time permission of its Things", w.Permissions.InstanceRunTime, g.Permissions.InstanceRunTime)
	c.grants("design-time permission of its Things", w.Permissions.InstanceDesignTime, g.Permissions.InstanceDesignTime)
	c.principals("the visibility for", w.Permissions.Visibility, g.Permissions.Visibility)
	c.principals("the visibility of its Things for", w.Permissions.InstanceVisibility, g.Permissions.InstanceVisibility)
}

func (c *comparer) grants(what string, want, got []entity.Grant) {
	for _, g := range want {
		if !slices.Contains(got, g) {
			verb := "permits"
			if !g.Permitted {
				verb = "denies"
			}
			c.lose("a %s is missing that %s %s on %q to the %s %q", what, verb, g.Right, g.Resource, strings.ToLower(g.Principal.Type), g.Principal.Name)
		}
	}
}

func (c *comparer) principals(what string, want, got []entity.Principal) {
	for _, p := range want {
		if !slices.Contains(got, p) {
			c.lose("%s the %s %q is missing", what, strings.ToLower(p.Type), p.Name)
		}
	}
}

func (c *comparer) units(want, got []entity.Unit) {
	if c.summary {
		return
	}
	for _, u := range want {
		i := slices.IndexFunc(got, func(g entity.Unit) bool { return g.Name == u.Name })
		if i < 0 {
			c.lose("the unit %q is missing", u.Name)
			continue
		}
		c.text(fmt.Sprintf("the unit above %q", u.Name), u.Parent, got[i].Parent)
		c.principals(memberOf, u.Members, got[i].Members)
	}
}

// fields compares columns, parameters or properties by name.
func (c *comparer) fields(what string, want, got []entity.Field) {
	for _, w := range want {
		label := fmt.Sprintf("%s %q", what, w.Name)
		i := slices.IndexFunc(got, func(g entity.Field) bool { return g.Name == w.Name })
		if i < 0 {
			c.lose("%s is missing", label)
			continue
		}
		c.text("the base type of "+label, w.BaseType, got[i].BaseType)
		c.aspects(label, w.Aspects, got[i].Aspects)
	}
}

// aspects compares those that say something: false, 0 and nothing are what an aspect is that is not there.
func (c *comparer) aspects(label string, want, got map[string]string) {
	for name, w := range sorted(want) {
		if plain(w) != plain(got[name]) {
			c.lose("the aspect %s of %s is %q, expected %q", name, label, got[name], w)
		}
	}
}

// plain writes a value of an aspect so that equal ones are the same text.
func plain(text string) string {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(n, 'g', -1, 64)
	}
	if text == "false" || text == "0" {
		return ""
	}
	return text
}
