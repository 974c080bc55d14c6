package mapping

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/fault"
	"azx/internal/message"
)

// reading decodes one JSON text, so that kind and text belong together.
func reading(t *testing.T, json string) message.Reading {
	t.Helper()
	rs, err := decode.Body(&message.Message{Body: []byte(`{"v":` + json + `}`)})
	if err != nil || len(rs) != 1 {
		t.Fatalf("decode %s: %v", json, err)
	}
	return rs[0]
}

func ms(t *testing.T, s string) infotable.Value {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return infotable.DateTime(at.UnixMilli())
}

func TestAJSONValueBecomesAValueOfTheBaseType(t *testing.T) {
	loc := infotable.Location(infotable.Coordinates{Longitude: -0.125, Latitude: 51.5, Elevation: 11})
	rows := infotable.New(infotable.Column("a", infotable.TypeNumber), infotable.Column("b", infotable.TypeString)).
		Add(infotable.Number(1), infotable.String("x")).Add(infotable.Nothing(), infotable.String("y"))
	tests := []struct {
		json string
		base infotable.BaseType
		want infotable.Value
	}{
		{`"pump"`, infotable.TypeString, infotable.String("pump")},
		{`"a\u00e4\n"`, infotable.TypeString, infotable.String("aä\n")},
		{`21.50`, infotable.TypeString, infotable.String("21.50")},
		{`true`, infotable.TypeString, infotable.String("true")},
		{`"<b>"`, infotable.TypeHTML, infotable.Text(infotable.TypeHTML, "<b>")},
		{`21.5`, infotable.TypeNumber, infotable.Number(21.5)},
		{`"24.39"`, infotable.TypeNumber, infotable.Number(24.39)},
		{`7`, infotable.TypeInteger, infotable.Integer(7)},
		{`7.0`, infotable.TypeInteger, infotable.Integer(7)},
		{`"-7"`, infotable.TypeInteger, infotable.Integer(-7)},
		{`9007199254740993`, infotable.TypeLong, infotable.Long(9007199254740993)},
		{`true`, infotable.TypeBoolean, infotable.Boolean(true)},
		{`"TRUE"`, infotable.TypeBoolean, infotable.Boolean(true)},
		{`"2"`, infotable.TypeBoolean, infotable.Boolean(true)},
		{`"0"`, infotable.TypeBoolean, infotable.Boolean(false)},
		{`"on"`, infotable.TypeBoolean, infotable.Boolean(false)},
		{`0.1`, infotable.TypeBoolean, infotable.Boolean(true)},
		{`0`, infotable.TypeBoolean, infotable.Boolean(false)},
		{`1577934245678`, infotable.TypeDateTime, infotable.DateTime(1577934245678)},
		{`"1577934245678"`, infotable.TypeDateTime, infotable.DateTime(1577934245678)},
		{`"2020-01-02T03:04:05.678Z"`, infotable.TypeDateTime, ms(t, "2020-01-02T03:04:05.678Z")},
		{`"2020-01-02T03:04:05,5+02:00"`, infotable.TypeDateTime, ms(t, "2020-01-02T01:04:05.5Z")},
		{`"2020-01-02T03:04-0130"`, infotable.TypeDateTime, ms(t, "2020-01-02T04:34:00Z")},
		{`"2020-01-02"`, infotable.TypeDateTime, ms(t, "2020-01-02T00:00:00Z")},
		{`"2020-02"`, infotable.TypeDateTime, ms(t, "2020-02-01T00:00:00Z")},
		{`"2020-060"`, infotable.TypeDateTime, ms(t, "2020-02-29T00:00:00Z")},
		{`"2020-W53-7"`, infotable.TypeDateTime, ms(t, "2021-01-03T00:00:00Z")},
		{`"2026-W01"`, infotable.TypeDateTime, ms(t, "2025-12-29T00:00:00Z")},
		{`"2020-01-02T06"`, infotable.TypeDateTime, ms(t, "2020-01-02T06:00:00Z")},
		{`"T10:00:00.250"`, infotable.TypeDateTime, ms(t, "1970-01-01T10:00:00.25Z")},
		{`{"latitude":51.5,"longitude":-0.125,"elevation":11}`, infotable.TypeLocation, loc},
		{`"51.5, -0.125, 11"`, infotable.TypeLocation, loc},
		{`{"a":[1]}`, infotable.TypeJSON, infotable.Text(infotable.TypeJSON, `{"a":[1]}`)},
		{`[1,2]`, infotable.TypeJSON, infotable.Text(infotable.TypeJSON, `[1,2]`)},
		{`"AP/+"`, infotable.TypeBlob, infotable.Blob([]byte{0, 0xff, 0xfe})},
		{`[{"a":1,"b":"x"},{"b":"y","a":null}]`, infotable.TypeInfotable, infotable.FromTable(rows)},
		{`{"dataShape":{"fieldDefinitions":{"b":{"baseType":"STRING","ordinal":2},"a":{"baseType":"NUMBER","ordinal":1}}},"rows":[{"a":"1","b":"x"},{"b":"y"}]}`,
			infotable.TypeInfotable, infotable.FromTable(rows)},
		{`21.5`, infotable.TypeVariant, infotable.Number(21.5)},
		{`"x"`, infotable.TypeVariant, infotable.String("x")},
	}
	for _, tt := range tests {
		t.Run(tt.json+" as "+tt.base.String(), func(t *testing.T) {
			got, err := Convert(reading(t, tt.json), tt.base)
			if err != nil || !got.Equal(tt.want) {
				t.Fatalf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestAValueThatDoesNotFitSaysWhatWasWanted(t *testing.T) {
	tests := []struct {
		json string
		base infotable.BaseType
		want string
	}{
		{`"warm"`, infotable.TypeNumber, `got string "\"warm\"", want a number`},
		{`"0x10"`, infotable.TypeNumber, "want a number"},
		{`"NaN"`, infotable.TypeNumber, "want a number"},
		{`1e400`, infotable.TypeNumber, "beyond the range"},
		{`{}`, infotable.TypeNumber, "got object"},
		{`[1]`, infotable.TypeString, "got array"},
		{`21.5`, infotable.TypeInteger, "want a whole number"},
		{`2147483648`, infotable.TypeInteger, "outside"},
		{`9223372036854775808`, infotable.TypeLong, "want a whole number"},
		{`[]`, infotable.TypeBoolean, "want a boolean"},
		{`"yesterday"`, infotable.TypeDateTime, "want a time"},
		{`"2021-02-29"`, infotable.TypeDateTime, "want a time"},
		{`"2021-366"`, infotable.TypeDateTime, "want a time"},
		{`"2020-01-02T25"`, infotable.TypeDateTime, "want a time"},
		{`{"latitude":1}`, infotable.TypeLocation, "want a location"},
		{`"91,0"`, infotable.TypeLocation, "latitude first"},
		{`"%%"`, infotable.TypeBlob, "want base64"},
		{`5`, infotable.TypeInfotable, "want a table"},
		{`[{"a":1},{"a":"x"}]`, infotable.TypeInfotable, `row 1, column "a"`},
		{`1`, infotable.TypeTimespan, "cannot be written"},
	}
	for _, tt := range tests {
		t.Run(tt.json+" as "+tt.base.String(), func(t *testing.T) {
			got, err := Convert(reading(t, tt.json), tt.base)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestATableOfFewBytesAndManyCellsIsRefused(t *testing.T) {
	row := `{"a0":1` + strings.Repeat(`,"a":1`, 5) // a key twice is one column
	for i := range 10 {
		row += fmt.Sprintf(`,"b%d":1`, i)
	}
	rows := func(n int) string { return "[" + row + "}" + strings.Repeat(",{}", n-1) + "]" }
	if _, err := Convert(reading(t, rows(8_333)), infotable.TypeInfotable); err != nil {
		t.Errorf("99,996 cells: %v", err)
	}
	if _, err := Convert(reading(t, rows(8_334)), infotable.TypeInfotable); err == nil || !strings.Contains(err.Error(), "100008 cells") {
		t.Errorf("100,008 cells: %v", err)
	}
}

func TestKeysAreMatchedWithRemoteNames(t *testing.T) {
	table := NewTable([]Property{
		{"temp", infotable.TypeNumber}, {"mod1::temp", infotable.TypeInteger},
		{"isConnected", infotable.TypeBoolean}, {"note", infotable.TypeString},
	}, "Hub")
	tests := []struct {
		name, module, body, writes string
		unknown                    int
		err                        string
	}{
		{"a device's key", "", `{"temp":1.5}`, "temp", 0, ""},
		{"a module's key has the module's id before it", "mod1", `{"temp":1}`, "mod1::temp", 0, ""},
		{"another module has no property", "mod2", `{"temp":1}`, "", 1, ""},
		{"a key without a property is counted", "", `{"temp":1,"rpm":2,"x":3}`, "temp", 2, ""},
		{"a null is no value", "", `{"temp":null}`, "", 0, ""},
		{"a property of the base template is not for devices", "", `{"isConnected":true}`, "", 1, ""},
		{"a device may not write a module's property", "", `{"mod1::temp":1,"note":"x"}`, "note", 0, "names a property of a module"},
		{"one wrong value does not stop the others", "", `{"temp":"hot","note":"x"}`, "note", 0, `map "temp": got string`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &message.Message{ModuleID: tt.module, Body: []byte(tt.body)}
			var values Values
			unknown, unfit, err := table.Encode(message.Telemetry{Message: m, Time: 42}, &values)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for i := range values.Len() {
				w := values.Write(i)
				names = append(names, w.Property)
				if w.Time != 42 {
					t.Errorf("the value of %s has the time %d, want the message's", w.Property, w.Time)
				}
			}
			if got := strings.Join(names, " "); got != tt.writes {
				t.Errorf("got writes of %q, want %q", got, tt.writes)
			}
			if unknown != tt.unknown {
				t.Errorf("got %d unknown, want %d", unknown, tt.unknown)
			}
			if (unfit == nil) != (tt.err == "") || unfit != nil && !strings.Contains(unfit.Error(), tt.err) {
				t.Errorf("got error %v, want %q", unfit, tt.err)
			}
			if unfit != nil && (fault.ClassOf(unfit) != fault.Rejected || fault.HintOf(unfit) == "") {
				t.Errorf("error %v has class %s and hint %q", unfit, fault.ClassOf(unfit), fault.HintOf(unfit))
			}
		})
	}
}

func TestTablesAreEqualByWhatTheyHold(t *testing.T) {
	a := NewTable([]Property{{"a", infotable.TypeNumber}, {"b", infotable.TypeString}}, "Hub")
	b := NewTable([]Property{{"b", infotable.TypeString}, {"a", infotable.TypeNumber}}, "Hub")
	c := NewTable([]Property{{"a", infotable.TypeString}, {"b", infotable.TypeString}}, "Hub")
	if !a.Equal(b) || a.Fingerprint() != b.Fingerprint() {
		t.Error("the order of properties makes a difference")
	}
	if a.Equal(c) || a.Fingerprint() == c.Fingerprint() || a.Equal(nil) {
		t.Error("a changed base type makes no difference")
	}
}

func FuzzConvert(f *testing.F) {
	f.Add(`"2020-W01-1T10:00,5+01"`, uint8(infotable.TypeDateTime))
	f.Add(`[{"a":1},{"b":[{}]}]`, uint8(infotable.TypeInfotable))
	f.Add(`"1,2,3"`, uint8(infotable.TypeLocation))
	f.Fuzz(func(t *testing.T, json string, code uint8) {
		rs, err := decode.Body(&message.Message{Body: []byte(`{"v":` + json + `}`)})
		if err != nil || len(rs) != 1 || rs[0].Kind == message.Null {
			return
		}
		base := infotable.BaseType(code)
		v, err := Convert(rs[0], base)
		text, appended := appendValue([]byte("x"), rs[0], base)
		if (err == nil) != (appended == nil) || err != nil && err.Error() != appended.Error() {
			t.Fatalf("%s as %s: %v, appended %v", json, base, err, appended)
		}
		if want := infotable.AppendValue([]byte("x"), v); err == nil && !bytes.Equal(text, want) || err != nil && string(text) != "x" {
			t.Fatalf("%s as %s: appended %q, want %q", json, base, text, want)
		}
		if err != nil {
			return
		}
		back, rest, err := infotable.DecodeValue(infotable.AppendValue(nil, v), infotable.Limits{})
		if err != nil || len(rest) != 0 || !back.Equal(v) {
			t.Fatalf("%s as %s: %v comes back as %v, %v", json, base, v, back, err)
		}
	})
}
