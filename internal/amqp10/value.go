package amqp10

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"
)

// Values that are decoded as a whole have these Go types:
//
//	null nil · boolean bool · ubyte uint8 · ushort uint16 · uint uint32 · ulong uint64
//	byte int8 · short int16 · int int32 · long int64 · float float32 · double float64
//	decimal32/64/128 Decimal · char Char · timestamp Timestamp · uuid UUID
//	binary []byte · string string · symbol Symbol
//	list []any · map Map · array Array · described value Described
//
// AppendValue writes the same types.
type (
	// Symbol is a symbol: ASCII text from a constrained domain, another type on the wire than a string.
	Symbol string
	// Timestamp is milliseconds since 1970 in UTC.
	Timestamp int64
	// Char is a single Unicode character.
	Char rune
	// UUID is a UUID in network order.
	UUID [16]byte
	// Decimal is an IEEE 754 decimal, kept as its 4, 8 or 16 bytes.
	Decimal []byte
	// Map is a map in the order of its entries.
	Map []Pair
	// Pair is an entry of a Map.
	Pair struct{ Key, Value any }
	// Array is a sequence of values of one kind, which may share a descriptor.
	Array struct {
		Descriptor any // nil, uint64 or Symbol
		Kind       Kind
		Items      []any // without the descriptor
	}
	// Described is a value with a descriptor in front.
	Described struct {
		Descriptor any // uint64 or Symbol
		Value      any
	}
)

// TimestampOf rounds t down to the millisecond.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMilli()) }

// Time is the moment in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// Get returns the value whose key, a Symbol or a string, has this text; nil when there is none.
func (m Map) Get(key string) any {
	for i := range m {
		switch k := m[i].Key.(type) {
		case Symbol:
			if string(k) == key {
				return m[i].Value
			}
		case string:
			if k == key {
				return m[i].Value
			}
		}
	}
	return nil
}

// Text returns the string or Symbol under key, or "".
func (m Map) Text(key string) string { return textOf(m.Get(key)) }

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Symbol:
		return string(v)
	}
	return ""
}

// Value decodes the next value into memory of its own; see the list of Go types above. After an error it is nil.
func (r *Reader) Value() any {
	v := r.value()
	if r.err != nil {
		return nil
	}
	return v
}

func (r *Reader) value() any {
	if r.Null() {
		return nil
	}
	switch r.Peek() {
	case KindDescribed:
		return r.described()
	case KindList:
		items := r.List()
		return r.values(&items)
	case KindMap:
		return r.MapValue()
	case KindArray:
		return r.arrayValue()
	case KindBinary:
		return bytes.Clone(r.Bytes())
	case KindString:
		return r.Text()
	case KindSymbol:
		return Symbol(r.Bytes())
	}
	return r.scalar()
}

func (r *Reader) scalar() any {
	switch r.Peek() {
	case KindBool:
		return r.Bool()
	case KindUbyte:
		return uint8(r.Uint())
	case KindUshort:
		return uint16(r.Uint())
	case KindUint:
		return uint32(r.Uint())
	case KindUlong:
		return r.Uint()
	case KindByte:
		return int8(r.Int())
	case KindShort:
		return int16(r.Int())
	case KindInt:
		return int32(r.Int())
	case KindLong:
		return r.Int()
	case KindTimestamp:
		return Timestamp(r.Int())
	}
	return r.otherScalar()
}

func (r *Reader) otherScalar() any {
	code := r.constructor()
	kind := kindOf(code)
	if kind == KindNone {
		r.fail("constructor 0x%02x is unknown", code)
	}
	b := r.take(fixedWidth(code))
	if r.err != nil {
		return nil
	}
	switch kind {
	case KindFloat:
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	case KindDouble:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case KindChar:
		return Char(binary.BigEndian.Uint32(b))
	case KindUUID:
		return UUID(b)
	}
	return append(Decimal{}, b...)
}

func (r *Reader) described() any {
	if r.depth >= maxDepth {
		r.fail("values nested deeper than %d", maxDepth)
		return nil
	}
	r.depth++
	v := Described{Descriptor: r.descriptorValue()}
	v.Value = r.Value()
	r.depth--
	return v
}

// values decodes all that is left in items, a Reader below r.
func (r *Reader) values(items *Reader) []any {
	list := make([]any, 0, min(max(items.left, 0), maxFieldsRoom))
	for items.More() {
		list = append(list, items.Value())
	}
	r.Adopt(items)
	return list
}

// MapValue decodes a map. A null is a nil Map.
func (r *Reader) MapValue() Map {
	if r.Null() {
		return nil
	}
	items := r.Map()
	m := make(Map, 0, min(max(items.left/2, 0), maxFieldsRoom))
	for items.More() {
		m = append(m, Pair{Key: items.Value(), Value: items.Value()})
	}
	if !r.Adopt(&items) {
		return nil
	}
	return m
}

func (r *Reader) arrayValue() any {
	items, descriptor := r.Array()
	a := Array{Descriptor: descriptor, Kind: kindOf(items.elem)}
	a.Items = r.values(&items)
	return a
}

// Adopt takes over the error of a Reader below r and reports whether there was none.
// Values behind the ones that were read are skipped: a later version of the standard may add fields.
func (r *Reader) Adopt(items *Reader) bool {
	for items.More() {
		items.Skip()
	}
	if items.err == nil && items.pos < len(items.buf) {
		items.fail("%d bytes behind the last value", len(items.buf)-items.pos)
	}
	if r.err == nil {
		r.err = items.err
	}
	return r.err == nil
}
