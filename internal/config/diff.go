package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"azx/internal/secret"
)

// Change is a key whose value differs between two configurations.
type Change struct {
	Path string `json:"path"`
	From string `json:"from"` // for people; "" for what is not set, and never a credential
	To   string `json:"to"`
	Live bool   `json:"live"` // it takes effect at once, else at the next start
}

// String is "path: from -> to".
func (c Change) String() string {
	return fmt.Sprintf("%s: %s -> %s", c.Path, orNotSet(c.From), orNotSet(c.To))
}

func orNotSet(text string) string {
	if text == "" {
		return "(not set)"
	}
	return text
}

// Diff lists what differs, in the order of the keys. Credentials are compared as they are now. If a hub has another hub
// Thing or another extension, everything of it waits for the next start, as does a hub that is new or gone: that is one change.
func Diff(from, to *Config) []Change {
	before, after := values(from), values(to)
	var changes []Change
	other := map[string]bool{}
	both := min(len(from.Hubs), len(to.Hubs))
	compare := func(path string) {
		a, b := before[path], after[path]
		if i := hubIndex(path); i >= both {
			return
		}
		if known := a.IsValid() && b.IsValid(); known && reflect.DeepEqual(identity(a), identity(b)) {
			return
		}
		change := Change{Path: path, From: shownAt(path, a), To: shownAt(path, b), Live: takesEffect(path, a, b)}
		if change.From == change.To && strings.HasPrefix(change.To, "${") { // it leads to another text
			change.To += " (another text)"
		}
		changes = append(changes, change)
		if key := keyPath(path); key == "hubs[].thing" || key == "hubs[].extensions" {
			other[parent(path)] = true
		}
	}
	eachKey(reflect.ValueOf(to).Elem(), "", func(path string, _ reflect.Value) { compare(path) })
	eachKey(reflect.ValueOf(from).Elem(), "", func(path string, _ reflect.Value) {
		if !after[path].IsValid() {
			compare(path)
		}
	})
	for i := both; i < max(len(from.Hubs), len(to.Hubs)); i++ {
		changes = append(changes, Change{Path: fmt.Sprintf("hubs[%d]", i), From: thingAt(from, i), To: thingAt(to, i)})
	}
	for i, c := range changes {
		if hub, _, ok := strings.Cut(c.Path, "]"); ok && other[hub+"]"] {
			changes[i].Live = false
		}
	}
	return changes
}

// thingAt is the hub Thing at a place; "" if there is no hub.
func thingAt(c *Config, i int) string {
	if i < len(c.Hubs) {
		return c.Hubs[i].Thing
	}
	return ""
}

// Take returns running with those changes to next that take effect at once.
func Take(running, next *Config, changes []Change) *Config {
	with := *running
	with.Hubs = slices.Clone(running.Hubs)
	into, from := values(&with), values(next)
	for _, c := range changes {
		if c.Live {
			into[c.Path].Set(from[c.Path])
		}
	}
	return &with
}

// values are those of all keys, by path.
func values(c *Config) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	eachKey(reflect.ValueOf(c).Elem(), "", func(path string, v reflect.Value) { all[path] = v })
	return all
}

// shownAt is the value of a key for people; "" if it is not set.
func shownAt(path string, v reflect.Value) string {
	if k := keyAt(keyPath(path)); !v.IsValid() || v.IsZero() && k.otherwise != "" {
		return ""
	}
	return shown(v)
}

// takesEffect reports whether a change does at once.
func takesEffect(path string, a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return false
	}
	switch keyAt(keyPath(path)).when {
	case live:
		return true
	case ifKey:
		return samePlace(a.Interface().(secret.Source), b.Interface().(secret.Source))
	}
	return false
}

// samePlace reports whether two connection strings lead to the same place, so that only policy and key differ.
func samePlace(a, b secret.Source) bool {
	placeA, okA := placeOf(a)
	placeB, okB := placeOf(b)
	return okA && okB && maps.Equal(placeA, placeB)
}

// placeOf is a connection string without policy and key; false if there is none.
func placeOf(s secret.Source) (map[string]string, bool) {
	text, err := s.Value()
	if err != nil {
		return nil, false
	}
	parts, ok := splitConnection(text)
	delete(parts, "SharedAccessKeyName")
	delete(parts, "SharedAccessKey")
	return parts, ok
}

// identity is a value that equal settings have in common.
func identity(v reflect.Value) any {
	if v.Kind() == reflect.Map && v.Len() == 0 || v.Kind() == reflect.Slice && v.Len() == 0 {
		return nil
	}
	if s, ok := v.Interface().(secret.Source); ok {
		text, err := s.Value()
		return [3]any{s.Shown(), text, s.IsSet() && err != nil}
	}
	return v.Interface()
}

// Hub is the place of the hub that the key belongs to; -1 for none.
func (c Change) Hub() int { return hubIndex(c.Path) }

// hubIndex is the place of the hub that a path leads to; -1 for none.
func hubIndex(path string) int {
	rest, of := strings.CutPrefix(path, "hubs[")
	number, _, _ := strings.Cut(rest, "]")
	if i, err := strconv.Atoi(number); of && err == nil {
		return i
	}
	return -1
}

// keyPath is the path of a key in the list of all keys: "hubs[0].thing" -> "hubs[].thing".
func keyPath(path string) string {
	parts := strings.Split(path, "[")
	for i, part := range parts[1:] {
		if index, rest, closed := strings.Cut(part, "]"); closed && strings.Trim(index, "0123456789") == "" {
			parts[i+1] = "]" + rest
		}
	}
	return strings.Join(parts, "[")
}
