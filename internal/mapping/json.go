package mapping

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"azx/alwayson/infotable"
	"azx/internal/decode"
)

// Limits of JSON text made here. No message or method takes more than 128 KiB.
const (
	maxText   = 256 << 10 // bytes
	maxNested = 8         // tables inside each other, as alwayson reads them
)

// AppendJSON appends a value as devices get it, in the form that Convert reads back: whole numbers with all their
// digits, DATETIME in ISO 8601 with milliseconds, LOCATION as {"latitude","longitude","elevation"}, BLOB and IMAGE as
// base64, JSON as it stands, INFOTABLE as an array of objects, NOTHING as null. The error says why a value has no JSON
// text, with the column if it is in a table; the value itself is not in it, since it may be a password.
func AppendJSON(dst []byte, v infotable.Value) ([]byte, error) {
	e := encoder{text: dst, most: len(dst) + maxText}
	if err := e.value(v); err != nil {
		return dst, err
	}
	return e.text, nil
}

// encoder makes JSON text up to a limit.
type encoder struct {
	text   []byte
	most   int
	tables int // how many tables the value at hand is in
}

func (e *encoder) value(v infotable.Value) error {
	v = v.Unwrap()
	switch base := v.Type(); {
	case v.IsNothing():
		return e.add("null")
	case base == infotable.TypeNumber:
		f, _ := v.Number()
		return e.number(f)
	case base == infotable.TypeInteger || base == infotable.TypeLong:
		i, _ := v.Integer()
		return e.add(strconv.FormatInt(i, 10))
	case base == infotable.TypeBoolean:
		b, _ := v.Boolean()
		return e.add(strconv.FormatBool(b))
	case base == infotable.TypeDateTime:
		ms, _ := v.Millis()
		return e.time(ms)
	case base == infotable.TypeLocation:
		c, _ := v.Location()
		return e.location(c)
	case base == infotable.TypeJSON || base == infotable.TypeQuery:
		s, _ := v.Text()
		return e.document(s)
	case base == infotable.TypeInfotable:
		t, _ := v.Table()
		return e.table(t)
	case base.IsBytes():
		return e.bytes(v)
	case base.IsText():
		s, _ := v.Text()
		return e.string(s)
	default:
		return fmt.Errorf("values of base type %s have no JSON text", base)
	}
}

var errTooLong = fmt.Errorf("it takes more than %d bytes", maxText)

// add appends text that is JSON already.
func (e *encoder) add(s string) error {
	if len(e.text)+len(s) > e.most {
		return errTooLong
	}
	e.text = append(e.text, s...)
	return nil
}

// number writes few digits for small numbers and an exponent for very small and very large ones, as JavaScript does.
func (e *encoder) number(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%v is no number in JSON", f)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return e.add(strconv.FormatFloat(f, format, -1, 64))
}

func (e *encoder) time(ms int64) error {
	at := time.UnixMilli(ms).UTC()
	if at.Year() < 0 || at.Year() > 9999 {
		return errors.New("the time is not within the years 0 and 9999")
	}
	return e.add(at.Format(`"2006-01-02T15:04:05.000Z"`))
}

func (e *encoder) location(c infotable.Coordinates) error {
	for _, part := range []struct {
		before string
		value  float64
	}{{`{"latitude":`, c.Latitude}, {`,"longitude":`, c.Longitude}, {`,"elevation":`, c.Elevation}} {
		if err := e.add(part.before); err != nil {
			return err
		}
		if err := e.number(part.value); err != nil {
			return err
		}
	}
	return e.add("}")
}

// document writes JSON text; of none at all, null.
func (e *encoder) document(s string) error {
	if len(s) > maxText {
		return errTooLong
	}
	if strings.TrimSpace(s) == "" {
		return e.add("null")
	}
	r, err := decode.Value([]byte(s))
	if err != nil {
		return err
	}
	return e.add(string(r.Raw))
}

func (e *encoder) bytes(v infotable.Value) error {
	b, _ := v.Bytes()
	if base64.StdEncoding.EncodedLen(len(b)) > maxText {
		return errTooLong
	}
	return e.add(`"` + base64.StdEncoding.EncodeToString(b) + `"`)
}

const hexDigits = "0123456789abcdef"

// string writes text with no more escapes than JSON asks for.
func (e *encoder) string(s string) error {
	switch {
	case len(s) > maxText:
		return errTooLong
	case !utf8.ValidString(s):
		return errors.New("the text is not in UTF-8")
	}
	e.text = append(e.text, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			e.text = append(e.text, '\\', c)
		case c == '\n':
			e.text = append(e.text, `\n`...)
		case c < 0x20:
			e.text = append(e.text, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			e.text = append(e.text, c)
		}
	}
	return e.add(`"`) // finds escapes that made it too long
}

func (e *encoder) table(t *infotable.Table) error {
	if e.tables == maxNested {
		return fmt.Errorf("tables are nested deeper than %d levels", maxNested)
	}
	if err := distinct(t.Fields); err != nil {
		return err
	}
	e.tables++
	defer func() { e.tables-- }()
	before := "["
	for n, row := range t.Rows {
		if err := e.add(before); err != nil {
			return err
		}
		if err := e.row(t.Fields, row); err != nil {
			return fmt.Errorf("row %d, %w", n, err)
		}
		before = ","
	}
	if t.Len() == 0 {
		return e.add("[]")
	}
	return e.add("]")
}

// row writes an object with a member for each column.
func (e *encoder) row(fields []infotable.Field, row infotable.Row) error {
	before := "{"
	for i, f := range fields {
		err := e.add(before)
		if err == nil {
			err = e.string(f.Name)
		}
		if err == nil {
			err = e.add(":")
		}
		if err == nil {
			err = e.value(row.Cell(i))
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", quoted(f.Name), err)
		}
		before = ","
	}
	if len(fields) == 0 {
		return e.add("{}")
	}
	return e.add("}")
}

// distinct returns an error if two columns have one name: one of them would be lost in an object.
func distinct(fields []infotable.Field) error {
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if seen[f.Name] {
			return fmt.Errorf("there are two columns %s", quoted(f.Name))
		}
		seen[f.Name] = true
	}
	return nil
}

// Params makes the JSON object of a service's parameters, a member for each column of the one row; nil if there is no
// parameter. A parameter without a value is null.
func Params(t *infotable.Table) (json.RawMessage, error) {
	if t == nil || len(t.Fields) == 0 {
		return nil, nil
	}
	if len(t.Rows) > 1 {
		return nil, fmt.Errorf("parameters are one row, not %d", len(t.Rows))
	}
	if err := distinct(t.Fields); err != nil {
		return nil, err
	}
	var row infotable.Row
	if t.Len() == 1 {
		row = t.Rows[0]
	}
	e := encoder{most: maxText}
	if err := e.row(t.Fields, row); err != nil {
		return nil, err
	}
	return e.text, nil
}
