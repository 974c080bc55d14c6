package hocon

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Kind is the type of a value.
type Kind int

// The types of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Object
)

// Value is a value of a document, complete.
type Value struct {
	Kind   Kind
	Text   string // of a Null, Bool, Number or String, as it is written there
	Env    string // the environment variable whose whole text it is, if it is one
	At     Position
	Items  []*Value // of a List
	Fields []Field  // of an Object, in the order in which they appear first
}

// Field is a key of an object with its value.
type Field struct {
	Name  string
	At    Position // of the key, where it has its last value
	Value *Value
}

// value makes a Value of the layers of a field; nil if it has none.
func (r *resolver) value(stack []node, depth int) (*Value, error) {
	layers, err := r.plain(stack)
	if err != nil || len(layers) == 0 {
		return nil, err
	}
	first := layers[0]
	if r.values++; r.values > maxNodes {
		return nil, &Error{first.place(), fmt.Sprintf("the references of the document make more than %d values of it", maxNodes), ""}
	}
	if depth > 2*maxNested {
		return nil, &Error{stack[len(stack)-1].place(), fmt.Sprintf("contains itself, or is nested deeper than %d levels", 2*maxNested), ""}
	}
	switch n := first.(type) {
	case *scalar:
		return &Value{Kind: n.kind, Text: n.text, Env: n.env, At: n.Position}, nil
	case *list:
		return r.listValue(n, depth)
	}
	return r.objectValue(layers, depth)
}

func (r *resolver) listValue(l *list, depth int) (*Value, error) {
	v := &Value{Kind: List, At: l.Position}
	for _, item := range l.items {
		got, err := r.value([]node{item}, depth+1)
		if err != nil {
			return nil, err
		}
		if got != nil {
			v.Items = append(v.Items, got)
		}
	}
	return v, nil
}

func (r *resolver) objectValue(layers []node, depth int) (*Value, error) {
	v := &Value{Kind: Object, At: layers[0].place()}
	all := newObject(v.At) // each field with its layers in all objects
	for _, layer := range layers {
		o := layer.(*object)
		if err := r.step(o, len(o.names)); err != nil {
			return nil, err
		}
		for _, name := range o.names {
			from := o.fields[name]
			to := all.field(name, from.at)
			to.layers = append(to.layers, from.layers...)
		}
	}
	for _, name := range all.names {
		f := all.fields[name]
		got, err := r.value(f.layers, depth+1)
		if err != nil {
			return nil, err
		}
		if got != nil {
			v.Fields = append(v.Fields, Field{name, f.at, got})
		}
	}
	return v, nil
}

// Elements returns the items of a list. An object whose keys are whole numbers is a list, too, in their order. It is
// false for everything else.
func (v *Value) Elements() ([]*Value, bool) {
	if v.Kind == List {
		return v.Items, true
	}
	type element struct {
		index uint64
		value *Value
	}
	var found []element
	for _, f := range v.Fields {
		if index, err := strconv.ParseUint(f.Name, 10, 31); err == nil {
			found = append(found, element{index, f.Value})
		}
	}
	slices.SortStableFunc(found, func(a, b element) int { return cmp.Compare(a.index, b.index) })
	var items []*Value
	for _, e := range found {
		items = append(items, e.value)
	}
	return items, len(items) > 0
}

// Duration reads a time with its unit, such as 30s or "2 minutes"; without a unit it is in milliseconds. The error
// does not show the text.
func (v *Value) Duration() (time.Duration, error) {
	n, err := v.withUnit(durations, float64(time.Millisecond))
	return time.Duration(n), err
}

// Bytes reads a size with its unit, such as 64k or "1 MiB"; without a unit it is in bytes. The error does not show the
// text.
func (v *Value) Bytes() (int64, error) { return v.withUnit(sizes, 1) }

// withUnit reads a number and its unit.
func (v *Value) withUnit(units map[string]float64, plain float64) (int64, error) {
	text := strings.TrimFunc(v.Text, isBlank)
	end := strings.LastIndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) + 1
	factor, known := units[text[end:]]
	if end == len(text) {
		factor, known = plain, true
	}
	n, err := strconv.ParseFloat(strings.TrimRightFunc(text[:end], isBlank), 64)
	switch {
	case v.Kind != Number && v.Kind != String || err != nil:
		return 0, errors.New("not a number with a unit")
	case !known:
		return 0, errors.New("an unknown unit")
	}
	if n *= factor; math.Abs(n) >= 1<<62 || math.IsNaN(n) {
		return 0, errors.New("too large")
	}
	return int64(math.Round(n)), nil
}

var durations = map[string]float64{
	"ns": 1, "nano": 1, "nanos": 1, "nanosecond": 1, "nanoseconds": 1,
	"us": 1e3, "micro": 1e3, "micros": 1e3, "microsecond": 1e3, "microseconds": 1e3,
	"ms": 1e6, "milli": 1e6, "millis": 1e6, "millisecond": 1e6, "milliseconds": 1e6,
	"s": 1e9, "second": 1e9, "seconds": 1e9,
	"m": 60e9, "minute": 60e9, "minutes": 60e9,
	"h": 3600e9, "hour": 3600e9, "hours": 3600e9,
	"d": 86400e9, "day": 86400e9, "days": 86400e9,
}

var sizes = map[string]float64{
	"B": 1, "b": 1, "byte": 1, "bytes": 1,
	"kB": 1e3, "kilobyte": 1e3, "kilobytes": 1e3,
	"MB": 1e6, "megabyte": 1e6, "megabytes": 1e6,
	"GB": 1e9, "gigabyte": 1e9, "gigabytes": 1e9,
	"TB": 1e12, "terabyte": 1e12, "terabytes": 1e12,
	"K": 1 << 10, "k": 1 << 10, "Ki": 1 << 10, "KiB": 1 << 10, "kibibyte": 1 << 10, "kibibytes": 1 << 10,
	"M": 1 << 20, "m": 1 << 20, "Mi": 1 << 20, "MiB": 1 << 20, "mebibyte": 1 << 20, "mebibytes": 1 << 20,
	"G": 1 << 30, "g": 1 << 30, "Gi": 1 << 30, "GiB": 1 << 30, "gibibyte": 1 << 30, "gibibytes": 1 << 30,
	"T": 1 << 40, "t": 1 << 40, "Ti": 1 << 40, "TiB": 1 << 40, "tebibyte": 1 << 40, "tebibytes": 1 << 40,
}
