package tablejson

import (
	"errors"
	"math"
	"strings"
	"testing"

	"azx/alwayson/infotable"
)

func TestAValueAndItsJSONAreTheSameBothWays(t *testing.T) {
	nested := infotable.OneRow(infotable.Cell{Name: "x", Value: infotable.Integer(1)})
	for _, tc := range []struct {
		name  string
		value infotable.Value
		json  string
	}{
		{"a number", infotable.Number(34.4), `34.4`},
		{"a large number", infotable.Number(1e300), `1e+300`},
		{"a negative integer", infotable.Integer(-7), `-7`},
		{"a long beyond 2^53", infotable.Long(9007199254740993), `9007199254740993`},
		{"a text with quotes and controls", infotable.String("a\"b\n"), `"a\"b\n"`},
		{"a truth", infotable.Boolean(true), `true`},
		{"a time as epoch milliseconds", infotable.DateTime(1784874394272), `1784874394272`},
		{"a place", infotable.Location(infotable.Coordinates{Longitude: -0.125, Latitude: 51.5, Elevation: 11}),
			`{"latitude":51.5,"longitude":-0.125,"elevation":11,"units":"WGS84"}`},
		{"bytes in base64", infotable.Blob([]byte{0, 1, 254, 255}), `"AAH+/w=="`},
		{"JSON as itself", infotable.Text(infotable.TypeJSON, `{"a":[1,2]}`), `{"a":[1,2]}`},
		{"nothing", infotable.Nothing(), `null`},
		{"a table", infotable.FromTable(nested),
			`{"dataShape":{"name":"","fieldDefinitions":{"x":{"name":"x","description":"","baseType":"INTEGER","ordinal":1,"aspects":{}}}},"rows":[{"x":1}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := AppendValue(nil, tc.value)
			if err != nil || string(got) != tc.json {
				t.Fatalf("encoded %s (%v), want %s", got, err, tc.json)
			}
			back, err := DecodeValue(tc.value.Type(), got)
			if err != nil || !back.Equal(tc.value) {
				t.Errorf("decoded %v (%v), want %v", back, err, tc.value)
			}
		})
	}
}

func TestJSONIsReadAsItsBaseType(t *testing.T) {
	for _, tc := range []struct {
		name string
		base infotable.BaseType
		json string
		want infotable.Value
	}{
		{"ISO time", infotable.TypeDateTime, `"2020-01-02T03:04:05.678Z"`, infotable.DateTime(1577934245678)},
		{"ISO time with an offset", infotable.TypeDateTime, `"2020-01-02T04:04:05.678+01:00"`, infotable.DateTime(1577934245678)},
		{"ISO time without an offset is UTC", infotable.TypeDateTime, `"2020-01-02T03:04:05.678"`, infotable.DateTime(1577934245678)},
		{"a whole number written as a decimal", infotable.TypeInteger, `5.0`, infotable.Integer(5)},
		{"place as text", infotable.TypeLocation, `"51.5, -0.125, 11"`,
			infotable.Location(infotable.Coordinates{Longitude: -0.125, Latitude: 51.5, Elevation: 11})},
		{"variant of a number", infotable.TypeVariant, `21.5`, infotable.Number(21.5)},
		{"variant that names its type", infotable.TypeVariant, `{"baseType":"DATETIME","value":7}`, infotable.DateTime(7)},
		{"variant of any object", infotable.TypeVariant, `{"a":1}`, infotable.Text(infotable.TypeJSON, `{"a":1}`)},
		{"null", infotable.TypeNumber, ` null `, infotable.Nothing()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := DecodeValue(tc.base, []byte(tc.json))
			if err != nil || !got.Equal(tc.want) {
				t.Errorf("got %v (%v), want %v", got, err, tc.want)
			}
		})
	}
}

func TestWhatDoesNotFitIsRefusedAndSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name string
		base infotable.BaseType
		json string
		want string
	}{
		{"text for a number", infotable.TypeNumber, `"21.5"`, `expected NUMBER, got "21.5"`},
		{"fraction for an integer", infotable.TypeInteger, `1.5`, `expected INTEGER, got 1.5`},
		{"integer out of range", infotable.TypeInteger, `3000000000`, `expected INTEGER, got 3000000000`},
		{"number for a text", infotable.TypeString, `1`, `expected STRING, got 1`},
		{"number for a truth", infotable.TypeBoolean, `1`, `expected BOOLEAN, got 1`},
		{"text that is no time", infotable.TypeDateTime, `"noon"`, `expected DATETIME, got "noon"`},
		{"place without longitude", infotable.TypeLocation, `{"latitude":1}`, `expected LOCATION`},
		{"text that is no base64", infotable.TypeBlob, `"?"`, `BLOB wants base64`},
		{"array for a table", infotable.TypeInfotable, `[]`, `expected INFOTABLE, got []`},
		{"broken JSON", infotable.TypeJSON, `{"a":`, `invalid JSON {"a":`},
		{"no JSON at all", infotable.TypeJSON, ``, `invalid JSON nothing`},
		{"cell without a definition", infotable.TypeInfotable, `{"dataShape":{"fieldDefinitions":{}},"rows":[{"y":1}]}`, `column "y" has no field definition`},
		{"field of an unknown type", infotable.TypeInfotable, `{"dataShape":{"fieldDefinitions":{"x":{"baseType":"FLOAT"}}}}`, `"FLOAT"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := DecodeValue(tc.base, []byte(tc.json))
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestNaNHasNoJSON(t *testing.T) {
	if _, err := AppendValue(nil, infotable.Number(math.NaN())); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestFieldsComeInTheOrderOfTheirOrdinals(t *testing.T) {
	table, err := DecodeTable([]byte(`{"dataShape":{"fieldDefinitions":{
		"a":{"baseType":"STRING","ordinal":2},"b":{"baseType":"NUMBER","ordinal":1}}},"rows":[{"a":"x"},{"b":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if table.Fields[0].Name != "b" || table.Len() != 2 || !table.At(0, "b").IsNothing() {
		t.Errorf("got %+v", table)
	}
}

func FuzzDecodedTablesEncodeAndDecodeToTheSame(f *testing.F) {
	f.Add([]byte(`{"dataShape":{"fieldDefinitions":{"p":{"baseType":"NUMBER","ordinal":1,"aspects":{"units":"C"}}}},"rows":[{"p":34.4}]}`))
	f.Add([]byte(`{"dataShape":{"fieldDefinitions":{"v":{"baseType":"VARIANT"},"t":{"baseType":"INFOTABLE"}}},"rows":[{"v":{"baseType":"LONG","value":5}}]}`))
	f.Add([]byte(`{"rows":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		table, err := DecodeTable(raw)
		if err != nil {
			return
		}
		out, err := AppendTable(nil, table)
		if err != nil {
			t.Fatalf("decoded table does not encode: %v", err)
		}
		again, err := DecodeTable(out)
		if err != nil {
			t.Fatalf("own JSON does not decode: %v\n%s", err, out)
		}
		if again.Len() != table.Len() || len(again.Fields) != len(table.Fields) {
			t.Fatalf("%d fields, %d rows became %d, %d", len(table.Fields), table.Len(), len(again.Fields), again.Len())
		}
	})
}
