package config

import (
	"errors"
	"maps"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"azx/internal/fault"
	"azx/internal/secret"
)

// Setting is one row of what a hub Thing's GetConfiguration gives: a key of the file's hub section, dotted
// ("methods.connectTimeout"), and its value as the file has it.
type Setting struct{ Name, Value string }

// Keys of a hub Thing that are no keys of the file: Things that stand for storage.
const (
	KeyCheckpointThing = "eventProcessorHostBlobThing"
	KeyFileThing       = "fileRepositoryBlobThing"
)

// FromThing is a hub with what its hub Thing has.
type FromThing struct {
	Hub             *Hub
	CheckpointThing string   // the storage Thing for checkpoints, "" for none
	FileThing       string   // the storage Thing for files, "" for none
	Warnings        Problems // keys that this version does not know
}

// elsewhere are rows that WithThing leaves alone: the routing group is told by a service of its own.
func elsewhere(name string) bool { return name == "routingGroup" }

// fileOnly are keys that a hub Thing cannot have: they lead to it.
var fileOnly = map[string]string{
	"thing":      "the file names the hub Thing",
	"extensions": "the file says what is installed on the platform",
	"hostName":   "the file says who gets tokens of the connector's identity",
}

// WithThing returns h with the settings that the hub Thing has and the file leaves out; h stays as it is. Empty values
// count as not set. The error is a fault.Problem of class Fatal with every problem at once; each names the hub Thing and
// the key, and none shows a credential.
func (h *Hub) WithThing(rows []Setting) (FromThing, error) {
	o := h.originsOr()
	d := &decoder{
		file: "hub Thing " + h.Thing, dir: o.dir, at: map[string]position{}, bad: map[string]bool{},
		fromThing: true, checked: map[string]bool{},
	}
	for key := range o.keys {
		d.at[o.path(key)], d.checked[o.path(key)] = position{}, true
	}
	merged := *h
	merged.Methods.Services = maps.Clone(h.Methods.Services)
	out := FromThing{Hub: &merged}
	tree, seen := mapping(), map[string]bool{}
	for _, row := range rows {
		name := strings.TrimSpace(row.Name)
		switch {
		case strings.TrimSpace(row.Value) == "" || elsewhere(name):
		case seen[name]:
			d.report(o.path(printable(name)), "the key is there twice", "keep one row")
		case fileOnly[name] != "":
			d.report(o.path(name), "cannot come from the hub Thing", fileOnly[name])
		case name == KeyCheckpointThing:
			out.CheckpointThing = row.Value
		case name == KeyFileThing:
			out.FileThing = row.Value
		default:
			d.plant(tree, reflect.TypeFor[Hub](), o.base, name, row.Value)
		}
		seen[name] = true
	}
	d.value(tree, reflect.ValueOf(&merged).Elem(), o.base)
	d.checkHub(&merged, o.base)
	merged.origins = o.with(d.at)
	out.Warnings = d.ofThing(d.warnings, o)
	if problems := d.ofThing(d.problems, o); len(problems) > 0 {
		return FromThing{}, &fault.Problem{Op: "check the settings of hub Thing " + h.Thing, Class: fault.Fatal, Cause: problems,
			Hint: "change them on the hub Thing in Composer, or set the keys in the connector's file"}
	}
	return out, nil
}

// ofThing makes problems name the hub Thing's keys and not a place in the file.
func (d *decoder) ofThing(ps Problems, o *origins) Problems {
	for i := range ps {
		ps[i].Line, ps[i].Column = 0, 0
		ps[i].Path = strings.TrimPrefix(ps[i].Path, o.base+".")
	}
	return ps.sorted()
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

// plant puts a value into the tree where its dotted name says, unless the file has the key.
func (d *decoder) plant(n *yaml.Node, t reflect.Type, path, name, value string) {
	key, rest, inner := step(t, name)
	at := join(path, key)
	if t.Kind() == reflect.Map {
		at = join(path, printable(key))
	}
	if rest != "" {
		d.plant(child(n, key), inner, at, rest, value)
		return
	}
	if d.has(at) {
		return // the file wins
	}
	n.Content = append(n.Content, text(key), leaf(inner, value))
}

// step takes the first key off a dotted name. Keys of a map may have dots themselves. rest is "" at the end, and where
// nothing is known that has the name.
func step(t reflect.Type, name string) (key, rest string, inner reflect.Type) {
	if t.Kind() == reflect.Map {
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			return name[:i], name[i+1:], t.Elem()
		}
		return name, "", t.Elem()
	}
	key, rest, _ = strings.Cut(name, ".")
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == key && rest != "" && isSection(f.Type) {
			return key, rest, f.Type
		} else if f.Tag.Get("yaml") == name {
			return name, "", f.Type
		}
	}
	return name, "", nil
}

// isSection reports whether the file has keys below a value of this type.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Map || t.Kind() == reflect.Struct && !isScalar(reflect.Zero(t))
}

// child returns the mapping below a key, a new one if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i+1].Kind == yaml.MappingNode {
			return n.Content[i+1]
		}
	}
	below := mapping()
	n.Content = append(n.Content, text(key), below)
	return below
}

func text(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// leaf is a value of a row: text, or a list as YAML and JSON write it.
func leaf(t reflect.Type, value string) *yaml.Node {
	if t != nil && t.Kind() == reflect.Slice {
		var doc yaml.Node
		if yaml.Unmarshal([]byte(value), &doc) == nil && doc.Kind == yaml.DocumentNode && doc.Content[0].Kind == yaml.SequenceNode {
			return doc.Content[0]
		}
	}
	return text(value)
}

// secret reads a credential. Whoever may change a hub Thing is not to read the files of this machine.
func (d *decoder) secret(text string) (secret.Source, error) {
	if !d.fromThing {
		return secret.ParseWith(&d.vaults, text, d.dir)
	}
	if strings.Contains(text, "${") {
		return secret.Source{}, errors.New("a reference does not work on a hub Thing: it holds the credential itself")
	}
	return secret.Literal(text), nil
}
