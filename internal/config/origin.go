package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"azx/internal/secret"
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

// noteOrigins remembers which keys of each hub the file has.
func (d *decoder) noteOrigins(cfg *Config) {
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

// HubKeys lists the keys of a hub's section, dotted, in the order of Hub.
func HubKeys() []string {
	var keys []string
	(&Hub{}).each(func(key string, _ reflect.Value) { keys = append(keys, key) })
	return keys
}

// Text is the value of a key for people; "***" for a credential that is set, "" for what is not.
func (h *Hub) Text(key string) string {
	var shown string
	h.each(func(k string, v reflect.Value) {
		if k == key && !v.IsZero() {
			shown = fmt.Sprint(v.Interface())
		}
	})
	return shown
}

// Changed lists the keys whose values differ between two hubs, sorted. Credentials are compared as they are now.
func (h *Hub) Changed(other *Hub) []string {
	values := map[string]any{}
	h.each(func(key string, v reflect.Value) { values[key] = identity(v) })
	var keys []string
	other.each(func(key string, v reflect.Value) {
		if !reflect.DeepEqual(values[key], identity(v)) {
			keys = append(keys, key)
		}
	})
	slices.Sort(keys)
	return keys
}

// identity is a value that equal settings have in common.
func identity(v reflect.Value) any {
	if v.Kind() == reflect.Map && v.Len() == 0 || v.Kind() == reflect.Slice && v.Len() == 0 {
		return nil
	}
	if s, ok := v.Interface().(secret.Source); ok {
		text, err := s.Value()
		return [2]any{text, s.IsSet() && err != nil}
	}
	return v.Interface()
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
		default:
			f(join(path, key), field)
		}
	}
}
