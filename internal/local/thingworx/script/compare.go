package script

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/tablejson"
)

// compare orders two values as sorts and filters do: what is missing first, numbers and dates by size, all else by
// its text.
func compare(a, b infotable.Value, caseSensitive bool) int {
	a, b = a.Unwrap(), b.Unwrap()
	if a.IsNothing() || b.IsNothing() {
		return boolOrder(!a.IsNothing(), !b.IsNothing())
	}
	if a.Type() == b.Type() {
		if x, ok := a.Boolean(); ok {
			y, _ := b.Boolean()
			return boolOrder(x, y)
		}
		if a.Type() == infotable.TypeLong || a.Type() == infotable.TypeInteger {
			x, _ := a.Integer()
			y, _ := b.Integer()
			return cmp.Compare(x, y)
		}
	}
	if x, ok := size(a); ok {
		if y, ok := size(b); ok {
			return cmp.Compare(x, y)
		}
	}
	x, y := content(a), content(b)
	if !caseSensitive {
		x, y = strings.ToLower(x), strings.ToLower(y)
	}
	return cmp.Compare(x, y)
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// size is the number that a number or a date is ordered by.
func size(v infotable.Value) (float64, bool) {
	if ms, ok := v.Millis(); ok {
		return float64(ms), true
	}
	return v.Number()
}

// content is a value's whole content as text, unlike its String, which hides passwords and shortens tables.
func content(v infotable.Value) string {
	if text, ok := v.Text(); ok {
		return text
	}
	if t, ok := v.Table(); ok {
		return string(infotable.AppendTable(nil, t))
	}
	if b, ok := v.Bytes(); ok {
		return string(b)
	}
	return v.String()
}

// key tells equal cells, for groups and joins.
func key(cells ...infotable.Value) string {
	var b []byte
	for _, v := range cells {
		v = v.Unwrap()
		if f, ok := v.Number(); ok { // 1 is 1 whatever its type
			v = infotable.Number(f)
		}
		b = infotable.AppendValue(b, v)
	}
	return string(b)
}

// coerce reads JSON as a value of a base type. Texts of numbers, truths and dates will do.
func coerce(t infotable.BaseType, raw json.RawMessage) (infotable.Value, error) {
	if len(raw) == 0 {
		return infotable.Nothing(), nil
	}
	v, err := tablejson.DecodeValue(t, raw)
	if err == nil {
		return v, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return coerceText(t, text)
	}
	if t.IsText() { // a number or a truth for a text
		return infotable.Text(t, string(raw)), nil
	}
	return v, err
}

// coerceText reads a text as a value of a base type.
func coerceText(t infotable.BaseType, text string) (infotable.Value, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case t.IsText():
		return infotable.Text(t, text), nil
	case t.IsNumeric():
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil {
			return infotable.Nothing(), fmt.Errorf("expected %s, got %q", t, text)
		}
		return infotable.Number(f), nil
	case t == infotable.TypeBoolean:
		b, err := strconv.ParseBool(strings.ToLower(trimmed))
		if err != nil {
			return infotable.Nothing(), fmt.Errorf("expected BOOLEAN, got %q", text)
		}
		return infotable.Boolean(b), nil
	case t == infotable.TypeDateTime:
		if ms, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
			return infotable.DateTime(ms), nil
		}
		at, err := parseISO(trimmed)
		return infotable.DateTime(at.UnixMilli()), err
	case t == infotable.TypeVariant:
		return infotable.String(text), nil
	default:
		return decodeText(t, text)
	}
}
