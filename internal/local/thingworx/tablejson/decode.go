package tablejson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"azx/alwayson/infotable"
)

// maxDepth bounds how deep tables may lie inside each other.
const maxDepth = 8

// DecodeValue reads raw as a value of type t, strictly: a text is no NUMBER. null is NOTHING.
// A VARIANT takes the type that its JSON suggests, or that of {"baseType": ..., "value": ...}.
func DecodeValue(t infotable.BaseType, raw []byte) (infotable.Value, error) {
	raw = bytes.TrimSpace(raw)
	if !json.Valid(raw) {
		return infotable.Nothing(), fmt.Errorf("%w JSON %s", ErrInvalid, shown(raw))
	}
	return decodeValue(t, raw, maxDepth)
}

// DecodeTable reads a table. Fields come in the order of their "ordinal", then of their name; a cell whose
// column is not defined is refused.
func DecodeTable(raw []byte) (*infotable.Table, error) {
	v, err := DecodeValue(infotable.TypeInfotable, raw)
	if err != nil {
		return nil, err
	}
	t, ok := v.Table()
	if !ok {
		return nil, mismatch(infotable.TypeInfotable, raw)
	}
	return t, nil
}

func decodeValue(t infotable.BaseType, raw []byte, depth int) (infotable.Value, error) {
	if string(raw) == "null" {
		return infotable.Nothing(), nil
	}
	switch t {
	case infotable.TypeNumber, infotable.TypeInteger, infotable.TypeLong:
		return decodeNumber(t, raw)
	case infotable.TypeBoolean:
		if raw[0] != 't' && raw[0] != 'f' {
			return infotable.Nothing(), mismatch(t, raw)
		}
		return infotable.Boolean(raw[0] == 't'), nil
	case infotable.TypeDateTime:
		return decodeDateTime(raw)
	case infotable.TypeLocation:
		return decodeLocation(raw)
	case infotable.TypeInfotable:
		return decodeTable(raw, depth)
	case infotable.TypeVariant:
		return decodeVariant(raw, depth)
	case infotable.TypeBlob, infotable.TypeImage:
		return decodeBytes(t, raw)
	case infotable.TypeJSON, infotable.TypeQuery:
		return infotable.Text(t, string(raw)), nil
	default:
		if !t.IsText() || raw[0] != '"' {
			return infotable.Nothing(), mismatch(t, raw)
		}
		return infotable.Text(t, text(raw)), nil
	}
}

func decodeNumber(t infotable.BaseType, raw []byte) (infotable.Value, error) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return infotable.Nothing(), mismatch(t, raw)
	}
	if t == infotable.TypeNumber {
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			return infotable.Nothing(), mismatch(t, raw)
		}
		return infotable.Number(f), nil
	}
	i, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil { // 5.0 and 5e3 are whole numbers, too
		f, ferr := strconv.ParseFloat(string(raw), 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return infotable.Nothing(), mismatch(t, raw)
		}
		i = int64(f)
	}
	if t == infotable.TypeLong {
		return infotable.Long(i), nil
	}
	if i != int64(int32(i)) {
		return infotable.Nothing(), mismatch(t, raw)
	}
	return infotable.Integer(int32(i)), nil
}

// isoLayouts are the ISO 8601 forms that a DATETIME may have as text; without an offset it is UTC.
var isoLayouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"}

func decodeDateTime(raw []byte) (infotable.Value, error) {
	if raw[0] != '"' {
		v, err := decodeNumber(infotable.TypeLong, raw)
		if err != nil {
			return v, mismatch(infotable.TypeDateTime, raw)
		}
		ms, _ := v.Integer()
		return infotable.DateTime(ms), nil
	}
	for _, layout := range isoLayouts {
		if at, err := time.Parse(layout, text(raw)); err == nil {
			return infotable.DateTime(at.UnixMilli()), nil
		}
	}
	return infotable.Nothing(), mismatch(infotable.TypeDateTime, raw)
}

func decodeLocation(raw []byte) (infotable.Value, error) {
	var c struct{ Latitude, Longitude, Elevation *float64 }
	if raw[0] == '"' {
		parts := strings.Split(text(raw), ",")
		if len(parts) < 2 || len(parts) > 3 {
			return infotable.Nothing(), mismatch(infotable.TypeLocation, raw)
		}
		var numbers [3]float64
		for i, part := range parts {
			f, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return infotable.Nothing(), mismatch(infotable.TypeLocation, raw)
			}
			numbers[i] = f
		}
		c.Latitude, c.Longitude, c.Elevation = &numbers[0], &numbers[1], &numbers[2]
	} else if err := json.Unmarshal(raw, &c); err != nil || c.Latitude == nil || c.Longitude == nil {
		return infotable.Nothing(), mismatch(infotable.TypeLocation, raw)
	}
	at := infotable.Coordinates{Latitude: *c.Latitude, Longitude: *c.Longitude}
	if c.Elevation != nil {
		at.Elevation = *c.Elevation
	}
	return infotable.Location(at), nil
}

func decodeBytes(t infotable.BaseType, raw []byte) (infotable.Value, error) {
	if raw[0] != '"' {
		return infotable.Nothing(), mismatch(t, raw)
	}
	b, err := base64.StdEncoding.DecodeString(text(raw))
	if err != nil {
		return infotable.Nothing(), fmt.Errorf("%w: %s wants base64: %w", ErrInvalid, t, err)
	}
	if t == infotable.TypeImage {
		return infotable.Image(b), nil
	}
	return infotable.Blob(b), nil
}

func decodeVariant(raw []byte, depth int) (infotable.Value, error) {
	switch raw[0] {
	case '"':
		return infotable.String(text(raw)), nil
	case 't', 'f':
		return infotable.Boolean(raw[0] == 't'), nil
	case '[':
		return infotable.Text(infotable.TypeJSON, string(raw)), nil
	case '{':
		return decodeVariantObject(raw, depth)
	default:
		return decodeNumber(infotable.TypeNumber, raw)
	}
}

func decodeVariantObject(raw []byte, depth int) (infotable.Value, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return infotable.Nothing(), mismatch(infotable.TypeVariant, raw)
	}
	if members["dataShape"] != nil && members["rows"] != nil {
		return decodeTable(raw, depth)
	}
	if len(members) == 2 && members["baseType"] != nil && members["value"] != nil {
		t, err := infotable.ParseBaseType(text(members["baseType"]))
		if err == nil && t != infotable.TypeVariant {
			return decodeValue(t, members["value"], depth)
		}
	}
	return infotable.Text(infotable.TypeJSON, string(raw)), nil
}

type fieldJSON struct {
	Name        string                     `json:"name"`
	Description string                     `json:"description"`
	BaseType    string                     `json:"baseType"`
	Ordinal     float64                    `json:"ordinal"`
	Aspects     map[string]json.RawMessage `json:"aspects"`
}

func decodeTable(raw []byte, depth int) (infotable.Value, error) {
	if depth == 0 {
		return infotable.Nothing(), fmt.Errorf("%w: more than %d tables inside each other", ErrInvalid, maxDepth)
	}
	var in struct {
		DataShape struct {
			FieldDefinitions map[string]fieldJSON `json:"fieldDefinitions"`
		} `json:"dataShape"`
		Rows []map[string]json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(raw, &in); err != nil || raw[0] != '{' {
		return infotable.Nothing(), mismatch(infotable.TypeInfotable, raw)
	}
	t, err := decodeFields(in.DataShape.FieldDefinitions)
	if err != nil {
		return infotable.Nothing(), err
	}
	for i, row := range in.Rows {
		if err := decodeRow(t, row, depth-1); err != nil {
			return infotable.Nothing(), fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return infotable.FromTable(t), nil
}

func decodeFields(definitions map[string]fieldJSON) (*infotable.Table, error) {
	names := make([]string, 0, len(definitions))
	for name := range definitions {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if x, y := definitions[a].Ordinal, definitions[b].Ordinal; x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	t := &infotable.Table{Fields: make([]infotable.Field, 0, len(names))}
	for _, name := range names {
		d := definitions[name]
		base, err := infotable.ParseBaseType(d.BaseType)
		if err != nil {
			return nil, fmt.Errorf("%w: field %q: %w", ErrInvalid, name, err)
		}
		t.Fields = append(t.Fields, infotable.Field{
			Name: name, Description: d.Description, Type: base, Aspects: decodeAspects(d.Aspects),
		})
	}
	return t, nil
}

// decodeAspects reads aspects by the look of their JSON, since their types are stated nowhere.
func decodeAspects(in map[string]json.RawMessage) []infotable.Aspect {
	var aspects []infotable.Aspect
	for name, raw := range in {
		if v, err := decodeVariant(raw, 1); err == nil && string(raw) != "null" {
			aspects = append(aspects, infotable.Aspect{Name: name, Value: v})
		}
	}
	slices.SortFunc(aspects, func(a, b infotable.Aspect) int { return strings.Compare(a.Name, b.Name) })
	return aspects
}

func decodeRow(t *infotable.Table, in map[string]json.RawMessage, depth int) error {
	row := make(infotable.Row, len(t.Fields))
	for name, raw := range in {
		i := t.Index(name)
		if i < 0 {
			return fmt.Errorf("%w: column %q has no field definition", ErrInvalid, name)
		}
		v, err := decodeValue(t.Fields[i].Type, raw, depth)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if t.Fields[i].Type == infotable.TypeVariant && !v.IsNothing() {
			v = infotable.Variant(v)
		}
		row[i] = v
	}
	t.Rows = append(t.Rows, row)
	return nil
}

func text(raw []byte) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func mismatch(t infotable.BaseType, raw []byte) error {
	return fmt.Errorf("%w: expected %s, got %s", ErrInvalid, t, shown(raw))
}

// shown is the start of a JSON text, for errors.
func shown(raw []byte) string {
	const most = 60
	if len(raw) == 0 {
		return "nothing"
	}
	if len(raw) > most {
		return string(bytes.ToValidUTF8(raw[:most], nil)) + "..."
	}
	return string(raw)
}
