// Package tablejson is the JSON form of ThingWorx values and infotables, as the platform's REST speaks it.
//
// A table is {"dataShape": {"name", "fieldDefinitions"}, "rows": [{column: value}]}. DATETIME is epoch
// milliseconds on the way out and also ISO 8601 on the way in; LOCATION is an object of latitude, longitude
// and elevation; BLOB and IMAGE are base64; JSON is itself. Null cells are left out of their row.
package tablejson

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"azx/alwayson/infotable"
)

// ErrInvalid is wrapped by every error of this package: the JSON or the value does not fit its base type.
var ErrInvalid = errors.New("invalid")

// AppendValue appends the JSON of v. NOTHING is null and a VARIANT is its content. NaN and the infinities
// have no JSON and are refused, as the platform does (read).
func AppendValue(dst []byte, v infotable.Value) ([]byte, error) {
	v = v.Unwrap()
	switch v.Type() {
	case infotable.TypeNothing:
		return append(dst, "null"...), nil
	case infotable.TypeNumber:
		f, _ := v.Number()
		return appendFloat(dst, f)
	case infotable.TypeInteger, infotable.TypeLong:
		i, _ := v.Integer()
		return strconv.AppendInt(dst, i, 10), nil
	case infotable.TypeDateTime:
		ms, _ := v.Millis()
		return strconv.AppendInt(dst, ms, 10), nil
	case infotable.TypeBoolean:
		b, _ := v.Boolean()
		return strconv.AppendBool(dst, b), nil
	case infotable.TypeInfotable:
		t, _ := v.Table()
		return AppendTable(dst, t)
	case infotable.TypeLocation:
		return appendLocation(dst, v)
	case infotable.TypeBlob, infotable.TypeImage:
		b, _ := v.Bytes()
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, b)
		return append(dst, '"'), nil
	case infotable.TypeJSON, infotable.TypeQuery:
		text, _ := v.Text()
		if json.Valid([]byte(text)) {
			return append(dst, text...), nil
		}
		return appendString(dst, text), nil
	default:
		text, ok := v.Text()
		if !ok {
			return dst, fmt.Errorf("encode %s as JSON: %w: the type has no JSON form", v.Type(), ErrInvalid)
		}
		return appendString(dst, text), nil
	}
}

// AppendTable appends the JSON of t; a nil table has neither fields nor rows.
func AppendTable(dst []byte, t *infotable.Table) ([]byte, error) {
	if t == nil {
		t = &infotable.Table{}
	}
	dst = append(dst, `{"dataShape":{"name":"","fieldDefinitions":{`...)
	var err error
	for i := range t.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendField(dst, &t.Fields[i], i+1); err != nil {
			return dst, err
		}
	}
	dst = append(dst, `}},"rows":[`...)
	for i, row := range t.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendRow(dst, t.Fields, row); err != nil {
			return dst, fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return append(dst, `]}`...), nil
}

func appendField(dst []byte, f *infotable.Field, ordinal int) ([]byte, error) {
	dst = appendString(dst, f.Name)
	dst = append(dst, `:{"name":`...)
	dst = appendString(dst, f.Name)
	dst = append(dst, `,"description":`...)
	dst = appendString(dst, f.Description)
	dst = append(dst, `,"baseType":`...)
	dst = appendString(dst, f.Type.String())
	dst = append(dst, `,"ordinal":`...)
	dst = strconv.AppendInt(dst, int64(ordinal), 10)
	dst = append(dst, `,"aspects":{`...)
	var err error
	for i, a := range f.Aspects {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, a.Name), ':')
		if dst, err = AppendValue(dst, a.Value); err != nil {
			return dst, fmt.Errorf("aspect %s of %s: %w", a.Name, f.Name, err)
		}
	}
	return append(dst, `}}`...), nil
}

func appendRow(dst []byte, fields []infotable.Field, row infotable.Row) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	first := true
	for i := range fields {
		cell := row.Cell(i)
		if cell.IsNothing() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendString(dst, fields[i].Name), ':')
		if dst, err = AppendValue(dst, cell); err != nil {
			return dst, fmt.Errorf("%s: %w", fields[i].Name, err)
		}
	}
	return append(dst, '}'), nil
}

func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, fmt.Errorf("encode NUMBER as JSON: %w: %v has no JSON form", ErrInvalid, f)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64), nil
}

func appendLocation(dst []byte, v infotable.Value) ([]byte, error) {
	c, _ := v.Location()
	var err error
	for _, part := range []struct {
		head  string
		value float64
	}{{`{"latitude":`, c.Latitude}, {`,"longitude":`, c.Longitude}, {`,"elevation":`, c.Elevation}} {
		dst = append(dst, part.head...)
		if dst, err = appendFloat(dst, part.value); err != nil {
			return dst, err
		}
	}
	return append(dst, `,"units":"WGS84"}`...), nil
}

func appendString(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always has a JSON form
		return append(dst, `""`...)
	}
	return append(dst, quoted...)
}
