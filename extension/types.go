package extension

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"azx/extension/entity"
)

// identifier is what a name must be to stand for itself in TypeScript.
var identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// declarations writes the entities of a package as the tools for TypeScript on ThingWorx write those that they import from
// a platform: a class for each, and an entry in its collection.
func declarations(s *Source) []byte {
	d := &declarer{classes: map[string]bool{}}
	d.line("// Entities of the package %s %s.", s.Info.Name, s.Info.Version)
	for _, e := range s.Set.DataShapes {
		class := d.begin(e.Common, "DataShapeBase")
		for _, f := range e.Fields {
			d.property(f)
		}
		d.end(e.Common, "DataShapes", "DataShapeEntity<"+class+">")
	}
	for _, e := range s.Set.ThingShapes {
		class := d.begin(e.Common, "ThingShapeBase")
		d.members(e.Members)
		d.end(e.Common, "ThingShapes", "ThingShapeEntity<"+class+">")
	}
	for _, e := range s.Set.ThingTemplates {
		class := d.begin(e.Common, base(e.Base, e.Shapes))
		d.members(e.Members)
		d.end(e.Common, "ThingTemplates", "ThingTemplateEntity<"+class+">")
	}
	for _, e := range s.Set.Things {
		class := d.begin(e.Common, base(e.Template, e.Shapes))
		d.members(e.Members)
		d.end(e.Common, "Things", class)
	}
	return []byte(d.text.String())
}

type declarer struct {
	text    strings.Builder
	classes map[string]bool // names that are taken: those of entities are only so within a collection
}

func (d *declarer) line(format string, args ...any) { fmt.Fprintf(&d.text, format+"\n", args...) }

// comment writes lines of documentation, if there are any.
func (d *declarer) comment(indent string, lines ...string) {
	var text []string
	for _, l := range lines {
		if l = strings.Join(strings.Fields(strings.ReplaceAll(l, "*/", "* /")), " "); l != "" {
			text = append(text, l)
		}
	}
	if len(text) > 0 {
		d.line("%s/**\n%s * %s\n%s */", indent, indent, strings.Join(text, "\n"+indent+" * "), indent)
	}
}

func (d *declarer) begin(e entity.Common, super string) (class string) {
	class = strings.Map(func(r rune) rune {
		if identifier.MatchString("_" + string(r)) {
			return r
		}
		return '_'
	}, e.Name)
	for d.classes[class] {
		class += "_"
	}
	d.classes[class] = true
	d.line("")
	d.comment("", e.Description)
	d.line("declare class %s extends %s {", class, super)
	return class
}

func (d *declarer) end(e entity.Common, collection, reference string) {
	d.line("}\ndeclare interface %s {\n    %s: %s;\n}", collection, quoted(e.Name), reference)
}

func base(template string, shapes []string) string {
	arguments := []string{quoted(template)}
	for _, s := range shapes {
		arguments = append(arguments, quoted(s))
	}
	if len(shapes) == 0 {
		return "ThingTemplateReference(" + arguments[0] + ")"
	}
	return "ThingTemplateWithShapesReference(" + strings.Join(arguments, ", ") + ")"
}

func (d *declarer) members(m entity.Members) {
	for _, p := range m.Properties {
		d.property(p.Field)
	}
	for _, e := range m.Events {
		d.comment("    ", e.Description)
		d.line(`    %s: EVENT<DataShapes[%s]["__dataShapeType"]>;`, key(e.Name), quoted(e.DataShape))
	}
	for _, s := range m.Services {
		d.service(s)
	}
}

func (d *declarer) property(f entity.Field) {
	d.comment("    ", f.Description)
	d.line("    %s: %s;", key(f.Name), typeOf(f))
}

func (d *declarer) service(s entity.Service) {
	lines := []string{s.Description}
	var parameters []string
	for _, p := range s.Parameters {
		lines = append(lines, "@param args."+p.Name+" "+p.Description)
		optional := "?"
		if p.Aspects["isRequired"] == "true" {
			optional = ""
		}
		parameters = append(parameters, key(p.Name)+optional+": "+typeOf(p))
	}
	if s.Result.Description != "" {
		lines = append(lines, "@return "+s.Result.Description)
	}
	d.comment("    ", lines...)
	arguments := ""
	if len(parameters) > 0 {
		arguments = "args: {" + strings.Join(parameters, "; ") + "}"
	}
	d.line("    %s(%s): %s;", key(s.Name), arguments, typeOf(s.Result))
}

func typeOf(f entity.Field) string {
	shape := f.Aspects["dataShape"]
	switch {
	case f.BaseType == "JSON":
		return "TWJSON"
	case f.BaseType == "INFOTABLE" && shape != "":
		return "InfoTableReference<" + quoted(shape) + ">"
	}
	return f.BaseType
}

// key is a member's name, in quotes if it needs them.
func key(name string) string {
	if identifier.MatchString(name) {
		return name
	}
	return quoted(name)
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	must(err)
	return string(text)
}
