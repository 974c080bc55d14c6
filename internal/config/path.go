package config

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// report notes a problem with the value at path, unless that or something above it has one already.
func (d *decoder) report(path, what, hint string) {
	for p := path; ; p = parent(p) {
		if d.bad[p] {
			return
		}
		if p == "" {
			break
		}
	}
	d.bad[path] = true
	d.problems = append(d.problems, d.problem(path, what, hint))
}

// reportAt notes a problem with a key itself.
func (d *decoder) reportAt(key *yaml.Node, path, what, hint string) {
	at := d.place(key)
	p := Problem{File: cmp.Or(at.file, d.file), Line: at.line, Column: at.column, Path: path, What: what, Hint: hint}
	d.problems = append(d.problems, p)
}

// warn notes what works but should not stay so.
func (d *decoder) warn(path, what, hint string) {
	d.warnings = append(d.warnings, d.problem(path, what, hint))
}

// problem makes a Problem that points at path, or at the nearest thing above it that the file has.
func (d *decoder) problem(path, what, hint string) Problem {
	p := Problem{File: d.file, Path: path, What: what, Hint: hint}
	for ; ; path = parent(path) {
		if at, ok := d.at[path]; ok {
			p.File, p.Line, p.Column = cmp.Or(at.file, d.file), at.line, at.column
			return p
		}
		if path == "" {
			return p
		}
	}
}

// has reports whether the file has a value at path.
func (d *decoder) has(path string) bool {
	_, ok := d.at[path]
	return ok
}

// parent is the path one step up: "hubs[0].thing" -> "hubs[0]" -> "hubs" -> "".
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// printable makes a key fit to be shown: any text may be a key.
func printable(key string) string {
	const most = 40
	if len(key) > most {
		key = key[:most]
	}
	if strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsLetter(r) }) || key == "" {
		return strconv.Quote(key)
	}
	return key
}

// fieldsOf returns the fields of a struct by their keys in the file.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key != "" {
			fields[key] = v.Field(i)
		}
	}
	return fields
}

// nearest returns the key that a person most likely meant, or "" if none is near.
func nearest(key string, fields map[string]reflect.Value) string {
	best, distance := "", max(2, len(key)/3)+1
	for _, known := range slices.Sorted(maps.Keys(fields)) {
		if d := edits(strings.ToLower(key), strings.ToLower(known)); d < distance {
			best, distance = known, d
		}
	}
	return best
}

// edits counts the letters to insert, delete or replace to make b of a (Levenshtein distance).
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
