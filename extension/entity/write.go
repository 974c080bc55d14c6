package entity

import (
	"bytes"
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// XML writes the entities of a set as a document that Parse reads back, without packages. Columns and properties whose names
// XML does not have as elements are left out, as a real platform cannot export them either.
func (s *Set) XML() []byte {
	w := &writer{}
	w.text.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Entities>\n")
	collect(w, "Projects", s.Projects, w.project)
	collect(w, "DataShapes", s.DataShapes, w.dataShape)
	collect(w, "ThingShapes", s.ThingShapes, w.thingShape)
	collect(w, "ThingTemplates", s.ThingTemplates, w.thingTemplate)
	collect(w, "Things", s.Things, w.thing)
	collect(w, "Groups", s.Groups, w.group)
	collect(w, "Organizations", s.Organizations, w.organization)
	collect(w, "Users", s.Users, w.user)
	for _, d := range s.Documents {
		collect(w, d.Collection, []Document{d}, func(d Document) { w.text.WriteString(d.XML + "\n") })
	}
	w.text.WriteString("</Entities>\n")
	return w.text.Bytes()
}

// writer writes elements; which are open is up to its caller.
type writer struct{ text bytes.Buffer }

func collect[E any](w *writer, collection string, entities []E, write func(E)) {
	if len(entities) == 0 {
		return
	}
	w.open(collection)
	for _, e := range entities {
		write(e)
	}
	w.shut(collection)
}

// attribute is one of an element; those without a value are not written.
type attribute struct{ name, value string }

func (w *writer) begin(name string, attributes []attribute) {
	w.text.WriteString("<" + name)
	for _, a := range attributes {
		if a.value == "" {
			continue
		}
		w.text.WriteString(" " + a.name + `="`)
		_ = xml.EscapeText(&w.text, []byte(a.value)) // a buffer takes everything
		w.text.WriteString(`"`)
	}
}

func (w *writer) open(name string, attributes ...attribute) {
	w.begin(name, attributes)
	w.text.WriteString(">\n")
}

func (w *writer) leaf(name string, attributes ...attribute) {
	w.begin(name, attributes)
	w.text.WriteString("/>\n")
}

func (w *writer) shut(name string) { w.text.WriteString("</" + name + ">\n") }

// list writes an element with others in it, or nothing.
func list[M any](w *writer, name string, members []M, write func(M)) {
	if len(members) == 0 {
		return
	}
	w.open(name)
	for _, m := range members {
		write(m)
	}
	w.shut(name)
}

// cdata writes a text that may hold anything that XML has.
func (w *writer) cdata(text string) {
	w.text.WriteString("<![CDATA[" + strings.ReplaceAll(text, "]]>", "]]]]><![CDATA[>") + "]]>")
}

func yesNo(v bool) string { return strconv.FormatBool(v) }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func aspects(of map[string]string) []attribute {
	var found []attribute
	for _, name := range slices.Sorted(maps.Keys(of)) {
		found = append(found, attribute{"aspect." + name, of[name]})
	}
	return found
}

func (c Common) attributes(more ...attribute) []attribute {
	return slices.Concat([]attribute{{"name", c.Name}, {"description", c.Description}, {"documentationContent", c.Documentation},
		{"projectName", c.Project}, {"tags", c.Tags}, {"homeMashup", c.HomeMashup}}, more, aspects(c.Aspects))
}

func (w *writer) project(p Project) {
	w.open("Project", p.attributes(attribute{"packageVersion", p.Version})...)
	w.permissions(p.Permissions)
	w.shut("Project")
}

func (w *writer) dataShape(d DataShape) {
	w.open("DataShape", d.attributes(attribute{"baseDataShape", d.Base})...)
	w.permissions(d.Permissions)
	w.fields("FieldDefinitions", d.Fields)
	w.shut("DataShape")
}

func (w *writer) fields(name string, fields []Field) {
	list(w, name, fields, func(f Field) { w.leaf("FieldDefinition", f.attributes()...) })
}

func (f Field) attributes(more ...attribute) []attribute {
	return slices.Concat([]attribute{{"name", f.Name}, {"baseType", f.BaseType}, {"description", f.Description}, {"ordinal", strconv.Itoa(f.Ordinal)}}, more, aspects(f.Aspects))
}

func (w *writer) thingShape(s ThingShape) {
	w.open("ThingShape", s.attributes(attribute{"className", s.ClassName})...)
	w.permissions(s.Permissions)
	w.definitions(s.Members)
	w.bindings(s.Members)
	w.shut("ThingShape")
}

func (w *writer) thingTemplate(t ThingTemplate) {
	w.open("ThingTemplate", t.attributes(attribute{"baseThingTemplate", t.Base}, attribute{"valueStream", t.ValueStream})...)
	w.permissions(t.Permissions)
	w.tables(t.Definitions, t.Tables)
	w.open("ThingShape")
	w.definitions(t.Members)
	w.shut("ThingShape")
	w.bindings(t.Members)
	w.implemented(t.Shapes)
	w.shut("ThingTemplate")
}

func (w *writer) thing(t Thing) {
	w.open("Thing", t.attributes(attribute{"thingTemplate", t.Template}, attribute{"identifier", t.Identifier}, attribute{"enabled", yesNo(t.Enabled)},
		attribute{"published", yesNo(t.Published)}, attribute{"valueStream", t.ValueStream})...)
	w.permissions(t.Permissions)
	w.tables(t.Definitions, t.Tables)
	w.open("ThingShape")
	w.definitions(t.Members)
	w.shut("ThingShape")
	w.bindings(t.Members)
	w.implemented(t.Shapes)
	types := map[string]string{}
	for _, p := range t.Properties {
		types[p.Name] = p.BaseType
	}
	list(w, "ThingProperties", t.Values, func(v Value) {
		if !isElementName(v.Property) {
			return
		}
		w.open(v.Property)
		w.cell("Value", v.Text, types[v.Property])
		w.cell("Timestamp", v.Time, "")
		w.cell("Quality", v.Quality, "")
		w.shut(v.Property)
	})
	w.shut("Thing")
}

func (w *writer) implemented(shapes []string) {
	list(w, "ImplementedShapes", shapes, func(name string) {
		w.leaf("ImplementedShape", attribute{"name", name}, attribute{"type", "ThingShape"})
	})
}

func (w *writer) group(g Group) {
	w.open("Group", g.attributes()...)
	w.permissions(g.Permissions)
	w.members(g.Members)
	w.shut("Group")
}

func (w *writer) members(members []Principal) {
	w.open("Members")
	list(w, "Members", members, func(m Principal) { w.leaf("Member", attribute{"name", m.Name}, attribute{"type", m.Type}) })
	w.shut("Members")
}

func (w *writer) organization(o Organization) {
	w.open("Organization", o.attributes()...)
	w.permissions(o.Permissions)
	list(w, "Connections", o.Units, func(u Unit) {
		w.text.WriteString(`<Connection from="`) // also that of the root, which is empty
		_ = xml.EscapeText(&w.text, []byte(u.Parent))
		w.text.WriteString(`" to="`)
		_ = xml.EscapeText(&w.text, []byte(u.Name))
		w.text.WriteString("\"/>\n")
	})
	list(w, "OrganizationalUnits", o.Units, func(u Unit) {
		w.open("OrganizationalUnit", attribute{"name", u.Name})
		w.members(u.Members)
		w.shut("OrganizationalUnit")
	})
	w.shut("Organization")
}

func (w *writer) user(u User) {
	w.open("User", u.attributes(attribute{"enabled", yesNo(u.Enabled)})...)
	w.permissions(u.Permissions)
	w.shut("User")
}

// isElementName reports whether the name of a column or property can stand in XML.
func isElementName(name string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && r != '_' && (i == 0 || !unicode.IsNumber(r) && r != '.' && r != '-') {
			return false
		}
	}
	return name != ""
}
