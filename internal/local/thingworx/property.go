package thingworx

import (
	"encoding/json"
	"math"
	"strings"

	"azx/alwayson/infotable"
)

// Push types of a remote binding (captured: the C SDK knows these).
const (
	PushAlways   = "ALWAYS"
	PushNever    = "NEVER"
	PushValue    = "VALUE"
	PushDeadband = "DEADBAND"
	PushOn       = "ON"
	PushOff      = "OFF"
)

// Binding ties a property to the edge.
type Binding struct {
	EdgeName      string  // name that the edge uses; "" on input means the property's own
	PushType      string  // one of the Push constants; "" on input means ALWAYS
	PushThreshold float64 // for VALUE and DEADBAND
	CacheTime     int     `json:",omitempty"` // of reads, see Platform.Fetch: 0, -1, or milliseconds (the unit is inferred)
	Timeout       int     `json:",omitempty"` // of requests to the edge, in milliseconds (inferred); 0 means the platform's own
}

// Definition says what a property is.
type Definition struct {
	Name        string
	Description string
	Category    string
	Type        infotable.BaseType
	ReadOnly    bool
	Persistent  bool
	Logged      bool
	DataShape   string            // of an INFOTABLE
	Remote      *Binding          // nil for a local property
	From        string            // template or shape that defines it; "" for the Thing's own
	Default     infotable.Value   // what a Thing has before it was given a value; NOTHING for none
	Change      string            // dataChangeType: one of the Change constants; "" means VALUE
	Threshold   float64           // dataChangeThreshold: of a number, by how much it must differ to be a change
	Ordinal     int               // place among the others, for people
	Aspects     map[string]string // further aspects, such as units; not to be changed
}

// Kinds of data changes (read): when a write of a property fires DataChange.
const (
	ChangeValue  = "VALUE"  // the value differs
	ChangeAlways = "ALWAYS" // each write
	ChangeNever  = "NEVER"
	ChangeOn     = "ON"  // it became true
	ChangeOff    = "OFF" // it became false
)

// check refuses a definition that no Thing may have, and fills in the defaults of its binding.
func (d *Definition) check() error {
	if err := CheckPropertyName(d.Name); err != nil {
		return err
	}
	if d.Type == infotable.TypeNothing || !d.Type.OnWire() {
		return Refuse(Invalid, "property %s: base type %s cannot hold values here", d.Name, d.Type)
	}
	switch d.Change {
	case "", ChangeValue, ChangeAlways, ChangeNever, ChangeOn, ChangeOff:
	default:
		return Refuse(Invalid, "property %s: data change type %q is none of VALUE, ALWAYS, NEVER, ON, OFF", d.Name, shorten(d.Change))
	}
	if d.Remote == nil {
		return nil
	}
	b := *d.Remote
	d.Remote = &b
	if b.EdgeName == "" {
		d.Remote.EdgeName = d.Name
	}
	if b.Timeout < 0 || b.CacheTime < -1 {
		return Refuse(Invalid, "property %s: the time-out must not be negative, and the cache time not below -1", d.Name)
	}
	if len(b.EdgeName) > 4*maxName {
		return Refuse(Invalid, "property %s: source name is longer than %d bytes", d.Name, 4*maxName)
	}
	switch b.PushType {
	case "":
		d.Remote.PushType = PushAlways
	case PushAlways, PushNever, PushValue, PushDeadband, PushOn, PushOff:
	default:
		return Refuse(Invalid, "property %s: push type %q is none of ALWAYS, NEVER, VALUE, DEADBAND, ON, OFF",
			d.Name, shorten(b.PushType))
	}
	return nil
}

// Qualities are texts; GOOD is that of a value which nothing speaks against.
const (
	qualityGood = "GOOD"
	qualityNone = "UNKNOWN" // of a property that never had a value
	maxQuality  = 64
)

// VTQ is a value with its time and quality.
type VTQ struct {
	Value   infotable.Value // NOTHING when the property never had a value
	Time    int64           // milliseconds since 1970-01-01 UTC
	Quality string
}

// fit returns v as a value of type t. It is strict: only numbers without loss, STRING and TEXT for types that are
// plain text, and valid JSON text for JSON are taken for another type. The error says what was expected and got.
func fit(t infotable.BaseType, v infotable.Value) (infotable.Value, error) {
	v = v.Unwrap()
	got := v.Type()
	switch {
	case v.IsNothing():
		return v, Refuse(Invalid, "expected %s, got nothing", t)
	case t == infotable.TypeVariant:
		return infotable.Variant(v), nil
	case t.IsNumeric() && got.IsNumeric():
		return fitNumber(t, v)
	case t == infotable.TypeJSON || t == infotable.TypeQuery:
		return fitJSON(t, v)
	case got == t:
		return v, nil
	case t.IsText() && (got == infotable.TypeString || got == infotable.TypeText || t == infotable.TypeString && got.IsText()):
		s, _ := v.Text()
		return infotable.Text(t, s), nil
	default:
		return v, mismatch(t, v)
	}
}

func fitNumber(t infotable.BaseType, v infotable.Value) (infotable.Value, error) {
	f, _ := v.Number()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return v, Refuse(Invalid, "expected %s, got %v, which REST cannot show", t, f)
	}
	i, whole := v.Integer()
	switch {
	case t == infotable.TypeNumber && (!whole || int64(f) == i):
		return infotable.Number(f), nil
	case t == infotable.TypeLong && whole:
		return infotable.Long(i), nil
	case t == infotable.TypeInteger && whole && i == int64(int32(i)):
		return infotable.Integer(int32(i)), nil
	default:
		return v, mismatch(t, v)
	}
}

func fitJSON(t infotable.BaseType, v infotable.Value) (infotable.Value, error) {
	s, ok := v.Text()
	if !ok {
		return v, mismatch(t, v)
	}
	if !json.Valid([]byte(s)) {
		return v, Refuse(Invalid, "expected %s, got text that is no JSON: %s", t, shorten(s))
	}
	return infotable.Text(t, s), nil
}

func mismatch(t infotable.BaseType, v infotable.Value) error {
	shown := v.String()
	if v.Type() != infotable.TypePassword {
		shown = shorten(shown)
	}
	if v.Type().IsText() {
		shown = `"` + strings.ReplaceAll(shown, `"`, `\"`) + `"`
	}
	return Refuse(Invalid, "expected %s, got %s %s", t, v.Type(), shown)
}
