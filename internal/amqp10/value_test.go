package amqp10

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// values are written out by hand from the encodings in §1.6; each is also the shortest form, which AppendValue picks.
var values = []struct {
	name string
	wire string
	want any
}{
	{"null", "40", nil},
	{"true", "41", true},
	{"false", "42", false},
	{"ubyte", "50 ff", uint8(255)},
	{"ushort", "60 1234", uint16(0x1234)},
	{"uint zero takes no byte", "43", uint32(0)},
	{"small uint", "52 ff", uint32(255)},
	{"wide uint", "70 00000100", uint32(256)},
	{"ulong zero takes no byte", "44", uint64(0)},
	{"small ulong", "53 10", uint64(16)},
	{"wide ulong", "80 0000468c00000004", uint64(0x0000468C00000004)},
	{"byte", "51 80", int8(-128)},
	{"short", "61 fffe", int16(-2)},
	{"small int", "54 ff", int32(-1)},
	{"wide int", "71 00000080", int32(128)},
	{"small long", "55 7f", int64(127)},
	{"wide long", "81 ffffffffffffff7f", int64(-129)},
	{"float", "72 3f800000", float32(1)},
	{"double", "82 c000000000000000", float64(-2)},
	{"decimal32 is kept as it is", "74 22500001", Decimal{0x22, 0x50, 0, 1}},
	{"decimal128 is kept as it is", "94 000102030405060708090a0b0c0d0e0f", Decimal{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	{"char", "73 0001f600", Char(0x1F600)},
	{"timestamp", "83 0000018bcfe56800", Timestamp(1700000000000)},
	{"uuid", "98 00112233445566778899aabbccddeeff", UUID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}},
	{"binary", "a0 02 c0ff", []byte{0xC0, 0xFF}},
	{"string", "a1 05 68656c6c6f", "hello"},
	{"symbol", "a3 04 24636273", Symbol("$cbs")},
	{"empty list", "45", []any{}},
	{"short list", "c0 04 02 54 01 40", []any{int32(1), nil}},
	{"empty map", "c1 01 00", Map{}},
	{"map keeps its order", "c1 0a 04 a1 01 62 41 a3 01 61 54 05", Map{{"b", true}, {Symbol("a"), int32(5)}}},
	{"array of symbols has four-byte sizes", "f0 00000011 00000002 b3 00000001 61 00000003 626364", Array{Kind: KindSymbol, Items: []any{Symbol("a"), Symbol("bcd")}}},
	{"array of ints is wide", "f0 0000000d 00000002 71 00000001 00000100", Array{Kind: KindInt, Items: []any{int32(1), int32(256)}}},
	{"array of booleans has a byte each", "f0 00000007 00000002 56 01 00", Array{Kind: KindBool, Items: []any{true, false}}},
	{"array of lists", "f0 00000016 00000002 d0 00000004 00000000 00000005 00000001 41", Array{Kind: KindList, Items: []any{[]any{}, []any{true}}}},
	{"array whose elements share a descriptor", "f0 00000009 00000001 00 53 07 50 01", Array{Descriptor: uint64(7), Kind: KindUbyte, Items: []any{uint8(1)}}},
	{"described value", "00 80 0000468c00000004 a1 01 78", Described{Descriptor: uint64(0x0000468C00000004), Value: "x"}},
	{"value described by a binary, as azure-eventhub 5.11 for Python has it", "00 a0 01 74 54 07", Described{Descriptor: []byte("t"), Value: int32(7)}},
	{"value described by a string", "00 a1 01 74 54 07", Described{Descriptor: "t", Value: int32(7)}},
	{"value described by a symbol", "00 a3 01 64 00 53 01 40", Described{Descriptor: Symbol("d"), Value: Described{Descriptor: uint64(1)}}},
}

func TestValuesAreReadFromTheirBytesAndWrittenBack(t *testing.T) {
	for _, v := range values {
		t.Run(v.name, func(t *testing.T) {
			wire := unhex(t, v.wire)
			r := NewReader(wire)
			if got := r.Value(); r.Err() != nil || !reflect.DeepEqual(got, v.want) {
				t.Errorf("read %#v (%v), want %#v", got, r.Err(), v.want)
			}
			if len(r.Rest()) != 0 {
				t.Errorf("%x was not read", r.Rest())
			}
			if got := AppendValue(nil, v.want); !bytes.Equal(got, wire) {
				t.Errorf("wrote %x, want %x", got, wire)
			}
		})
	}
}

func TestOtherEncodingsOfTheSameValueAreReadToo(t *testing.T) {
	for _, v := range []struct {
		name string
		wire string
		want any
	}{
		{"boolean with a byte", "56 01", true},
		{"uint in four bytes", "70 00000001", uint32(1)},
		{"ulong in eight bytes", "80 0000000000000001", uint64(1)},
		{"int in four bytes", "71 ffffffff", int32(-1)},
		{"string with four bytes of size", "b1 00000001 61", "a"},
		{"symbol with four bytes of size", "b3 00000001 61", Symbol("a")},
		{"binary with four bytes of size", "b0 00000001 61", []byte("a")},
		{"list with four bytes of size", "d0 00000005 00000001 41", []any{true}},
		{"empty list with a size", "c0 01 00", []any{}},
		{"map with four bytes of size", "d1 00000006 00000002 41 42", Map{{true, false}}},
		{"array with one byte of size", "e0 06 02 a3 01 61 01 62", Array{Kind: KindSymbol, Items: []any{Symbol("a"), Symbol("b")}}},
		{"empty array", "e0 02 00 a1", Array{Kind: KindString, Items: []any{}}},
	} {
		t.Run(v.name, func(t *testing.T) {
			r := NewReader(unhex(t, v.wire))
			if got := r.Value(); r.Err() != nil || !reflect.DeepEqual(got, v.want) {
				t.Errorf("read %#v (%v), want %#v", got, r.Err(), v.want)
			}
			again := NewReader(unhex(t, v.wire))
			if again.Skip(); again.Err() != nil || again.More() {
				t.Errorf("skipping left %x (%v)", again.Rest(), again.Err())
			}
		})
	}
}

// nest gives n lists, each the only value of the one before.
func nest(n int) string {
	inner := "45"
	for range n {
		size := strings.Count(inner, " ") + 2
		inner = fmt.Sprintf("c0 %02x 01 ", size) + inner
	}
	return inner
}

func TestMalformedValuesAreRefused(t *testing.T) {
	for _, v := range []struct{ name, wire string }{
		{"nothing at all", ""},
		{"unknown constructor", "3f"},
		{"value cut short", "70 0000"},
		{"string longer than the data", "a1 05 61"},
		{"size beyond any buffer", "b1 ffffffff"},
		{"list that says it has more values than bytes", "c0 02 ff 40"},
		{"list whose size leaves no room for its count", "c0 00"},
		{"map with a key and no value", "c1 02 01 40"},
		{"array with more elements than bytes", "f0 00000009 00ffffff 71 00000001"},
		{"array of nothings beyond reason", "f0 00000005 7fffffff 40"},
		{"array whose constructor is unknown", "f0 00000005 00000000 3f"},
		{"descriptor that is neither number nor symbol", "00 41 40"},
		{"descriptor without a value", "00 53 10"},
		{"list with bytes behind its last value", "c0 03 01 40 40"},
		{"lists nested too deep", nest(40)},
		{"descriptors nested too deep", strings.Repeat("00 53 01 ", 40) + "40"},
	} {
		t.Run(v.name, func(t *testing.T) {
			r := NewReader(unhex(t, v.wire))
			if got := r.Value(); !errors.Is(r.Err(), ErrMalformed) || got != nil {
				t.Errorf("read %#v with error %v, want a malformed one", got, r.Err())
			}
		})
	}
}

func TestListsMayBeNestedUpToTheLimit(t *testing.T) {
	r := NewReader(unhex(t, nest(maxDepth-1)))
	if r.Value(); r.Err() != nil {
		t.Error(r.Err())
	}
}

func TestALongListTakesFourByteSizes(t *testing.T) {
	list := []any{strings.Repeat("x", 300)}
	wire := AppendValue(nil, list)
	if wire[0] != codeList32 {
		t.Errorf("constructor 0x%02x, want a list32", wire[0])
	}
	r := NewReader(wire)
	if got := r.Value(); !reflect.DeepEqual(got, list) {
		t.Errorf("read %v back", got)
	}
}

func TestAReaderWalksAListWithoutAllocating(t *testing.T) {
	wire := AppendValue(nil, Map{{Symbol("x-opt-offset"), "37344"}, {Symbol("x-opt-sequence-number"), int64(99)}})
	var offset []byte
	var number int64
	allocs := testing.AllocsPerRun(100, func() {
		r := NewReader(wire)
		m := r.Map()
		for m.More() {
			switch key := m.Bytes(); string(key) {
			case "x-opt-offset":
				offset = m.Bytes()
			case "x-opt-sequence-number":
				number = m.Int()
			default:
				m.Skip()
			}
		}
	})
	if allocs != 0 || string(offset) != "37344" || number != 99 {
		t.Errorf("offset %q, number %d with %v allocations, want none", offset, number, allocs)
	}
}

func TestFieldsLeftOutAtTheEndOfAListReadAsZero(t *testing.T) {
	r := NewReader(unhex(t, "c0 03 01 52 07"))
	fields := r.List()
	if got := fields.Uint32(); got != 7 {
		t.Errorf("first field %d, want 7", got)
	}
	if !fields.Null() || fields.Text() != "" || fields.Bool() || fields.Err() != nil {
		t.Errorf("missing fields are not zero: %v", fields.Err())
	}
}

func TestAWideArrayIsNotTakenForANarrowOne(t *testing.T) {
	r := NewReader(unhex(t, "3f 02 00 a1"))
	if _, _ = r.Array(); !errors.Is(r.Err(), ErrMalformed) {
		t.Errorf("error %v, want a malformed one", r.Err())
	}
}
