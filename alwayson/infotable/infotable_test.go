package infotable

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

func nested(depth int) Value {
	v := Number(1)
	for range depth {
		v = FromTable(Single("x", v))
	}
	return v
}

func TestEveryKindOfValueComesBackFromItsBytes(t *testing.T) {
	for name, v := range map[string]Value{
		"nothing":              Nothing(),
		"a number":             Number(-1.5),
		"a number that is NaN": Number(math.NaN()),
		"an integer":           Integer(math.MinInt32),
		"a long":               Long(math.MinInt64),
		"true":                 Boolean(true),
		"a time before 1970":   DateTime(-1),
		"an empty string":      String(""),
		"a string of 127":      String(strings.Repeat("y", 127)),
		"a string of 128":      String(strings.Repeat("y", 128)),
		"JSON":                 Text(TypeJSON, `{"a":1}`),
		"a Thing's name":       Text(TypeThingName, "Pump-1"),
		"a location":           Location(Coordinates{-0.125, 51.5, 11}),
		"a blob":               Blob([]byte{0, 1, 0xFE, 0xFF}),
		"an image":             Image(nil),
		"a variant of nothing": Variant(Nothing()),
		"a variant of variant": Variant(Variant(Number(1))),
		"an empty table":       FromTable(nil),
		"a table in a table":   nested(3),
	} {
		t.Run(name, func(t *testing.T) {
			wire := AppendValue(nil, v)
			got, rest, err := DecodeValue(append(bytes.Clone(wire), 0, 0), Limits{})
			if err != nil || len(rest) != 2 {
				t.Fatalf("decode %x: %v, rest %x", wire, err, rest)
			}
			if !got.Equal(v) {
				t.Errorf("decoded %s %v, want %s %v", got.Type(), got, v.Type(), v)
			}
			for cut := range wire {
				if _, _, err := DecodeValue(wire[:cut], Limits{}); !errors.Is(err, ErrTruncated) {
					t.Errorf("first %d bytes of %x: %v", cut, wire, err)
				}
			}
		})
	}
}

func TestATableWithAspectsAndNullsHasTheCapturedBytes(t *testing.T) {
	table := New(
		Field{Name: "k", Description: "desc", Type: TypeString, Aspects: []Aspect{
			{"isPrimaryKey", Boolean(true)}, {"ordinal", Integer(3)},
		}},
		Column("v", TypeNumber),
	).Add(String("a")).Add(String(""), Number(-1.5))
	want := "05" + "01016b0464657363000002" + "0c69735072696d6172794b65790201" + "076f7264696e616c1600000003" +
		"01017600010000" + "00" + "010002000161ff" + "010002000001bff8000000000000" + "00"
	if got := hex.EncodeToString(AppendValue(nil, FromTable(table))); got != want {
		t.Errorf("encoded\n %s\nwant\n %s", got, want)
	}
	if f := table.Fields[0]; !f.Aspect("ordinal").Equal(Integer(3)) || !f.Aspect("units").IsNothing() {
		t.Errorf("aspects %v", f.Aspects)
	}
}

func TestTypesWithoutAKnownLayoutAreRefused(t *testing.T) {
	for _, code := range []byte{0x04, 0x11, 0x13, 0x18, 0x67, 0x79, 0xFE} {
		if _, _, err := DecodeValue([]byte{code, 0, 0, 0, 0, 0, 0, 0, 0}, Limits{}); !errors.Is(err, ErrUnsupportedType) {
			t.Errorf("type 0x%02x: %v", code, err)
		}
	}
}

func TestEveryNamedTypeIsFoundByItsName(t *testing.T) {
	for _, info := range baseTypes {
		got, err := ParseBaseType(strings.ToLower(info.name))
		if err != nil || got != info.base || got.String() != info.name {
			t.Errorf("%s: %v, %v", info.name, got, err)
		}
		if info.base > 0xFF && got.OnWire() {
			t.Errorf("%s has no code but is said to travel", info.name)
		}
	}
	if _, err := ParseBaseType("FLOAT"); !errors.Is(err, ErrUnsupportedType) {
		t.Errorf("FLOAT: %v", err)
	}
	if got := BaseType(0x13).String(); got != "0x13" {
		t.Errorf("unnamed type: %s", got)
	}
}

func TestAFieldThatCannotTravelIsWrittenAsString(t *testing.T) {
	table, _, err := DecodeTable(AppendTable(nil, New(Column("v", TypeVec3))), Limits{})
	if err != nil || table.Fields[0].Type != TypeString {
		t.Errorf("decoded %+v, %v", table, err)
	}
}

func TestDecodingStopsAtEachLimit(t *testing.T) {
	wide := New()
	for range 20 {
		wide.Fields = append(wide.Fields, Column("c", TypeNumber))
	}
	tall := New(Column("c", TypeNumber))
	for range 20 {
		tall.Add(Number(1))
	}
	hollow := []byte("\x05" + strings.Repeat("\x01\x00\x00\x01\x00\x00", 1000) + "\x00" + strings.Repeat("\x01\x00\x00", 1000) + "\x00")
	if _, _, err := DecodeValue(hollow, Limits{}); !errors.Is(err, ErrLimit) {
		t.Errorf("a million cells that are not there: %v", err)
	}
	deepVariant := Number(1)
	for range 9 {
		deepVariant = Variant(deepVariant)
	}
	for name, test := range map[string]struct {
		v      Value
		limits Limits
	}{
		"bytes":    {String(strings.Repeat("x", 100)), Limits{Bytes: 99}},
		"fields":   {FromTable(wide), Limits{Fields: 19}},
		"rows":     {FromTable(tall), Limits{Rows: 19}},
		"cells":    {FromTable(tall), Limits{Cells: 19}},
		"tables":   {nested(9), Limits{}},
		"variants": {deepVariant, Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := DecodeValue(AppendValue(nil, test.v), test.limits); !errors.Is(err, ErrLimit) {
				t.Errorf("error %v", err)
			}
			if _, _, err := DecodeValue(AppendValue(nil, test.v), Limits{Depth: 10}); err != nil {
				t.Errorf("within the limits: %v", err)
			}
		})
	}
}

func TestALengthThatLiesTakesNoMemory(t *testing.T) {
	for _, wire := range []string{
		"00ffffffff",                      // a string of 2 GiB
		"15ffffffff00",                    // a blob of 4 GiB
		"0500" + "01ffff",                 // a row of 65,535 cells
		"05" + "0101780000" + "ffff" + "", // a field with 65,535 aspects
	} {
		b, err := hex.DecodeString(wire)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			if _, _, err := DecodeValue(b, Limits{}); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: %v", wire, err)
			}
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
			t.Errorf("%s: %d bytes for ten decodes", wire, taken)
		}
	}
}

func TestAccessorsLookThroughVariantsAndRefuseOtherTypes(t *testing.T) {
	if f, ok := Variant(Integer(7)).Number(); !ok || f != 7 {
		t.Errorf("number of an integer: %v, %v", f, ok)
	}
	if i, ok := Number(7).Integer(); !ok || i != 7 {
		t.Errorf("integer of a whole number: %v, %v", i, ok)
	}
	for _, v := range []Value{Number(7.5), Number(1e19), Number(math.NaN()), Number(math.Inf(1)), String("7"), Nothing(), DateTime(7)} {
		if i, ok := v.Integer(); ok {
			t.Errorf("integer of %s: %d", v, i)
		}
	}
	if _, ok := Number(1).Text(); ok {
		t.Error("a number has text")
	}
	if c, ok := Location(Coordinates{1, 2, 3}).Location(); !ok || c != (Coordinates{1, 2, 3}) {
		t.Errorf("location %v, %v", c, ok)
	}
	if v := Text(TypeNumber, "x"); v.Type() != TypeString {
		t.Errorf("text of a type that is no text: %s", v.Type())
	}
}

func TestAPasswordIsNotShown(t *testing.T) {
	if text := Text(TypePassword, "secret").String(); strings.Contains(text, "secret") {
		t.Errorf("shown as %q", text)
	}
}

func TestMissingCellsAreNothing(t *testing.T) {
	table := OneRow(Cell{"a", Number(1)}, Cell{"b", String("x")})
	if !table.First("b").Equal(String("x")) || !table.First("c").IsNothing() || !table.At(1, "a").IsNothing() {
		t.Errorf("cells of %+v", table)
	}
	var none *Table
	if none.Index("a") != -1 || none.Len() != 0 || !none.First("a").IsNothing() {
		t.Error("a nil table has cells")
	}
	if table.Equal(none) || !none.Equal(nil) || table.Equal(Single("a", Number(1))) {
		t.Error("tables are wrongly equal or unequal")
	}
}

func TestAValueStaysSmall(t *testing.T) {
	if size := unsafe.Sizeof(Value{}); size > 40 {
		t.Errorf("%d bytes", size)
	}
}

func FuzzDecodeValue(f *testing.F) {
	for _, v := range []Value{Number(1), String("abc"), Variant(Integer(7)), nested(2), Location(Coordinates{1, 2, 3}), Blob([]byte{1})} {
		f.Add(AppendValue(nil, v))
	}
	f.Add([]byte("\x05\x01\x01k\x04desc\x00\x00\x02\x01a\x02\x01\x01b\x16\x00\x00\x00\x03\x00\x01\x00\x01\xff\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		v, rest, err := DecodeValue(wire, Limits{})
		if err != nil {
			return
		}
		if !bytes.HasSuffix(wire, rest) {
			t.Fatal("rest is not the end of the input")
		}
		again := AppendValue(nil, v)
		w, left, err := DecodeValue(again, Limits{Bytes: len(again)})
		if err != nil || len(left) != 0 {
			t.Fatalf("own bytes %x: %v, %d left", again, err, len(left))
		}
		if third := AppendValue(nil, w); !bytes.Equal(third, again) {
			t.Fatalf("encoded %x, then %x", again, third)
		}
		_ = v.String()
	})
}

func benchmarkTable() *Table {
	t := New(Column("name", TypeString), Column("value", TypeVariant), Column("time", TypeDateTime), Column("quality", TypeString))
	for range 10 {
		t.Add(String("Temperature"), Variant(Number(21.5)), DateTime(1577934245678), String("GOOD"))
	}
	return t
}

func BenchmarkAppendTable(b *testing.B) {
	table := benchmarkTable()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendTable(dst[:0], table)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkDecodeTable(b *testing.B) {
	wire := AppendTable(nil, benchmarkTable())
	b.ReportAllocs()
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		if _, _, err := DecodeTable(wire, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppendingDoesNotAllocate(t *testing.T) {
	table := benchmarkTable()
	dst := AppendTable(nil, table)
	if n := testing.AllocsPerRun(100, func() { dst = AppendTable(dst[:0], table) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
