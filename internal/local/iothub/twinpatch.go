package iothub

import (
	"encoding/json"
	"maps"
	"strings"
	"time"
	"unicode"
)

// Limits of twins in bytes and levels (read).
const (
	maxSection   = 32 << 10 // desired, and reported
	maxTags      = 8 << 10
	maxTwinValue = 4 << 10 // one text
	maxTwinKey   = 1 << 10
	maxTwinDepth = 10
)

// stamp is what the metadata of changed properties gets.
type stamp struct {
	time    time.Time
	version int64 // 0: not written, as in reported properties
}

func (s stamp) mark(meta map[string]any) map[string]any {
	meta["$lastUpdated"] = hubTime(s.time)
	if s.version > 0 {
		meta["$lastUpdatedVersion"] = s.version
	}
	return meta
}

// patched returns values and metadata with a patch applied: null deletes, objects merge, all else replaces. What it is
// given stays as it is.
func (s stamp) patched(values, meta, patch map[string]any) (newValues, newMeta map[string]any) {
	newValues, newMeta = map[string]any{}, map[string]any{}
	maps.Copy(newValues, values)
	maps.Copy(newMeta, meta)
	s.mark(newMeta)
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(newValues, name)
			delete(newMeta, name)
		case isObject:
			oldValues, wasObject := newValues[name].(map[string]any)
			var oldMeta map[string]any
			if wasObject {
				oldMeta, _ = newMeta[name].(map[string]any)
			}
			newValues[name], newMeta[name] = s.patched(oldValues, oldMeta, inner)
		default:
			newValues[name], newMeta[name] = value, s.mark(map[string]any{})
		}
	}
	return newValues, newMeta
}

// replacing is the patch that turns old into new: new itself, and null for what is gone.
func replacing(old, new map[string]any) map[string]any {
	patch := maps.Clone(new)
	if patch == nil {
		patch = map[string]any{}
	}
	for name, was := range old {
		is, has := new[name]
		wasObject, ok1 := was.(map[string]any)
		isObject, ok2 := is.(map[string]any)
		switch {
		case !has:
			patch[name] = nil
		case ok1 && ok2:
			patch[name] = replacing(wasObject, isObject)
		}
	}
	return patch
}

// change applies a patch, or a replacement, to a section, by the rules for keys, values and sizes. Error:
// ArgumentInvalid.
func (s Section) change(what string, patch map[string]any, replace bool, now time.Time, desired bool) (Section, error) {
	if err := checkTwinObject(what, patch, 1); err != nil {
		return Section{}, err
	}
	next := Section{Version: s.Version + 1}
	at := stamp{time: now}
	if desired {
		at.version = next.Version
	}
	values, meta := s.Values, s.Metadata
	if replace {
		values, meta = nil, nil
	}
	next.Values, next.Metadata = at.patched(values, meta, patch)
	if size := twinSize(next.Values); size > maxSection && size > twinSize(s.Values) {
		return Section{}, refusal(ArgumentInvalid, "%s: %d bytes: at most %d", what, size, maxSection)
	}
	return next, nil
}

// changedTags applies a patch, or a replacement, to tags.
func changedTags(tags, patch map[string]any, replace bool) (map[string]any, error) {
	if err := checkTwinObject("tags", patch, 1); err != nil {
		return nil, err
	}
	old := tags
	if replace {
		old = nil
	}
	next, _ := stamp{}.patched(old, nil, patch)
	if size := twinSize(next); size > maxTags && size > twinSize(tags) {
		return nil, refusal(ArgumentInvalid, "tags: %d bytes: at most %d", size, maxTags)
	}
	return next, nil
}

func checkTwinObject(path string, object map[string]any, depth int) error {
	if depth > maxTwinDepth {
		return refusal(ArgumentInvalid, "%s: nested deeper than %d levels", path, maxTwinDepth)
	}
	for name, value := range object {
		if err := checkTwinKey(path, name); err != nil {
			return err
		}
		if err := checkTwinValue(path+"."+name, value, depth); err != nil {
			return err
		}
	}
	return nil
}

func checkTwinKey(path, key string) error {
	switch {
	case key == "" || len(key) > maxTwinKey:
		return refusal(ArgumentInvalid, "%s: a name of %d bytes: want 1 to %d", path, len(key), maxTwinKey)
	case strings.ContainsAny(key, ".$ ") || strings.ContainsFunc(key, unicode.IsControl):
		return refusal(ArgumentInvalid, "%s: the name %q has a control character, a dot, a dollar sign or a space", path, key)
	}
	return nil
}

func checkTwinValue(path string, value any, depth int) error {
	switch v := value.(type) {
	case map[string]any:
		return checkTwinObject(path, v, depth+1)
	case []any:
		if depth+1 > maxTwinDepth {
			return refusal(ArgumentInvalid, "%s: nested deeper than %d levels", path, maxTwinDepth)
		}
		for _, item := range v {
			if item == nil {
				return refusal(ArgumentInvalid, "%s: null in an array", path)
			}
			if err := checkTwinValue(path, item, depth+1); err != nil {
				return err
			}
		}
	case string:
		if len(v) > maxTwinValue {
			return refusal(ArgumentInvalid, "%s: a text of %d bytes: at most %d", path, len(v), maxTwinValue)
		}
	}
	return nil
}

// twinSize is what a value counts (read): names and texts by their bytes, numbers 8, booleans 4.
func twinSize(value any) int {
	n := 0
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			n += len(name) + twinSize(inner)
		}
	case []any:
		for _, item := range v {
			n += twinSize(item)
		}
	case string:
		n = len(v)
	case json.Number, float64, int64, int:
		n = 8
	case bool:
		n = 4
	}
	return n
}
