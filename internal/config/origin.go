package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// Origin says where the value of a setting comes from.
type Origin string

// Where it may come from; the first that has it wins.
const (
	OriginFile    Origin = "file"
	OriginThing   Origin = "hub Thing"
	OriginDefault Origin = "default"
)

// origins are where the keys of one hub come from.
type origins struct {
	base string            // "hubs[0]"
	dir  string            // where relative files start
	keys map[string]Origin // of the keys that are set, without base
}

func (h *Hub) originsOr() *origins {
	if h.origins != nil {
		return h.origins
	}
	return &origins{base: "hubs[0]"}
}

func (o *origins) path(key string) string { return join(o.base, key) }

// with returns origins to which those keys at are added that are new.
func (o *origins) with(at map[string]position) *origins {
	all := &origins{base: o.base, dir: o.dir, keys: maps.Clone(o.keys)}
	if all.keys == nil {
		all.keys = map[string]Origin{}
	}
	for path := range at {
		key, ok := strings.CutPrefix(path, o.base+".")
		if _, known := all.keys[key]; ok && !known {
			all.keys[key] = OriginThing
		}
	}
	return all
}

// noteOrigins remembers which keys the files have, and where.
func (d *decoder) noteOrigins(cfg *Config) {
	cfg.places = map[string]position{}
	for path, at := range d.at {
		at.file = cmp.Or(at.file, d.file)
		cfg.places[path] = at
	}
	for i := range cfg.Hubs {
		o := &origins{base: fmt.Sprintf("hubs[%d]", i), dir: d.dir, keys: map[string]Origin{}}
		for path := range d.at {
			if key, ok := strings.CutPrefix(path, o.base+"."); ok {
				o.keys[key] = OriginFile
			}
		}
		cfg.Hubs[i].origins = o
	}
}

// Origin returns where the value of a key of the hub's section comes from. The key is dotted: "methods.connectTimeout".
func (h *Hub) Origin(key string) Origin {
	if from, ok := h.originsOr().keys[key]; ok {
		return from
	}
	return OriginDefault
}

// Path is where a key of the hub's section stands in the file: "hubs[0].connectionString".
func (h *Hub) Path(key string) string { return h.originsOr().path(key) }

// originOf says where the value at a path comes from, for people: "azx.yaml:3:5", "hub Thing Plant1Hub" or "default".
func (c *Config) originOf(path string) string {
	for i := range c.Hubs {
		h := &c.Hubs[i]
		if key, ok := strings.CutPrefix(path, h.originsOr().base+"."); ok {
			switch h.Origin(key) {
			case OriginThing:
				return "hub Thing " + h.Thing
			case OriginDefault:
				return "default"
			}
		}
	}
	if at, ok := c.places[path]; ok {
		return fmt.Sprintf("%s:%d:%d", at.file, at.line, at.column)
	}
	return "default"
}

// HubKeys lists the keys of a hub's section, dotted, in the order of Hub.
func HubKeys() []string {
	var keys []string
	(&Hub{}).each(func(key string, _ reflect.Value) { keys = append(keys, key) })
	return keys
}

// Text is the value of a key for people; "***" for what a credential has beside its references, "" for what is not set.
func (h *Hub) Text(key string) string {
	var text string
	h.each(func(k string, v reflect.Value) {
		if k == key {
			text = shown(v)
		}
	})
	return text
}

// each calls f for every key of the hub's section.
func (h *Hub) each(f func(key string, v reflect.Value)) { eachKey(reflect.ValueOf(h).Elem(), "", f) }

func eachKey(v reflect.Value, path string, f func(key string, v reflect.Value)) {
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("yaml"), v.Field(i)
		switch {
		case key == "":
		case field.Kind() == reflect.Struct && !isScalar(field):
			eachKey(field, join(path, key), f)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			for i := range field.Len() {
				eachKey(field.Index(i), fmt.Sprintf("%s[%d]", join(path, key), i), f)
			}
		default:
			f(join(path, key), field)
		}
	}
}
