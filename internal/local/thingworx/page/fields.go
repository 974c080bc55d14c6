package page

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// field is an input of a form.
type field struct {
	ID, Name, Label string
	Type            string // base type
	Hint            string
	Value           string
	Problem         string // why the value was not taken
	Required        bool
	Widget          string // line, number, area, choice or password
	Options         []option
	IsSet           bool // of a password: there is one
}

type option struct {
	Value, Label string
	Chosen       bool
}

// fieldOf makes an input for a value of a base type.
func fieldOf(name string, t infotable.BaseType, value string) field {
	f := field{ID: "f-" + name, Name: name, Label: name, Type: t.String(), Value: value, Widget: "line"}
	switch {
	case t.IsNumeric():
		f.Widget = "number"
	case t == infotable.TypeBoolean:
		f.Widget = "choice"
		f.Options = []option{{"", "not set", value == ""}, {"true", "true", value == "true"}, {"false", "false", value == "false"}}
	case t == infotable.TypePassword:
		f.Widget = "password"
	case t == infotable.TypeDateTime:
		f.Hint = "such as 2026-01-31T12:00:00Z"
	case t == infotable.TypeLocation:
		f.Hint = "latitude, longitude, elevation"
	case t.IsBytes():
		f.Widget, f.Hint = "area", "base64"
	case t == infotable.TypeInfotable:
		f.Widget, f.Hint = "area", `rows as JSON, such as [{"name": "a"}]`
	case t == infotable.TypeVariant:
		f.Hint = "JSON, or any text"
	case t == infotable.TypeJSON, t == infotable.TypeQuery:
		f.Widget = "area"
	case t == infotable.TypeXML, t == infotable.TypeHTML, t == infotable.TypeText:
		f.Widget = "area"
	}
	return f
}

// inputText is a value as an input shows it, to be read by parse again.
func inputText(v infotable.Value) string {
	v = v.Unwrap()
	if v.IsNothing() || v.Type() == infotable.TypePassword {
		return ""
	}
	if s, ok := v.Text(); ok {
		return s
	}
	if c, ok := v.Location(); ok {
		return strconv.FormatFloat(c.Latitude, 'g', -1, 64) + ", " + strconv.FormatFloat(c.Longitude, 'g', -1, 64) +
			", " + strconv.FormatFloat(c.Elevation, 'g', -1, 64)
	}
	if v.Type().IsBytes() || v.Type() == infotable.TypeInfotable {
		raw, err := tablejson.AppendValue(nil, v)
		if err != nil {
			return ""
		}
		return strings.Trim(string(raw), `"`)
	}
	return v.String()
}

// parse reads what a person typed as a value of a base type; an empty text is none. shape has the columns of an
// INFOTABLE, as far as they are known.
func parse(t infotable.BaseType, text string, shape []infotable.Field) (infotable.Value, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return infotable.Nothing(), nil
	}
	raw := []byte(trimmed)
	switch {
	case t == infotable.TypeJSON, t == infotable.TypeQuery:
		if !json.Valid(raw) {
			return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "this is no JSON: %v", jsonError(raw))
		}
	case t.IsText():
		return infotable.Text(t, strings.ReplaceAll(text, "\r\n", "\n")), nil
	case t == infotable.TypeDateTime:
		return parseTime(trimmed)
	case t == infotable.TypeLocation && !strings.HasPrefix(trimmed, "{"):
		return parseLocation(trimmed)
	case t == infotable.TypeInfotable && strings.HasPrefix(trimmed, "["):
		return parseRows(raw, shape)
	case t.IsBytes(), t == infotable.TypeVariant && !json.Valid(raw):
		raw, _ = json.Marshal(trimmed) // of a string it never fails
	}
	v, err := tablejson.DecodeValue(t, raw)
	if example := exampleOf(t); err != nil && example != "" {
		return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "this is no %s: want %s", t, example)
	}
	if err != nil {
		return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "this is no %s: %s", t, strings.TrimPrefix(err.Error(), "invalid: "))
	}
	return v, nil
}

// exampleOf says what values of a plain type look like, "" for others.
func exampleOf(t infotable.BaseType) string {
	switch {
	case t == infotable.TypeNumber:
		return "a number such as 21.5"
	case t.IsNumeric():
		return "a whole number such as 7"
	case t == infotable.TypeBoolean:
		return "true or false"
	case t.IsBytes():
		return "base64"
	default:
		return ""
	}
}

func jsonError(raw []byte) error {
	var into any
	return json.Unmarshal(raw, &into)
}

func parseTime(text string) (infotable.Value, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return infotable.DateTime(ms), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", dayLayout} {
		if at, err := time.Parse(layout, text); err == nil {
			return infotable.DateTime(at.UnixMilli()), nil
		}
	}
	return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "this is no DATETIME: want 2026-01-31T12:00:00Z, or milliseconds since 1970")
}

func parseLocation(text string) (infotable.Value, error) {
	var at [3]float64
	parts := strings.Split(text, ",")
	ok := len(parts) == 2 || len(parts) == 3
	for i := 0; ok && i < len(parts); i++ {
		var err error
		at[i], err = strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		ok = err == nil
	}
	if !ok {
		return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "this is no LOCATION: want latitude, longitude, elevation, such as 48.1, 11.6, 520")
	}
	return infotable.Location(infotable.Coordinates{Latitude: at[0], Longitude: at[1], Elevation: at[2]}), nil
}

// parseRows makes a table of a JSON list of rows. Columns that shape does not have take the type of their first value.
func parseRows(raw []byte, shape []infotable.Field) (infotable.Value, error) {
	var rows []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "these are no rows: want a list of objects, such as [{\"name\": \"a\"}]: %v", err)
	}
	t := infotable.New(slices.Clone(shape)...)
	for i, row := range rows {
		t.Add()
		for name, cell := range row {
			at := t.Index(name)
			if at < 0 {
				t.Fields = append(t.Fields, infotable.Column(name, guess(cell)))
				at = len(t.Fields) - 1
			}
			v, err := tablejson.DecodeValue(t.Fields[at].Type, cell)
			if err != nil {
				return infotable.Nothing(), thingworx.Refuse(thingworx.Invalid, "row %d, column %s: %v", i+1, cut(name, mostCharacters), err)
			}
			for len(t.Rows[i]) <= at {
				t.Rows[i] = append(t.Rows[i], infotable.Nothing())
			}
			t.Rows[i][at] = v
		}
	}
	return infotable.FromTable(t), nil
}

func guess(cell json.RawMessage) infotable.BaseType {
	switch cell[0] {
	case '"', 'n':
		return infotable.TypeString
	case 't', 'f':
		return infotable.TypeBoolean
	case '{', '[':
		return infotable.TypeJSON
	default:
		return infotable.TypeNumber
	}
}

// baseTypes are those that people choose from, the usual ones first.
func baseTypes(chosen string) []option {
	var out []option
	for _, t := range []infotable.BaseType{infotable.TypeNumber, infotable.TypeString, infotable.TypeBoolean, infotable.TypeInteger,
		infotable.TypeLong, infotable.TypeDateTime, infotable.TypeLocation, infotable.TypeJSON, infotable.TypeText, infotable.TypeXML,
		infotable.TypeHTML, infotable.TypeHyperlink, infotable.TypeGUID, infotable.TypeBlob, infotable.TypeImage,
		infotable.TypePassword, infotable.TypeThingName, infotable.TypeUserName, infotable.TypeTags, infotable.TypeInfotable} {
		out = append(out, option{t.String(), t.String(), t.String() == chosen})
	}
	return out
}
