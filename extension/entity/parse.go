package entity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SyntaxError says where a document is not the XML of entities, and why.
type SyntaxError struct {
	Pos    Pos
	Reason string
}

// Error returns "file:line: reason".
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s: %s", e.Pos, e.Reason) }

// String returns "file:line", or what of it there is.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.File == "":
		return "line " + strconv.Itoa(p.Line)
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Parse reads a document: <Entities> with any number of collections, as a package's files, its metadata.xml, a
// source-control export and a full export have it. file is what positions will name. Collections that have no type here
// become Documents; unknown attributes and elements are passed over. An error is a *SyntaxError.
func Parse(file string, xml []byte) (*Set, error) {
	root, fault := readTree(file, xml)
	if fault != nil {
		return nil, fault
	}
	p := &parser{file: file, source: xml, set: &Set{}}
	if root.name != "Entities" {
		p.fail(root, "the document is <%s>, and one of entities is <Entities>", root.name)
	}
	for _, collection := range root.children {
		p.collection(collection)
	}
	if p.fault != nil {
		return nil, p.fault
	}
	return p.set, nil
}

// Merge appends what other holds.
func (s *Set) Merge(other *Set) {
	s.Packages = append(s.Packages, other.Packages...)
	s.Projects = append(s.Projects, other.Projects...)
	s.DataShapes = append(s.DataShapes, other.DataShapes...)
	s.ThingShapes = append(s.ThingShapes, other.ThingShapes...)
	s.ThingTemplates = append(s.ThingTemplates, other.ThingTemplates...)
	s.Things = append(s.Things, other.Things...)
	s.Groups = append(s.Groups, other.Groups...)
	s.Organizations = append(s.Organizations, other.Organizations...)
	s.Users = append(s.Users, other.Users...)
	s.Documents = append(s.Documents, other.Documents...)
	s.Dropped = append(s.Dropped, other.Dropped...)
}

// parser makes a Set of a tree. The first fault is kept and what comes after it is of no use.
type parser struct {
	file   string
	source []byte
	set    *Set
	entity string // that is being read: "Collection/Name"
	fault  *SyntaxError
}

func (p *parser) fail(n *node, format string, args ...any) {
	if p.fault == nil {
		p.fault = &SyntaxError{p.pos(n), fmt.Sprintf(format, args...)}
	}
}

func (p *parser) pos(n *node) Pos { return Pos{p.file, n.line} }

func (p *parser) drop(n *node, format string, args ...any) {
	p.set.Dropped = append(p.set.Dropped, Dropped{p.pos(n), p.entity, fmt.Sprintf(format, args...)})
}

// collection reads what a child of <Entities> holds.
func (p *parser) collection(n *node) {
	read, known := map[string]func(*node){
		"ExtensionPackages": p.extensionPackage,
		"Projects":          p.project,
		"DataShapes":        p.dataShape,
		"ThingShapes":       p.thingShape,
		"ThingTemplates":    p.thingTemplate,
		"Things":            p.thing,
		"Groups":            p.group,
		"Organizations":     p.organization,
		"Users":             p.user,
	}[n.name]
	if !known {
		for _, child := range n.children {
			p.entity = n.name + "/" + child.attr("name")
			p.set.Documents = append(p.set.Documents, Document{p.common(child), n.name, child.raw(p.source)})
		}
		return
	}
	element := strings.TrimSuffix(n.name, "s")
	for _, child := range n.children {
		switch {
		case child.name != element:
			p.fail(child, "<%s> holds <%s>, expected <%s>", n.name, child.name, element)
		case strings.TrimSpace(child.attr("name")) == "":
			p.fail(child, "a <%s> has no name", element)
		default:
			p.entity = n.name + "/" + child.attr("name")
			read(child)
		}
	}
}

// common reads what entities of every collection have.
func (p *parser) common(n *node) Common {
	return Common{
		Name:          n.attr("name"),
		Description:   n.attr("description"),
		Documentation: n.attr("documentationContent"),
		Project:       n.attr("projectName"),
		Tags:          n.attr("tags"),
		HomeMashup:    n.attr("homeMashup"),
		Aspects:       n.aspects(),
		Permissions:   p.permissions(n),
		Pos:           p.pos(n),
	}
}

func (p *parser) extensionPackage(n *node) {
	e := Package{
		Name:           n.attr("name"),
		Description:    n.attr("description"),
		Vendor:         n.attr("vendor"),
		GroupID:        n.attr("groupId"),
		ArtifactID:     n.attr("artifactId"),
		Version:        n.attr("packageVersion"),
		Build:          n.attr("buildNumber"),
		MinimumVersion: n.attr("minimumThingWorxVersion"),
		HACompatible:   p.flag(n, "haCompatible", false),
		Pos:            p.pos(n),
	}
	for part := range strings.SplitSeq(n.attr("dependsOn"), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, version, ok := strings.Cut(part, ":")
		if !ok || name == "" || version == "" {
			p.fail(n, "dependsOn has %q, expected Name:version, several with commas between them", part)
		}
		e.DependsOn = append(e.DependsOn, Dependency{name, version})
	}
	for _, resource := range n.all("JarResources", "FileResource") {
		e.Jars = append(e.Jars, resource.attr("file"))
	}
	p.set.Packages = append(p.set.Packages, e)
}

func (p *parser) project(n *node) {
	p.set.Projects = append(p.set.Projects, Project{p.common(n), n.attr("packageVersion")})
}

func (p *parser) dataShape(n *node) {
	p.set.DataShapes = append(p.set.DataShapes, DataShape{p.common(n), n.attr("baseDataShape"), p.fields(n.all("FieldDefinitions", "FieldDefinition"))})
}

func (p *parser) thingShape(n *node) {
	p.set.ThingShapes = append(p.set.ThingShapes, ThingShape{p.common(n), p.members(n, n), n.attr("className")})
}

func (p *parser) thingTemplate(n *node) {
	p.set.ThingTemplates = append(p.set.ThingTemplates, ThingTemplate{
		Common:      p.common(n),
		Members:     p.innerMembers(n),
		Base:        n.attr("baseThingTemplate"),
		Shapes:      n.names("ImplementedShapes", "ImplementedShape"),
		ValueStream: n.attr("valueStream"),
		Definitions: p.tableDefinitions(n),
		Tables:      p.tables(n),
	})
}

func (p *parser) thing(n *node) {
	p.set.Things = append(p.set.Things, Thing{
		Common:      p.common(n),
		Members:     p.innerMembers(n),
		Template:    n.attr("thingTemplate"),
		Identifier:  n.attr("identifier"),
		Enabled:     p.flag(n, "enabled", true),
		Published:   p.flag(n, "published", false),
		ValueStream: n.attr("valueStream"),
		Shapes:      n.names("ImplementedShapes", "ImplementedShape"),
		Definitions: p.tableDefinitions(n),
		Tables:      p.tables(n),
		Values:      p.values(n),
	})
}

func (p *parser) values(n *node) []Value {
	var values []Value
	for _, property := range n.all("ThingProperties") {
		v := Value{Property: property.name, Pos: p.pos(property)}
		if c := property.child("Value"); c != nil {
			v.Text, _ = p.cell(c)
		}
		v.Time, v.Quality = property.childText("Timestamp"), property.childText("Quality")
		values = append(values, v)
	}
	return values
}

func (p *parser) group(n *node) {
	p.set.Groups = append(p.set.Groups, Group{p.common(n), principals(n.child("Members"))})
}

func (p *parser) user(n *node) {
	p.set.Users = append(p.set.Users, User{p.common(n), p.flag(n, "enabled", true)})
}

// organization reads the tree of units: the root is the unit of the connection that comes from nowhere.
func (p *parser) organization(n *node) {
	parents := map[string]string{}
	for _, c := range n.all("Connections", "Connection") {
		parents[c.attr("to")] = c.attr("from")
	}
	o := Organization{Common: p.common(n)}
	for _, u := range n.all("OrganizationalUnits", "OrganizationalUnit") {
		name := u.attr("name")
		o.Units = append(o.Units, Unit{name, parents[name], principals(u.child("Members"))})
	}
	slices.SortStableFunc(o.Units, func(a, b Unit) int { return min(len(a.Parent), 1) - min(len(b.Parent), 1) })
	p.set.Organizations = append(p.set.Organizations, o)
}

// principals reads members, which stand in <Members> once or twice.
func principals(members *node) []Principal {
	if members == nil {
		return nil
	}
	var found []Principal
	for _, n := range members.children {
		switch n.name {
		case "Members":
			found = append(found, principals(n)...)
		case "Member":
			found = append(found, Principal{n.attr("name"), n.attr("type")})
		}
	}
	return found
}
