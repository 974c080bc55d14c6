package mapping

import (
	"math"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

// Values are values for properties of one Thing in their order, each encoded as the typed primitive that travels
// (infotable.AppendValue).
type Values struct {
	text   []byte
	places []place
}

// place is whose value a part of the text is. It begins where the one before ends.
type place struct {
	property string // remote name
	time     int64  // ms since 1970-01-01 UTC
	end      int
}

// Len is how many there are.
func (v *Values) Len() int { return len(v.places) }

// Add appends a value.
func (v *Values) Add(w message.Write) {
	v.text = infotable.AppendValue(v.text, w.Value.Unwrap())
	v.add(w.Property, w.Time)
}

// encode appends what a reading is as a value of a column; nothing for a null. The error says why it is none.
func (v *Values) encode(r message.Reading, c *column, time int64) (err error) {
	if r.Kind == message.Null {
		return nil
	}
	if v.text, err = appendValue(v.text, r, c.base); err == nil {
		v.add(c.name, time)
	}
	return err
}

// appendValue appends what infotable.AppendValue does of Convert's value. The common ones are not made for that.
func appendValue(dst []byte, r message.Reading, base infotable.BaseType) ([]byte, error) {
	if base == infotable.TypeVariant {
		base = Natural(r.Kind)
	}
	switch base {
	case infotable.TypeNumber:
		f, err := number(r)
		if err != nil {
			return dst, err
		}
		return infotable.AppendNumber(dst, f), nil
	case infotable.TypeInteger:
		i, err := whole(r, math.MinInt32, math.MaxInt32)
		if err != nil {
			return dst, err
		}
		return infotable.AppendInteger(dst, int32(i)), nil
	case infotable.TypeBoolean:
		if r.Kind == message.Bool {
			return infotable.AppendBoolean(dst, r.Raw[0] == 't'), nil
		}
	case infotable.TypeString:
		if inner, ok := literal(r); ok {
			return infotable.AppendText(dst, inner), nil
		}
	}
	value, err := Convert(r, base)
	if err != nil {
		return dst, err
	}
	return infotable.AppendValue(dst, value), nil
}

// add ends the value whose text was appended.
func (v *Values) add(property string, time int64) {
	v.places = append(v.places, place{property, time, len(v.text)})
}

// At returns one of them: the property's remote name, the value's text, which is borrowed, and its time in ms since 1970-01-01 UTC.
func (v *Values) At(i int) (property string, text []byte, time int64) {
	p := &v.places[i]
	return p.property, v.text[v.begin(i):p.end:p.end], p.time
}

// Write returns one of them decoded.
func (v *Values) Write(i int) message.Write {
	property, text, time := v.At(i)
	value, _, _ := infotable.DecodeValue(text, infotable.Limits{}) // it was encoded here
	return message.Write{Property: property, Value: value, Time: time}
}

func (v *Values) begin(i int) int {
	if i == 0 {
		return 0
	}
	return v.places[i-1].end
}

// Keep drops those from the one at from on that are not to be kept.
func (v *Values) Keep(from int, keep func(i int) bool) {
	begin := v.begin(from)
	kept, end := from, begin
	for i := from; i < len(v.places); i++ {
		p := v.places[i]
		if keep(i) {
			end += copy(v.text[end:], v.text[begin:p.end])
			v.places[kept] = place{p.property, p.time, end}
			kept++
		}
		begin = p.end
	}
	v.Cut(kept)
}

// Cut drops all but the first n.
func (v *Values) Cut(n int) {
	v.text = v.text[:v.begin(n)]
	clear(v.places[n:]) // the names
	v.places = v.places[:n]
}

// Recycle drops all of them and keeps the memory, if it is for no more than so many values and bytes.
func (v *Values) Recycle(values, bytes int) {
	if cap(v.places) > values || cap(v.text) > bytes {
		*v = Values{}
		return
	}
	v.Cut(0)
}
