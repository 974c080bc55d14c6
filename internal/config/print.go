package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Print is the configuration as it is used, as YAML: what the file has, and the defaults. Of a credential it has the
// references, and "***" for the rest. With origin each key is followed by where its value comes from, and what is not set
// stands there as a comment that says what happens without it.
func (c *Config) Print(origin bool) string {
	p := &printer{cfg: c, origin: origin}
	p.section(reflect.ValueOf(c).Elem(), "", "")
	return p.String()
}

// WithHub is the configuration with another hub in the place of the one with the same Thing.
func (c *Config) WithHub(h *Hub) *Config {
	with := *c
	with.Hubs = slices.Clone(c.Hubs)
	for i := range with.Hubs {
		if with.Hubs[i].Thing == h.Thing {
			with.Hubs[i] = *h
		}
	}
	return &with
}

// printer gathers lines of YAML and where their values come from.
type printer struct {
	cfg    *Config
	origin bool
	lines  []struct{ text, from string }
}

func (p *printer) line(from, format string, args ...any) {
	p.lines = append(p.lines, struct{ text, from string }{fmt.Sprintf(format, args...), from})
}

// section prints the keys of a struct, each line after indent.
func (p *printer) section(v reflect.Value, path, indent string) {
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Tag.Get("yaml"), v.Field(i)
		at := join(path, name)
		switch {
		case name == "":
		case field.Kind() == reflect.Struct && !isScalar(field):
			first := len(p.lines)
			p.line("", "%s%s:", indent, name)
			p.section(field, at, indent+"  ")
			p.empty(first, indent)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			p.line("", "%s%s:", indent, name)
			for i := range field.Len() {
				first := len(p.lines)
				p.section(field.Index(i), fmt.Sprintf("%s[%d]", at, i), indent+"    ")
				p.lines[first].text = indent + "  - " + strings.TrimPrefix(p.lines[first].text, indent+"    ")
			}
		default:
			p.value(field, name, at, indent)
		}
	}
}

// empty makes a section a comment that has nothing but comments.
func (p *printer) empty(first int, indent string) {
	for _, l := range p.lines[first+1:] {
		if !strings.HasPrefix(strings.TrimSpace(l.text), "#") {
			return
		}
	}
	if len(p.lines) == first+1 {
		p.lines = p.lines[:first]
		return
	}
	p.lines[first].text = indent + "# " + strings.TrimPrefix(p.lines[first].text, indent)
}

func (p *printer) value(v reflect.Value, name, at, indent string) {
	services, named := v.Interface().(map[string]MethodTimeout)
	switch k := keyAt(keyPath(at)); {
	case shown(v) == "" || k.otherwise != "" && k.otherwise != needed && v.IsZero():
		if p.origin {
			p.line("default", "%s# %s: %s", indent, name, strings.ReplaceAll(k.otherwise, "`", ""))
		}
	case named:
		p.line("", "%s%s:", indent, name)
		p.services(services, at, indent+"  ")
	default:
		p.line(p.cfg.originOf(at), "%s%s: %s", indent, name, written(v))
	}
}

// services prints the time-outs of services; those that a service leaves out come from where the default ones do.
func (p *printer) services(services map[string]MethodTimeout, at, indent string) {
	for _, name := range slices.Sorted(maps.Keys(services)) {
		p.line("", "%s%s:", indent, quote(name))
		own := join(at, printable(name))
		eachKey(reflect.ValueOf(services[name]), "", func(key string, v reflect.Value) {
			from := p.cfg.originOf(join(own, key))
			if from == "default" {
				from = p.cfg.originOf(join(parent(at), key))
			}
			p.line(from, "%s  %s: %s", indent, key, shown(v))
		})
	}
}

// String has one line each, with the origins below each other.
func (p *printer) String() string {
	const widest = 60
	width := 0
	for _, l := range p.lines {
		if n := len(l.text); n <= widest {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, l := range p.lines {
		if p.origin && l.from != "" {
			fmt.Fprintf(&b, "%-*s  # %s\n", width, l.text, l.from)
		} else {
			b.WriteString(l.text + "\n")
		}
	}
	return b.String()
}
