package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"azx/internal/dial"
	"azx/internal/secret"
)

// position is where something stands in a file, from 1. The file "" is the main one.
type position struct {
	file         string
	line, column int
}

// decoder fills a Config from YAML and gathers what is wrong instead of stopping at it.
type decoder struct {
	file, dir string
	in        map[*yaml.Node]string // which of them a node is of; none for those of the main file
	at        map[string]position   // of the value of every key the file has, by path; "" is the root
	bad       map[string]bool       // paths with a problem: nothing more is said about them and below
	vaults    secret.Vaults         // that credentials refer to
	problems  Problems
	warnings  Problems

	// Of what a hub Thing has, see thing.go: all values are text, and the keys in checked are not looked at again.
	fromThing bool
	checked   map[string]bool
}

// withDefaults is what a list element implements that does not start from its zero value.
type withDefaults interface{ setDefaults() }

// decode fills cfg from the YAML texts of the files, the main one first.
func (d *decoder) decode(files []file, cfg *Config) {
	d.at[""] = position{line: 1, column: 1}
	var whole *yaml.Node
	for _, f := range files {
		n := d.read(f)
		switch {
		case n == nil:
		case whole == nil:
			whole = n
		default:
			d.merge(whole, n, "")
		}
	}
	if whole != nil {
		d.value(whole, reflect.ValueOf(cfg).Elem(), "")
	}
}

// read parses one file; nil if it has nothing or is not YAML.
func (d *decoder) read(f file) *yaml.Node {
	loader := yaml.NewDecoder(bytes.NewReader(f.text))
	var doc, more yaml.Node
	err := loader.Decode(&doc)
	if err == nil && loader.Decode(&more) != io.EOF {
		err = errors.New("more than one YAML document")
	}
	switch {
	case err == io.EOF || err == nil && isNull(doc.Content[0]):
		return nil
	case err != nil:
		d.syntax(f.path, err)
		return nil
	}
	if f.path != d.file {
		d.belongs(doc.Content[0], f.path)
	}
	return doc.Content[0]
}

// syntax reports that the text is not YAML at all, which ends the check.
func (d *decoder) syntax(file string, err error) {
	p := Problem{File: file, What: "not valid YAML: " + err.Error()}
	var load *yaml.LoadError
	if errors.As(err, &load) {
		p.Line, p.Column, p.What = load.Mark.Line, load.Mark.Column, "not valid YAML: "+withoutText(load.Message)
	}
	d.problems = append(d.problems, p)
	d.bad[""] = true
}

// withoutText takes what is quoted from the file out of a message: a credential that starts with * is an
// alias for the parser.
func withoutText(message string) string {
	before, _, quotes := strings.Cut(message, " '")
	if quotes && strings.Contains(message, "anchor") {
		return before + "; a text that starts with * or & needs quotes"
	}
	return message
}

// value decodes a node into v, whose path in the file is given.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	d.at[path] = d.place(n)
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.report(path, "anchors and aliases are not supported", "write the value out")
	case isNull(n):
		d.report(path, "is empty", hintForEmpty(path))
	case v.Kind() == reflect.Struct && !isScalar(v):
		d.structure(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	case v.Kind() == reflect.Map:
		d.named(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isScalar reports whether v is a struct that the file has as one text.
func isScalar(v reflect.Value) bool {
	switch v.Interface().(type) {
	case secret.Source, Start:
		return true
	}
	return false
}

func hintForEmpty(path string) string {
	if strings.HasSuffix(path, ".routingGroup") {
		return "name the group, or leave the key out so that the hub Thing is asked"
	}
	return "give a value, or leave the key out"
}

// structure decodes a mapping into the struct v.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.report(path, "want keys and values, got "+describe(n), "")
		return
	}
	fields := fieldsOf(v)
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, printable(key.Value))
		field, known := fields[key.Value]
		switch first := seen[key.Value]; {
		case first > 0:
			d.reportAt(key, at, fmt.Sprintf("the key is here twice, first in line %d", first), "keep one")
		case !known:
			d.unknown(key, at, fields)
		default:
			d.value(value, field, at)
		}
		seen[key.Value] = key.Line
	}
}

// unknown reports a key that is not in fields.
// On a hub Thing it may be for a newer connector.
func (d *decoder) unknown(key *yaml.Node, path string, fields map[string]reflect.Value) {
	hint := ""
	if near := nearest(key.Value, fields); near != "" {
		hint = "did you mean " + near + "?"
	}
	if d.fromThing {
		d.warn(path, "unknown key", hint)
		return
	}
	d.reportAt(key, path, "unknown key", hint)
}

// list decodes a sequence into the slice v.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.report(path, "want a list, got "+describe(n), "")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		element := v.Index(i)
		if e, ok := element.Addr().Interface().(withDefaults); ok {
			e.setDefaults()
		}
		d.value(item, element, fmt.Sprintf("%s[%d]", path, i))
	}
}

// named decodes a mapping whose keys are names into the map v.
func (d *decoder) named(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.report(path, "want names and values, got "+describe(n), "")
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, printable(key.Value))
		if first := seen[key.Value]; first > 0 {
			d.reportAt(key, at, fmt.Sprintf("the key is here twice, first in line %d", first), "keep one")
			continue
		}
		seen[key.Value] = key.Line
		element := reflect.New(v.Type().Elem()).Elem()
		if known := v.MapIndex(reflect.ValueOf(key.Value)); known.IsValid() {
			element.Set(known)
		}
		d.value(value, element, at)
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
	}
}

// scalar decodes one text or number into v.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	target := v.Addr().Interface()
	want := kindOf(target).want
	_, isText := target.(*string)
	if n.Kind != yaml.ScalarNode || !d.fromThing && !acceptsTag(target, n.Tag) {
		hint := ""
		if n.Kind == yaml.ScalarNode && isText && strings.HasPrefix(n.Tag, "!!") {
			hint = "put it in quotes"
		}
		d.report(path, "want "+want+", got "+describe(n), hint)
		return
	}
	if err := d.parse(n.Value, target); err != nil {
		d.report(path, err.Error(), "want "+want)
	}
}

// acceptsTag reports whether a scalar with the YAML tag may be the text of target.
func acceptsTag(target any, tag string) bool {
	if tags := kindOf(target).tags; tags != nil {
		return slices.Contains(tags, tag)
	}
	return tag == "!!str"
}

// parse reads text into target. The errors show the text, except where it may be a credential.
func (d *decoder) parse(text string, target any) (err error) {
	switch t := target.(type) {
	case *string:
		*t = text
	case *int:
		*t, err = strconv.Atoi(text)
	case *Size:
		*t, err = parseSize(text)
	case *time.Duration:
		*t, err = time.ParseDuration(text)
	case *Start:
		*t, err = ParseStart(text)
	case *Extensions:
		err = oneOf(text, t)
	case *dial.Transport:
		err = oneOf(text, t)
	case *OnUnknownThing:
		err = oneOf(text, t)
	case *OnCreate:
		err = oneOf(text, t)
	case *OnDelete:
		err = oneOf(text, t)
	case *OnMoved:
		err = oneOf(text, t)
	case *OnNoDevice:
		err = oneOf(text, t)
	case *Bind:
		err = oneOf(text, t)
	case *Receiver:
		err = oneOf(text, t)
	case *IdentityKind:
		err = oneOf(text, t)
	case *LogLevel:
		err = oneOf(text, t)
	case *Tier:
		err = parseTier(text, t)
	case *Switch:
		err = parseSwitch(text, t)
	case *secret.Source:
		if *t, err = d.secret(text); err != nil {
			return err
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%q is not valid here", text)
	}
	return nil
}

// oneOf takes text if it is among the choices of its kind.
func oneOf[T ~string](text string, to *T) error {
	if !slices.Contains(kindOf(to).choices, text) {
		return errors.New("not one of the allowed values")
	}
	*to = T(text)
	return nil
}

// sizeUnits are the units of sizes, the largest first.
var sizeUnits = [...]struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseSize(text string) (Size, error) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if before, ok := strings.CutSuffix(text, u.suffix); ok {
			number, unit = before, u.bytes
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > (1<<62)/unit {
		return 0, strconv.ErrRange
	}
	return Size(n * unit), nil
}

// describe says what a node is, never its text.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	case "!!str":
		return "text"
	}
	return "a tag"
}
