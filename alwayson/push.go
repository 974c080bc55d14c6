package alwayson

import (
	"fmt"

	"azx/alwayson/infotable"
)

// PushService is the service of a Thing that takes pushed property values (captured).
const PushService = "UpdateSubscribedPropertyValues"

// QualityGood is the quality of a value that nothing speaks against. Others are BAD, UNKNOWN,
// OUT_OF_RANGE and UNVERIFIED_SOURCE; the platform knows more (read).
const QualityGood = "GOOD"

// PropertyValue is one row of a push.
type PropertyValue struct {
	Name    string
	Value   infotable.Value // sent inside a VARIANT
	TimeMs  int64           // milliseconds since 1970-01-01 UTC
	Quality string          // "" means QualityGood
}

// pushHead is all of a push's parameter before the first row: the typed primitive INFOTABLE with the
// one field "values", its row, and in its cell the fields name, value, time and quality (captured).
const pushHead = "\x05" +
	"\x01\x06values\x00\x05\x00\x00" + "\x00" +
	"\x01\x00\x01" + "\x05" +
	"\x01\x04name\x00\x00\x00\x00" +
	"\x01\x05value\x00\x12\x00\x00" +
	"\x01\x04time\x00\x03\x00\x00" +
	"\x01\x07quality\x00\x00\x00\x00" + "\x00"

// AppendPropertyPush appends the parameters of PushService for these values: the bytes that
// Request.RawParams takes. It does not allocate beyond growing dst.
func AppendPropertyPush(dst []byte, values []PropertyValue) []byte {
	dst = BeginPropertyPush(dst)
	for i := range values {
		v := &values[i]
		dst = appendTime(infotable.AppendValue(beginRow(dst, v.Name), v.Value.Unwrap()), v.TimeMs)
		if v.Quality == "" || v.Quality == QualityGood {
			dst = append(dst, rowTail...)
		} else {
			dst = infotable.AppendString(append(dst, byte(infotable.TypeString)), v.Quality)
		}
	}
	return EndPropertyPush(dst)
}

const (
	rowHead = "\x01\x00\x04\x00"       // a row of four cells, the first a STRING
	rowTail = "\x00\x04" + QualityGood // the last of them, a STRING
)

// beginRow appends a row up to the value in its VARIANT.
func beginRow(dst []byte, name string) []byte {
	return append(infotable.AppendString(append(dst, rowHead...), name), byte(infotable.TypeVariant))
}

func appendTime(dst []byte, ms int64) []byte {
	t := uint64(ms)
	return append(dst, byte(infotable.TypeDateTime), byte(t>>56), byte(t>>48), byte(t>>40), byte(t>>32), byte(t>>24), byte(t>>16), byte(t>>8), byte(t))
}

// BeginPropertyPush, AppendEncodedRow for each value, and EndPropertyPush are AppendPropertyPush of good values for whoever has
// them encoded.
func BeginPropertyPush(dst []byte) []byte { return append(dst, pushHead...) }

// AppendEncodedRow appends one value, which is what infotable.AppendValue appends of it, without a VARIANT around it. See
// BeginPropertyPush.
func AppendEncodedRow(dst []byte, name string, value []byte, timeMs int64) []byte {
	return append(appendTime(append(beginRow(dst, name), value...), timeMs), rowTail...)
}

// EndPropertyPush ends both tables. See BeginPropertyPush.
func EndPropertyPush(dst []byte) []byte { return append(dst, 0, 0) }

// PropertyPush returns a push request for a Thing whose parameters AppendPropertyPush encoded.
func PropertyPush(thing string, encoded []byte) Request {
	return Request{Code: Post, Entity: Thing, Name: thing, Kind: Service, Target: PushService, RawParams: encoded}
}

// PushedValues reads the parameters of PushService, as the platform's side gets them. Values come without
// their VARIANT, and a missing time is 0.
func PushedValues(params *infotable.Table) ([]PropertyValue, error) {
	table, ok := params.First("values").Table()
	if !ok {
		return nil, fmt.Errorf("read pushed values: no table in parameter \"values\": %w", infotable.ErrMalformed)
	}
	name, value := table.Index("name"), table.Index("value")
	when, quality := table.Index("time"), table.Index("quality")
	if name < 0 || value < 0 {
		return nil, fmt.Errorf("read pushed values: column name or value is missing: %w", infotable.ErrMalformed)
	}
	values := make([]PropertyValue, 0, len(table.Rows))
	for i, row := range table.Rows {
		var v PropertyValue
		if v.Name, ok = row.Cell(name).Text(); !ok || v.Name == "" {
			return nil, fmt.Errorf("read pushed values: row %d has no name: %w", i+1, infotable.ErrMalformed)
		}
		v.Value = row.Cell(value).Unwrap()
		v.TimeMs, _ = row.Cell(when).Millis()
		v.Quality, _ = row.Cell(quality).Text()
		values = append(values, v)
	}
	return values, nil
}
