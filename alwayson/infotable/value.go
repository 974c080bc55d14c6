package infotable

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Coordinates is the content of a LOCATION, in the order of the wire (captured).
type Coordinates struct {
	Longitude float64 // degrees
	Latitude  float64 // degrees
	Elevation float64 // metres
}

// Value is one typed primitive. It is immutable and small, and scalar values are held without
// allocation. The zero Value is NOTHING.
type Value struct {
	text     string // text and bytes; for LOCATION its 24 wire bytes
	bits     uint64 // numbers, times, truth
	table    *Table
	kind     uint8 // wire code, inverted, so that the zero value is NOTHING
	variants uint8 // how many VARIANT wrappers surround the value
}

func valueOf(t BaseType) Value { return Value{kind: ^uint8(t)} }

func (v Value) bare() BaseType { return BaseType(^v.kind) }

// Nothing returns NOTHING, which is also null in any column.
func Nothing() Value { return Value{} }

// Number returns a NUMBER.
func Number(f float64) Value {
	v := valueOf(TypeNumber)
	v.bits = math.Float64bits(f)
	return v
}

// Integer returns an INTEGER.
func Integer(i int32) Value {
	v := valueOf(TypeInteger)
	v.bits = uint64(int64(i))
	return v
}

// Long returns a LONG. Old clients (C SDK 2.2.1) lose a row that holds one; see [BaseType].
func Long(i int64) Value {
	v := valueOf(TypeLong)
	v.bits = uint64(i)
	return v
}

// Boolean returns a BOOLEAN.
func Boolean(b bool) Value {
	v := valueOf(TypeBoolean)
	if b {
		v.bits = 1
	}
	return v
}

// DateTime returns a DATETIME of ms milliseconds since 1970-01-01 UTC.
func DateTime(ms int64) Value {
	v := valueOf(TypeDateTime)
	v.bits = uint64(ms)
	return v
}

// String returns a STRING. s should be UTF-8.
func String(s string) Value {
	v := valueOf(TypeString)
	v.text = s
	return v
}

// Text returns a value of any type that travels as a string, such as TypeJSON or TypeThingName.
// A type for which [BaseType.IsText] is false gives a STRING.
func Text(t BaseType, s string) Value {
	if !t.IsText() {
		t = TypeString
	}
	v := valueOf(t)
	v.text = s
	return v
}

// Blob returns a BLOB with a copy of b.
func Blob(b []byte) Value {
	v := valueOf(TypeBlob)
	v.text = string(b)
	return v
}

// Image returns an IMAGE with a copy of b.
func Image(b []byte) Value {
	v := valueOf(TypeImage)
	v.text = string(b)
	return v
}

// Location returns a LOCATION.
func Location(c Coordinates) Value {
	var wire [24]byte
	binary.BigEndian.PutUint64(wire[0:], math.Float64bits(c.Longitude))
	binary.BigEndian.PutUint64(wire[8:], math.Float64bits(c.Latitude))
	binary.BigEndian.PutUint64(wire[16:], math.Float64bits(c.Elevation))
	v := valueOf(TypeLocation)
	v.text = string(wire[:])
	return v
}

// FromTable returns an INFOTABLE that refers to t, which must not be changed afterwards.
// A nil t gives an empty table.
func FromTable(t *Table) Value {
	if t == nil {
		t = &Table{}
	}
	v := valueOf(TypeInfotable)
	v.table = t
	return v
}

// Variant wraps inner in a VARIANT. It does not allocate. A value wrapped 255 times stays as it is.
func Variant(inner Value) Value {
	if inner.variants < math.MaxUint8 {
		inner.variants++
	}
	return inner
}

// Type returns the base type: VARIANT for a wrapped value.
func (v Value) Type() BaseType {
	if v.variants > 0 {
		return TypeVariant
	}
	return v.bare()
}

// Unwrap returns the value without any VARIANT around it.
func (v Value) Unwrap() Value {
	v.variants = 0
	return v
}

// IsNothing reports whether the value, unwrapped, is NOTHING.
func (v Value) IsNothing() bool { return v.kind == 0 }

// Number returns the content of a NUMBER, INTEGER or LONG, wrapped or not. A LONG beyond 2^53 is rounded.
func (v Value) Number() (float64, bool) {
	switch v.bare() {
	case TypeNumber:
		return math.Float64frombits(v.bits), true
	case TypeInteger, TypeLong:
		return float64(int64(v.bits)), true
	default:
		return 0, false
	}
}

// Integer returns the content of an INTEGER or LONG, or of a NUMBER that is whole and fits, wrapped or not.
func (v Value) Integer() (int64, bool) {
	switch v.bare() {
	case TypeInteger, TypeLong:
		return int64(v.bits), true
	case TypeNumber:
		f := math.Float64frombits(v.bits)
		if f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	default:
		return 0, false
	}
}

// Boolean returns the content of a BOOLEAN, wrapped or not.
func (v Value) Boolean() (content, ok bool) {
	return v.bits != 0, v.bare() == TypeBoolean
}

// Millis returns the content of a DATETIME, wrapped or not: milliseconds since 1970-01-01 UTC.
func (v Value) Millis() (int64, bool) {
	if v.bare() != TypeDateTime {
		return 0, false
	}
	return int64(v.bits), true
}

// Text returns the content of a STRING or of any other type that travels as a string, wrapped or not.
func (v Value) Text() (string, bool) {
	if v.bare().form() != formText {
		return "", false
	}
	return v.text, true
}

// Bytes returns a copy of the content of a BLOB or IMAGE, wrapped or not.
func (v Value) Bytes() ([]byte, bool) {
	if v.bare().form() != formBytes {
		return nil, false
	}
	return []byte(v.text), true
}

// Location returns the content of a LOCATION, wrapped or not.
func (v Value) Location() (Coordinates, bool) {
	if v.bare() != TypeLocation {
		return Coordinates{}, false
	}
	return Coordinates{
		Longitude: doubleAt(v.text, 0),
		Latitude:  doubleAt(v.text, 8),
		Elevation: doubleAt(v.text, 16),
	}, true
}

// Table returns the content of an INFOTABLE, wrapped or not. It must not be changed.
func (v Value) Table() (*Table, bool) {
	return v.table, v.bare() == TypeInfotable
}

// Equal reports whether both values have the same type, wrappers and content. Doubles are compared by
// their bits, so NaN equals itself and 0 differs from -0.
func (v Value) Equal(other Value) bool {
	if v.kind != other.kind || v.variants != other.variants || v.bits != other.bits || v.text != other.text {
		return false
	}
	return v.table == other.table || v.table.Equal(other.table)
}

// String returns the content for people: logs, tests, pages. It is not a wire form.
// A PASSWORD is never shown; bytes and tables are shown by their size.
func (v Value) String() string {
	switch t := v.bare(); t.form() {
	case formEmpty:
		return "NOTHING"
	case formBool:
		return strconv.FormatBool(v.bits != 0)
	case formInt32:
		return strconv.FormatInt(int64(v.bits), 10)
	case formInt64:
		if t == TypeDateTime {
			return time.UnixMilli(int64(v.bits)).UTC().Format("2006-01-02T15:04:05.000Z")
		}
		return strconv.FormatInt(int64(v.bits), 10)
	case formDouble:
		return strconv.FormatFloat(math.Float64frombits(v.bits), 'g', -1, 64)
	case formPoint:
		c, _ := v.Location()
		return fmt.Sprintf("%g,%g,%g", c.Longitude, c.Latitude, c.Elevation)
	case formBytes:
		return fmt.Sprintf("%s of %d bytes", t, len(v.text))
	case formTable:
		return fmt.Sprintf("INFOTABLE of %d fields, %d rows", len(v.table.Fields), len(v.table.Rows))
	default:
		if t == TypePassword {
			return "(hidden)"
		}
		return v.text
	}
}

func doubleAt(s string, at int) float64 {
	var b [8]byte
	copy(b[:], s[at:])
	return math.Float64frombits(binary.BigEndian.Uint64(b[:]))
}
