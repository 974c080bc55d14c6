package script

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// fromJS turns what a script gives into a value of the field's base type. undefined and null are NOTHING. shape is
// the fields of an INFOTABLE that comes as plain JSON; the field's own data shape, if it names one, comes first.
// Objects may run code of the script here, which may throw: callers are inside of the script, or try.
func (r *run) fromJS(js goja.Value, field infotable.Field, shape []infotable.Field) (infotable.Value, error) {
	if isMissing(js) || field.Type == infotable.TypeNothing {
		return infotable.Nothing(), nil
	}
	switch field.Type {
	case infotable.TypeNumber, infotable.TypeTimespan:
		f, err := r.number(js, field.Type)
		return infotable.Number(f), err
	case infotable.TypeInteger, infotable.TypeLong:
		return r.whole(js, field.Type)
	case infotable.TypeBoolean:
		return r.boolean(js)
	case infotable.TypeDateTime:
		return r.dateTime(js)
	case infotable.TypeLocation:
		return r.coordinates(js)
	case infotable.TypeJSON, infotable.TypeQuery:
		return r.jsonText(js, field.Type)
	case infotable.TypeVec2, infotable.TypeVec3, infotable.TypeVec4: // have no value of their own: see infotable
		return r.jsonText(js, infotable.TypeJSON)
	case infotable.TypeImage, infotable.TypeBlob:
		return r.bytes(js, field.Type)
	case infotable.TypeInfotable:
		return r.infotable(js, field, shape)
	case infotable.TypeVariant:
		v, err := r.natural(js)
		return infotable.Variant(v), err
	default:
		return r.string(js, field.Type)
	}
}

// natural turns what a script gives into a value of the type that it looks like.
func (r *run) natural(js goja.Value) (infotable.Value, error) {
	if isMissing(js) {
		return infotable.Nothing(), nil
	}
	object, ok := js.(*goja.Object)
	if !ok {
		switch v := js.Export().(type) {
		case bool:
			return infotable.Boolean(v), nil
		case int64:
			return infotable.Number(float64(v)), nil
		case float64:
			return infotable.Number(v), nil
		default:
			return infotable.String(js.String()), nil
		}
	}
	switch object.ClassName() {
	case "Date":
		return r.dateTime(js)
	case "Number":
		return infotable.Number(object.ToFloat()), nil
	case "Boolean", "String":
		return r.natural(object.ToString())
	}
	if asTable(object) != nil || asRow(object) != nil {
		return r.infotable(js, infotable.Field{}, nil)
	}
	if lat, long := object.Get("latitude"), object.Get("longitude"); !isMissing(lat) && !isMissing(long) {
		return r.coordinates(js)
	}
	return r.jsonText(js, infotable.TypeJSON)
}

// mismatch says what was expected, and what came.
func (r *run) mismatch(t infotable.BaseType, js goja.Value) error {
	return fmt.Errorf("expected %s, got %s", t, described(js))
}

// described tells a value for an error: short, and without the content of objects.
func described(js goja.Value) string {
	if object, ok := js.(*goja.Object); ok {
		switch {
		case asTable(object) != nil:
			return "an infotable"
		case asRow(object) != nil:
			return "a row of an infotable"
		case asEntity(object) != nil:
			return asEntity(object).String()
		}
		return "an object of class " + object.ClassName()
	}
	text := js.String()
	if len(text) > 40 {
		text = strings.ToValidUTF8(text[:40], "") + "..."
	}
	if _, ok := js.Export().(string); ok {
		return strconv.Quote(text)
	}
	return text
}

func (r *run) string(js goja.Value, t infotable.BaseType) (infotable.Value, error) {
	object, ok := js.(*goja.Object)
	if !ok {
		return infotable.Text(t, js.String()), nil
	}
	switch class := object.ClassName(); {
	case asEntity(object) != nil:
		return infotable.Text(t, asEntity(object).of.Name()), nil
	case class == "Array" && t == infotable.TypeTags:
		return r.tags(object)
	case class == "Date", class == "String", class == "Number", class == "Boolean", class == "Error", class == "RegExp":
		return infotable.Text(t, object.String()), nil
	}
	return infotable.Nothing(), fmt.Errorf("%w; JSON.stringify makes a text of it", r.mismatch(t, js))
}

// tags reads [{vocabulary, vocabularyTerm}] or texts as Vocabulary:Term;Vocabulary:Term.
func (r *run) tags(list *goja.Object) (infotable.Value, error) {
	text, err := r.stringify(list)
	if err != nil {
		return infotable.Nothing(), err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return infotable.Nothing(), r.mismatch(infotable.TypeTags, list)
	}
	var all []string
	for _, one := range raw {
		var tag struct{ Vocabulary, VocabularyTerm string }
		var plain string
		if json.Unmarshal(one, &plain) == nil {
			all = append(all, plain)
		} else if json.Unmarshal(one, &tag) == nil && tag.Vocabulary != "" {
			all = append(all, tag.Vocabulary+":"+tag.VocabularyTerm)
		} else {
			return infotable.Nothing(), errors.New("expected TAGS: texts or objects with vocabulary and vocabularyTerm")
		}
	}
	return infotable.Text(infotable.TypeTags, strings.Join(all, ";")), nil
}

// number accepts numbers, texts of numbers, booleans and dates.
func (r *run) number(js goja.Value, t infotable.BaseType) (float64, error) {
	if object, ok := js.(*goja.Object); ok {
		switch object.ClassName() {
		case "Number", "Date":
			return object.ToFloat(), nil
		case "String":
			js = object.ToString()
		default:
			return 0, r.mismatch(t, js)
		}
	}
	switch v := primitive(js).(type) {
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	case bool:
		return js.ToFloat(), nil
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
			return f, nil
		}
	}
	return 0, r.mismatch(t, js)
}

// whole cuts a number's fraction off.
func (r *run) whole(js goja.Value, t infotable.BaseType) (infotable.Value, error) {
	if i, ok := primitive(js).(int64); ok && (t == infotable.TypeLong || i == int64(int32(i))) {
		if t == infotable.TypeLong {
			return infotable.Long(i), nil
		}
		return infotable.Integer(int32(i)), nil
	}
	f, err := r.number(js, t)
	if err != nil {
		return infotable.Nothing(), err
	}
	f = math.Trunc(f)
	if t == infotable.TypeLong {
		if !(f >= -(1<<63) && f < 1<<63) {
			return infotable.Nothing(), fmt.Errorf("expected LONG, got %v: out of range", f)
		}
		return infotable.Long(int64(f)), nil
	}
	if !(f >= math.MinInt32 && f <= math.MaxInt32) {
		return infotable.Nothing(), fmt.Errorf("expected INTEGER, got %v: out of range", f)
	}
	return infotable.Integer(int32(f)), nil
}

// primitive is the content of a text, number or truth; nil for objects, whose content may be large.
func primitive(js goja.Value) any {
	if _, ok := js.(*goja.Object); ok {
		return nil
	}
	return js.Export()
}

func (r *run) boolean(js goja.Value) (infotable.Value, error) {
	if object, ok := js.(*goja.Object); ok {
		if class := object.ClassName(); class != "Boolean" && class != "String" && class != "Number" {
			return infotable.Nothing(), r.mismatch(infotable.TypeBoolean, js)
		}
		js = object.ToString()
	}
	switch v := js.Export().(type) {
	case bool:
		return infotable.Boolean(v), nil
	case int64, float64:
		return infotable.Boolean(js.ToFloat() != 0), nil
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v))); err == nil {
			return infotable.Boolean(b), nil
		}
	}
	return infotable.Nothing(), r.mismatch(infotable.TypeBoolean, js)
}

// dateTime accepts dates, milliseconds, and texts in ISO 8601.
func (r *run) dateTime(js goja.Value) (infotable.Value, error) {
	if text, ok := primitive(js).(string); ok {
		if at, err := parseISO(text); err == nil {
			return infotable.DateTime(at.UnixMilli()), nil
		}
	}
	ms, err := r.number(js, infotable.TypeDateTime)
	if err != nil {
		return infotable.Nothing(), err
	}
	const most = 8.64e15 // of a Date
	if !(math.Abs(ms) <= most) {
		return infotable.Nothing(), errors.New("expected DATETIME, got an invalid date")
	}
	return infotable.DateTime(int64(ms)), nil
}

func (r *run) coordinates(js goja.Value) (infotable.Value, error) {
	object, ok := js.(*goja.Object)
	if !ok {
		v, err := decodeText(infotable.TypeLocation, js.String())
		if err != nil {
			return v, r.mismatch(infotable.TypeLocation, js)
		}
		return v, nil
	}
	var c infotable.Coordinates
	for _, part := range []struct {
		name string
		into *float64
		must bool
	}{{"latitude", &c.Latitude, true}, {"longitude", &c.Longitude, true}, {"elevation", &c.Elevation, false}} {
		given := object.Get(part.name)
		if isMissing(given) {
			if part.must {
				return infotable.Nothing(), fmt.Errorf("expected LOCATION: %s is missing", part.name)
			}
			continue
		}
		f, err := r.number(given, infotable.TypeLocation)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return infotable.Nothing(), fmt.Errorf("expected LOCATION: %s is %s", part.name, described(given))
		}
		*part.into = f
	}
	return infotable.Location(c), nil
}

// jsonText keeps a text that is JSON already, and makes JSON of everything else.
func (r *run) jsonText(js goja.Value, t infotable.BaseType) (infotable.Value, error) {
	if text, ok := primitive(js).(string); ok && json.Valid([]byte(text)) {
		return infotable.Text(t, text), nil
	}
	text, err := r.stringify(js)
	if err != nil {
		return infotable.Nothing(), err
	}
	if text == "" {
		return infotable.Nothing(), r.mismatch(t, js)
	}
	return infotable.Text(t, text), nil
}

// bytes accepts base64, lists of numbers and typed arrays.
func (r *run) bytes(js goja.Value, t infotable.BaseType) (infotable.Value, error) {
	b, err := r.byteList(js)
	if err != nil {
		return infotable.Nothing(), fmt.Errorf("expected %s: %w", t, err)
	}
	if t == infotable.TypeImage {
		return infotable.Image(b), nil
	}
	return infotable.Blob(b), nil
}

func (r *run) byteList(js goja.Value) ([]byte, error) {
	object, ok := js.(*goja.Object)
	if !ok {
		b, err := base64.StdEncoding.DecodeString(js.String())
		if err != nil {
			return nil, errors.New("a text that is base64, or a list of bytes")
		}
		return b, nil
	}
	if object.ClassName() == "ArrayBuffer" {
		if buffer, ok := object.Export().(goja.ArrayBuffer); ok {
			return buffer.Bytes(), nil
		}
	}
	length := object.Get("length")
	if isMissing(length) || length.ToFloat() > float64(r.engine.options.MaxText) {
		return nil, errors.New("a text that is base64, or a list of bytes")
	}
	b := make([]byte, int(max(0, length.ToFloat())))
	for i := range b {
		if one := object.Get(strconv.Itoa(i)); one != nil {
			b[i] = byte(one.ToInteger()) // also -128 to 127, as bytes are elsewhere
		}
	}
	return b, nil
}
