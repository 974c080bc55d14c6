package importer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// defaultProject is where entities land whose project is missing.
const defaultProject = "PTCDefaultProject"

// maxProblems is how many problems are told.
const maxProblems = 1000

// Check looks for everything that keeps a package from being imported whole. script checks the syntax of a script: its error
// begins with line:column. The problems come in the order of the files.
func Check(p *Package, known Known, script func(code string) error) []Problem {
	c := &checker{p: p, known: known, script: script, own: map[string]entity.Pos{}, index: indexOf(&p.Set)}
	c.checkPackage()
	c.checkNames()
	for _, d := range p.Set.Dropped {
		c.entity = d.Entity
		c.at(d.Pos, Drops, nil, "%s", d.What)
	}
	c.checkDataShapes()
	c.checkShapes()
	c.checkTemplates()
	c.checkThings()
	c.checkPrincipals()
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		if files := strings.Compare(a.Pos.File, b.Pos.File); files != 0 {
			return files
		}
		return a.Pos.Line - b.Pos.Line
	})
	return c.problems
}

type checker struct {
	p        *Package
	known    Known
	script   func(string) error
	index    index
	own      map[string]entity.Pos // entities of the package, by "Collection/Name"
	entity   string                // that is being checked: "Collection/Name"
	problems []Problem
}

// at notes a problem with the entity that is being checked. drop makes a set as it is on a platform that drops this.
func (c *checker) at(pos entity.Pos, silent Silence, drop func(*entity.Set), format string, args ...any) {
	switch {
	case len(c.problems) < maxProblems:
		c.problems = append(c.problems, Problem{pos, c.entity, fmt.Sprintf(format, args...), silent, drop})
	case len(c.problems) == maxProblems:
		c.problems = append(c.problems, refuse(pos, "there are more problems than %d", maxProblems))
	}
}

// exists reports whether an entity is in the package or on the platform.
func (c *checker) exists(collection, name string) bool {
	if _, ok := c.own[collection+"/"+name]; ok {
		return true
	}
	owner, ok := c.known.Has(collection, name)
	return ok && (owner == "" || owner != c.p.Info.Name) // an upgrade takes away what it no longer brings
}

// need refuses a reference to an entity that is nowhere.
func (c *checker) need(pos entity.Pos, collection, name, what string) {
	if !c.exists(collection, name) {
		c.at(pos, Refuses, nil, "%s %q, which is neither in the package nor on the platform", what, name)
	}
}

// checkNames looks at what every entity has: its name, whose it is, its project.
func (c *checker) checkNames() {
	for collection, e := range c.p.Set.All() {
		key := collection + "/" + e.Name
		c.entity = key
		first, twice := c.own[key]
		if !twice {
			c.own[key] = e.Pos
		}
		if twice {
			c.at(e.Pos, Refuses, nil, "the entity stands twice in the package; the other one is at %s", first)
		} else if why := badName(e.Name); why != "" {
			c.at(e.Pos, Refuses, nil, "the name %q %s", shorten(e.Name), why)
		}
		c.checkOwner(collection, e)
	}
	for collection, e := range c.p.Set.All() {
		c.entity = collection + "/" + e.Name
		if e.Project != "" && e.Project != defaultProject && !c.exists("Projects", e.Project) {
			c.at(e.Pos, Drops, inEntity(c.entity, func(e *entity.Common) { e.Project = defaultProject }),
				"project %q is neither in the package nor on the platform; the entity would land in %s", e.Project, defaultProject)
		}
	}
}

// checkOwner refuses what another package brought, and what somebody made under a name that this package brings.
func (c *checker) checkOwner(collection string, e *entity.Common) {
	owner, there := c.known.Has(collection, e.Name)
	loose := c.p.Info.Name == ""
	switch {
	case !there, owner == c.p.Info.Name:
	case loose && (owner == "" || e.Aspects["isEditableExtensionObject"] == "true"):
	case owner != "":
		c.at(e.Pos, Refuses, nil, "the entity belongs to the package %s, which is installed", owner)
	default:
		c.at(e.Pos, Refuses, nil, "the platform has an entity of this name, which no package brought; delete or rename it")
	}
}

// badName says why a name is none, "" if it is one. The rules are those of PTC's pages on naming entities.
func badName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case utf8.RuneCountInString(name) > 255:
		return "is longer than 255 characters"
	case strings.EqualFold(name, "me"):
		return "is reserved"
	case strings.Trim(name, "-. ") != name:
		return "begins or ends with a hyphen, a dot or a blank"
	}
	for _, r := range name {
		if r == utf8.RuneError || !strings.ContainsRune("_-. ", r) && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
			return fmt.Sprintf("has %q: letters, digits, _ and, inside, - . and blanks are taken", r)
		}
	}
	return ""
}

// inEntity makes a drop that changes one entity.
func inEntity(key string, change func(*entity.Common)) func(*entity.Set) {
	return func(s *entity.Set) {
		for collection, e := range s.All() {
			if collection+"/"+e.Name == key {
				change(e)
			}
		}
	}
}

// checkFields looks at columns, parameters and properties. what is a word for one of them.
func (c *checker) checkFields(what string, fields []entity.Field) {
	seen := map[string]bool{}
	for _, f := range fields {
		if f.Name == "" {
			c.at(f.Pos, Refuses, nil, "a %s has no name", what)
		} else if seen[f.Name] {
			c.at(f.Pos, Refuses, nil, "%s %q stands there twice", what, f.Name)
		}
		seen[f.Name] = true
		if f.BaseType == "NOTHING" {
			c.at(f.Pos, Refuses, nil, "%s %q has the base type NOTHING, which only results have", what, f.Name)
		}
		c.checkType(fmt.Sprintf("%s %q", what, f.Name), f)
	}
}

// checkType looks at a base type and the data shape of a table.
func (c *checker) checkType(what string, f entity.Field) {
	base, err := infotable.ParseBaseType(f.BaseType)
	switch {
	case err != nil:
		c.at(f.Pos, Refuses, nil, "%s has the base type %q, which is none", what, f.BaseType)
	case base.String() != f.BaseType:
		c.at(f.Pos, Refuses, nil, "%s has the base type %q; write %s", what, f.BaseType, base)
	}
	if shape := f.Aspects["dataShape"]; shape != "" {
		c.need(f.Pos, "DataShapes", shape, what+" refers to the data shape")
	}
}

func (c *checker) checkDataShapes() {
	for i := range c.p.Set.DataShapes {
		d := &c.p.Set.DataShapes[i]
		c.entity = "DataShapes/" + d.Name
		c.checkFields("field", d.Fields)
		if d.Base != "" {
			c.checkBase(d)
		}
	}
}

// checkBase looks whether fields of a base data shape are repeated: import does not take them over.
func (c *checker) checkBase(d *entity.DataShape) {
	c.need(d.Pos, "DataShapes", d.Base, "has the base data shape")
	base := c.index.dataShapes[d.Base]
	if base == nil {
		return
	}
	for _, f := range base.Fields {
		if !slices.ContainsFunc(d.Fields, func(own entity.Field) bool { return own.Name == f.Name }) {
			c.at(d.Pos, Drops, nil, "field %q of the base data shape %q is not repeated, and an import does not take it over", f.Name, d.Base)
		}
	}
}
