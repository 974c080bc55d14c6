package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
	"azx/internal/decode"
)

func TestAValueGoesOutAsJSON(t *testing.T) {
	rows := infotable.New(infotable.Column("a", infotable.TypeNumber), infotable.Column("b", infotable.TypeString)).
		Add(infotable.Number(1), infotable.String("x")).Add(infotable.Nothing())
	for _, c := range []struct {
		value infotable.Value
		want  string
	}{
		{infotable.Nothing(), `null`},
		{infotable.Number(21.5), `21.5`},
		{infotable.Number(1000000), `1000000`},
		{infotable.Number(-1e-7), `-1e-07`},
		{infotable.Number(1e300), `1e+300`},
		{infotable.Integer(-7), `-7`},
		{infotable.Long(math.MinInt64), `-9223372036854775808`},
		{infotable.Long(9007199254740993), `9007199254740993`},
		{infotable.Boolean(true), `true`},
		{infotable.DateTime(1577934245678), `"2020-01-02T03:04:05.678Z"`},
		{infotable.DateTime(-1), `"1969-12-31T23:59:59.999Z"`},
		{infotable.Location(infotable.Coordinates{Longitude: -0.125, Latitude: 51.5, Elevation: 11}), `{"latitude":51.5,"longitude":-0.125,"elevation":11}`},
		{infotable.String("a \"<ä>\" \\ \n\t"), `"a \"<ä>\" \\ \n\u0009"`},
		{infotable.Text(infotable.TypeThingName, "Pump"), `"Pump"`},
		{infotable.Text(infotable.TypeHTML, "<b>"), `"<b>"`},
		{infotable.Text(infotable.TypeJSON, ` {"a": [1]} `), `{"a": [1]}`},
		{infotable.Text(infotable.TypeJSON, ""), `null`},
		{infotable.Blob([]byte{0, 0xff, 0xfe}), `"AP/+"`},
		{infotable.Variant(infotable.Number(2)), `2`},
		{infotable.FromTable(rows), `[{"a":1,"b":"x"},{"a":null,"b":null}]`},
		{infotable.FromTable(infotable.New()), `[]`},
		{infotable.FromTable(infotable.New().Add()), `[{}]`},
	} {
		got, err := AppendJSON([]byte("x"), c.value)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%s: got %s, %v, want x%s", c.value, got, err, c.want)
		}
	}
}

func TestAValueWithoutJSONTextSaysWhy(t *testing.T) {
	in := func(v infotable.Value) infotable.Value { return infotable.FromTable(infotable.Single("c", v)) }
	deep := infotable.Nothing()
	for range maxNested + 1 {
		deep = in(deep)
	}
	twice := infotable.New(infotable.Column("a", infotable.TypeNumber), infotable.Column("a", infotable.TypeNumber))
	for _, c := range []struct {
		name  string
		value infotable.Value
		want  string
	}{
		{"not a number", infotable.Number(math.NaN()), "NaN is no number in JSON"},
		{"infinity in a table", in(infotable.Number(math.Inf(-1))), `row 0, column "c": -Inf is no number in JSON`},
		{"a place nowhere", infotable.Location(infotable.Coordinates{Elevation: math.NaN()}), "NaN is no number"},
		{"the year 10000", infotable.DateTime(maxMillis + 1000), "not within the years"},
		{"text in Latin-1", infotable.String("\xe4"), "not in UTF-8"},
		{"JSON that is none", infotable.Text(infotable.TypeJSON, "{"), "invalid JSON at byte 1"},
		{"two values as JSON", infotable.Text(infotable.TypeJSON, "1,2"), "text after the value"},
		{"nine tables inside each other", deep, "nested deeper than 8 levels"},
		{"two columns of one name", infotable.FromTable(twice), `two columns "a"`},
		{"a long text", infotable.String(strings.Repeat("x", maxText)), "more than 262144 bytes"},
		{"a text that escapes make long", infotable.String(strings.Repeat("\x01", maxText/4)), "more than 262144 bytes"},
		{"many bytes", infotable.Blob(make([]byte, maxText)), "more than 262144 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AppendJSON([]byte("x"), c.value)
			if err == nil || !strings.Contains(err.Error(), c.want) || string(got) != "x" {
				t.Fatalf("got %.40s, %v, want an error with %q", got, err, c.want)
			}
		})
	}
}

func TestParametersAreOneObject(t *testing.T) {
	two := infotable.New(infotable.Column("a", infotable.TypeNumber)).Add(infotable.Number(1)).Add(infotable.Number(2))
	for _, c := range []struct {
		name  string
		table *infotable.Table
		want  string
	}{
		{"no table", nil, ``},
		{"no columns", infotable.New().Add(), ``},
		{"columns in their order", infotable.OneRow(infotable.Cell{Name: "to", Value: infotable.Integer(3)}, infotable.Cell{Name: "at", Value: infotable.DateTime(0)}),
			`{"to":3,"at":"1970-01-01T00:00:00.000Z"}`},
		{"none given", infotable.New(infotable.Column("a", infotable.TypeNumber)), `{"a":null}`},
		{"two rows", two, `parameters are one row, not 2`},
		{"a value without JSON text", infotable.Single("a", infotable.Number(math.NaN())), `column "a": NaN is no number in JSON`},
	} {
		got, err := Params(c.table)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAnAnswerBecomesTheDeclaredResult(t *testing.T) {
	columns := []infotable.Field{infotable.Column("at", infotable.TypeDateTime), infotable.Column("n", infotable.TypeLong)}
	table := infotable.New(columns...).Add(infotable.DateTime(0), infotable.Long(9007199254740993)).Add(infotable.DateTime(5), infotable.Nothing())
	for _, c := range []struct {
		answer string
		result infotable.BaseType
		want   infotable.Value
	}{
		{`21.5`, infotable.TypeNumber, infotable.Number(21.5)},
		{` "2020-01-02" `, infotable.TypeDateTime, infotable.DateTime(1577923200000)},
		{`{"a":1}`, infotable.TypeJSON, infotable.Text(infotable.TypeJSON, `{"a":1}`)},
		{`"AP/+"`, infotable.TypeImage, infotable.Image([]byte{0, 0xff, 0xfe})},
		{`"<a/>"`, infotable.TypeXML, infotable.Text(infotable.TypeXML, "<a/>")},
		{`[{"n":9007199254740993,"at":"1970-01-01","more":1},{"at":5}]`, infotable.TypeInfotable, infotable.FromTable(table)},
		{`{"rows":[{"n":9007199254740993,"at":0},{"at":5}]}`, infotable.TypeInfotable, infotable.FromTable(table)},
		{`[]`, infotable.TypeInfotable, infotable.FromTable(infotable.New(columns...))},
		{`"x"`, infotable.TypeVariant, infotable.String("x")},
		{`[1]`, infotable.TypeVariant, infotable.Text(infotable.TypeJSON, "[1]")},
		{`null`, infotable.TypeNumber, infotable.Nothing()},
		{``, infotable.TypeInfotable, infotable.Nothing()},
		{`{"done":true}`, infotable.TypeNothing, infotable.Nothing()},
	} {
		got, err := Result(json.RawMessage(c.answer), Service{Result: c.result, Fields: columns})
		if err != nil || !got.Equal(c.want) {
			t.Errorf("%s as %s: got %v, %v, want %v", c.answer, c.result, got, err, c.want)
		}
	}
}

func TestAnAnswerThatDoesNotFitSaysWhatWasWanted(t *testing.T) {
	vec := []infotable.Field{infotable.Column("v", infotable.TypeVec2)}
	for _, c := range []struct {
		name, answer string
		service      Service
		want         string
	}{
		{"text for a number", `"warm"`, Service{Result: infotable.TypeNumber}, "want a number"},
		{"no JSON", `{`, Service{Result: infotable.TypeJSON}, "invalid JSON"},
		{"a number for a table", `5`, Service{Result: infotable.TypeInfotable}, "want a table"},
		{"a wrong cell", `[{"a":"x"}]`, Service{Result: infotable.TypeInfotable, Fields: []infotable.Field{infotable.Column("a", infotable.TypeNumber)}}, `row 0, column "a"`},
		{"a column that cannot travel", `[]`, Service{Result: infotable.TypeInfotable, Fields: vec}, `column "v"`},
		{"too much", `"` + strings.Repeat("x", maxText) + `"`, Service{Result: infotable.TypeString}, "more than 262144 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Result(json.RawMessage(c.answer), c.service)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want an error with %q", got, err, c.want)
			}
		})
	}
}

// someValue draws a value of a base type that can travel.
func someValue(t *rapid.T, base infotable.BaseType) infotable.Value {
	switch {
	case base == infotable.TypeNumber:
		return infotable.Number(rapid.Float64().Draw(t, "number"))
	case base == infotable.TypeInteger:
		return infotable.Integer(rapid.Int32().Draw(t, "integer"))
	case base == infotable.TypeLong:
		return infotable.Long(rapid.Int64().Draw(t, "long"))
	case base == infotable.TypeBoolean:
		return infotable.Boolean(rapid.Bool().Draw(t, "boolean"))
	case base == infotable.TypeDateTime:
		return infotable.DateTime(rapid.Int64Range(-62167219200000, maxMillis-1).Draw(t, "ms"))
	case base == infotable.TypeLocation:
		return infotable.Location(infotable.Coordinates{
			Longitude: rapid.Float64Range(-180, 180).Draw(t, "longitude"),
			Latitude:  rapid.Float64Range(-90, 90).Draw(t, "latitude"),
			Elevation: rapid.Float64().Draw(t, "elevation"),
		})
	case base == infotable.TypeJSON || base == infotable.TypeQuery:
		return infotable.Text(base, rapid.SampledFrom([]string{`{"a":[1,{"b":null}]}`, `[]`, `"x"`, `1e5`}).Draw(t, "json"))
	case base == infotable.TypeInfotable:
		return infotable.FromTable(someTable(t, someFields(t)))
	case base == infotable.TypeImage:
		return infotable.Image(rapid.SliceOf(rapid.Byte()).Draw(t, "image"))
	case base == infotable.TypeBlob:
		return infotable.Blob(rapid.SliceOf(rapid.Byte()).Draw(t, "blob"))
	}
	return infotable.Text(base, rapid.String().Draw(t, "text"))
}

var roundTrip = []infotable.BaseType{
	infotable.TypeString, infotable.TypeNumber, infotable.TypeBoolean, infotable.TypeDateTime, infotable.TypeLocation,
	infotable.TypeXML, infotable.TypeJSON, infotable.TypeQuery, infotable.TypeImage, infotable.TypeHyperlink,
	infotable.TypePassword, infotable.TypeHTML, infotable.TypeText, infotable.TypeTags, infotable.TypeGUID,
	infotable.TypeBlob, infotable.TypeInteger, infotable.TypeLong, infotable.TypeThingName, infotable.TypeUserName,
}

func someFields(t *rapid.T) []infotable.Field {
	names := rapid.SliceOfNDistinct(rapid.StringN(0, 5, -1), 0, 4, rapid.ID[string]).Draw(t, "columns")
	var fields []infotable.Field
	for _, name := range names {
		fields = append(fields, infotable.Column(name, rapid.SampledFrom(roundTrip).Draw(t, "type")))
	}
	return fields
}

func someTable(t *rapid.T, fields []infotable.Field) *infotable.Table {
	table := infotable.New(fields...)
	for range rapid.IntRange(0, 4).Draw(t, "rows") {
		var row []infotable.Value
		for _, f := range fields {
			if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
				row = append(row, infotable.Nothing())
			} else {
				row = append(row, someValue(t, f.Type))
			}
		}
		table.Add(row...)
	}
	return table
}

func TestWhatGoesOutComesBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom(append(roundTrip, infotable.TypeInfotable)).Draw(t, "base")
		s := Service{Result: base}
		v := someValue(t, base)
		if table, ok := v.Table(); ok {
			if s.Fields = table.Fields; len(s.Fields) == 0 {
				return // such a table has no columns to be known by
			}
		}
		text, err := AppendJSON(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Result(text, s)
		if err != nil || !back.Equal(v) {
			t.Fatalf("%v goes out as %s and comes back as %v, %v", v, text, back, err)
		}
	})
}

func TestParametersAreReadBackByTheirTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := someFields(t)
		if len(fields) == 0 {
			return
		}
		table := infotable.New(fields...)
		var row []infotable.Value
		for _, f := range fields {
			row = append(row, someValue(t, f.Type))
		}
		table.Add(row...)
		text, err := Params(table)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Result(json.RawMessage("["+string(text)+"]"), Service{Result: infotable.TypeInfotable, Fields: fields})
		if err != nil || !back.Equal(infotable.FromTable(table)) {
			t.Fatalf("%s comes back as %v, %v", text, back, err)
		}
	})
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(`{"rows":[{"a":1}],"dataShape":{"fieldDefinitions":{"a":{"baseType":"LONG"}}}}`), uint8(infotable.TypeInfotable))
	f.Add([]byte(`"2020-W01-1T10:00,5+01"`), uint8(infotable.TypeDateTime))
	f.Add([]byte(`{"latitude":1,"longitude":2}`), uint8(infotable.TypeLocation))
	f.Add([]byte(`[1e5,"\u0000\ud800"]`), uint8(infotable.TypeVariant))
	f.Fuzz(func(t *testing.T, raw []byte, code uint8) {
		s := Service{Result: infotable.BaseType(code)}
		v, err := Result(raw, s)
		if err != nil || v.IsNothing() {
			return
		}
		text, err := AppendJSON(nil, v)
		if err != nil {
			if strings.Contains(err.Error(), "bytes") || strings.Contains(err.Error(), "nested") {
				return // it grew, or has more tables inside each other
			}
			t.Fatalf("%s as %s: %v", raw, s.Result, err)
		}
		if _, err := decode.Value(text); err != nil {
			t.Fatalf("%s goes out as %s: %v", raw, text, err)
		}
		table, ok := v.Table()
		if ok && (len(table.Fields) == 0 || nests(table)) {
			return // its columns are guessed anew
		}
		if s.Result = v.Type(); ok {
			s.Fields = table.Fields
		}
		if back, err := Result(text, s); err != nil || !back.Equal(v) {
			t.Fatalf("%s as %s: %s comes back as %s, %v", raw, s.Result, fmt.Sprint(v), fmt.Sprint(back), err)
		}
	})
}

func nests(t *infotable.Table) bool {
	for _, f := range t.Fields {
		if f.Type == infotable.TypeInfotable || f.Type == infotable.TypeVariant || len(f.Aspects) > 0 {
			return true
		}
	}
	return false
}
