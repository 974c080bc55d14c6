package mapping

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

// Convert makes a value of a base type from a reading that is not null. What is accepted follows the
// reference product's table (read; specs of the reference product, 3.1) where that is known. Our own
// rules, where it is not: numbers and booleans are accepted as text; whole numbers must be whole and in
// range; IMAGE and BLOB are base64; INFOTABLE takes an array of objects or {"dataShape","rows"}; JSON
// takes any value; VARIANT takes the JSON type of the value.
func Convert(r message.Reading, base infotable.BaseType) (infotable.Value, error) {
	switch base {
	case infotable.TypeNumber:
		f, err := number(r)
		return infotable.Number(f), err
	case infotable.TypeInteger:
		i, err := whole(r, math.MinInt32, math.MaxInt32)
		return infotable.Integer(int32(i)), err
	case infotable.TypeLong:
		i, err := whole(r, math.MinInt64, math.MaxInt64)
		return infotable.Long(i), err
	case infotable.TypeBoolean:
		return boolean(r)
	case infotable.TypeDateTime:
		return dateTime(r)
	case infotable.TypeLocation:
		return location(r)
	case infotable.TypeJSON, infotable.TypeQuery:
		return infotable.Text(base, string(r.Raw)), nil
	case infotable.TypeInfotable:
		return table(r)
	case infotable.TypeVariant:
		return Convert(r, Natural(r.Kind))
	case infotable.TypeBlob, infotable.TypeImage:
		return base64Bytes(r, base)
	}
	if !base.IsText() || !base.OnWire() {
		return infotable.Value{}, fmt.Errorf("values of base type %s cannot be written", base)
	}
	s, err := text(r)
	return infotable.Text(base, s), err
}

// Natural is the base type that a JSON value has by itself.
func Natural(k message.Kind) infotable.BaseType {
	switch k {
	case message.Number:
		return infotable.TypeNumber
	case message.Bool:
		return infotable.TypeBoolean
	case message.String:
		return infotable.TypeString
	}
	return infotable.TypeJSON
}

// text returns the content of a string, or the JSON text of a number or boolean.
func text(r message.Reading) (string, error) {
	if t, ok := literal(r); ok {
		return string(t), nil
	}
	var s string
	if r.Kind != message.String || json.Unmarshal(r.Raw, &s) != nil {
		return "", mismatch(r, "text")
	}
	return s, nil
}

// literal is a text that stands in the body as it is; false if there is none.
func literal(r message.Reading) (text []byte, ok bool) {
	switch r.Kind {
	case message.Number, message.Bool:
		return r.Raw, true
	case message.String:
		inner := r.Raw[1 : len(r.Raw)-1]
		return inner, !slices.Contains(inner, '\\')
	}
	return nil, false
}

func number(r message.Reading) (float64, error) {
	if d := &r.Decimal; d.Short && d.Scale < len(powersOfTen) {
		return float64(d.Digits) / powersOfTen[d.Scale], nil // both are exact, so that the result is rounded once
	}
	s, err := numeral(r, "a number")
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && math.IsInf(f, 0):
		return 0, fmt.Errorf("%s is beyond the range of a NUMBER", quoted(s))
	case err != nil || math.IsInf(f, 0) || math.IsNaN(f):
		return 0, mismatch(r, "a number")
	}
	return f, nil
}

// powersOfTen are those that a float64 holds exactly.
var powersOfTen = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// whole accepts 7, 7.0 and 7e2, as number or text, within the bounds.
func whole(r message.Reading, lowest, highest int64) (int64, error) {
	if d := &r.Decimal; d.Short && d.Scale == 0 && lowest <= d.Digits && d.Digits <= highest {
		return d.Digits, nil
	}
	s, err := numeral(r, "a whole number")
	if err != nil {
		return 0, err
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, notNumber := strconv.ParseFloat(s, 64)
		if notNumber != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, mismatch(r, "a whole number")
		}
		i = int64(f)
	}
	if i < lowest || i > highest {
		return 0, fmt.Errorf("%s is outside %d..%d", quoted(s), lowest, highest)
	}
	return i, nil
}

// numeral returns the text of a number, which devices also send as a string.
func numeral(r message.Reading, want string) (string, error) {
	switch r.Kind {
	case message.Number:
		return string(r.Raw), nil
	case message.String:
		s, err := text(r)
		if s = strings.TrimSpace(s); err == nil && s != "" && !strings.ContainsAny(s, "xX_pPiInN") {
			return s, nil
		}
	}
	return "", mismatch(r, want)
}

// boolean takes text for true when it says "true" or is a number other than 0; any other text is false.
func boolean(r message.Reading) (infotable.Value, error) {
	switch r.Kind {
	case message.Bool:
		return infotable.Boolean(r.Raw[0] == 't'), nil
	case message.Number:
		f, err := number(r)
		return infotable.Boolean(f != 0), err
	case message.String:
		s, err := text(r)
		f, notNumber := number(r)
		return infotable.Boolean(strings.EqualFold(s, "true") || notNumber == nil && f != 0), err
	}
	return infotable.Value{}, mismatch(r, "a boolean")
}

func dateTime(r message.Reading) (infotable.Value, error) {
	if ms, err := whole(r, -maxMillis, maxMillis); err == nil {
		return infotable.DateTime(ms), nil
	}
	if r.Kind == message.String {
		s, _ := text(r)
		if ms, err := parseISO(s); err == nil {
			return infotable.DateTime(ms), nil
		}
	}
	return infotable.Value{}, mismatch(r, "a time: milliseconds since 1970 or ISO 8601")
}

// maxMillis is the end of the year 9999.
const maxMillis = 253402300799999

func location(r message.Reading) (infotable.Value, error) {
	var c infotable.Coordinates
	switch r.Kind {
	case message.Object:
		var in struct{ Latitude, Longitude, Elevation *float64 }
		if json.Unmarshal(r.Raw, &in) != nil || in.Latitude == nil || in.Longitude == nil {
			return infotable.Value{}, mismatch(r, "a location {latitude, longitude, elevation}")
		}
		c.Latitude, c.Longitude = *in.Latitude, *in.Longitude
		if in.Elevation != nil {
			c.Elevation = *in.Elevation
		}
	case message.String:
		s, _ := text(r)
		parts := strings.Split(s, ",")
		into := []*float64{&c.Latitude, &c.Longitude, &c.Elevation}
		if len(parts) != 2 && len(parts) != 3 {
			return infotable.Value{}, mismatch(r, `a location "latitude,longitude,elevation"`)
		}
		for i, part := range parts {
			f, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if err != nil {
				return infotable.Value{}, mismatch(r, `a location "latitude,longitude,elevation"`)
			}
			*into[i] = f
		}
	default:
		return infotable.Value{}, mismatch(r, "a location")
	}
	if !(math.Abs(c.Latitude) <= 90 && math.Abs(c.Longitude) <= 180) || math.IsInf(c.Elevation, 0) || math.IsNaN(c.Elevation) {
		return infotable.Value{}, mismatch(r, "a location on Earth, latitude first")
	}
	return infotable.Location(c), nil
}

func base64Bytes(r message.Reading, base infotable.BaseType) (infotable.Value, error) {
	s, err := text(r)
	if err != nil || r.Kind != message.String {
		return infotable.Value{}, mismatch(r, "base64 text")
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return infotable.Value{}, mismatch(r, "base64 text")
	}
	if base == infotable.TypeImage {
		return infotable.Image(b), nil
	}
	return infotable.Blob(b), nil
}

func mismatch(r message.Reading, want string) error {
	return fmt.Errorf("got %s %s, want %s", r.Kind, quoted(r.Raw), want)
}
