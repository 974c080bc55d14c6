package script

import (
	"encoding/base64"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// toJS gives a script a value. NOTHING is undefined. JSON, dates and locations are copies; an infotable can be
// changed without changing the platform's.
func (r *run) toJS(v infotable.Value) goja.Value {
	v = v.Unwrap()
	switch v.Type() {
	case infotable.TypeNothing:
		return goja.Undefined()
	case infotable.TypeNumber:
		f, _ := v.Number()
		return r.rt.ToValue(f)
	case infotable.TypeInteger, infotable.TypeLong:
		i, _ := v.Integer()
		return r.rt.ToValue(i)
	case infotable.TypeBoolean:
		b, _ := v.Boolean()
		return r.rt.ToValue(b)
	case infotable.TypeDateTime:
		ms, _ := v.Millis()
		return r.date(float64(ms))
	case infotable.TypeLocation:
		return r.location(v)
	case infotable.TypeInfotable:
		t, _ := v.Table()
		return r.wrap(t).object
	case infotable.TypeJSON, infotable.TypeQuery:
		return r.json(v)
	case infotable.TypeImage:
		b, _ := v.Bytes()
		return r.rt.ToValue(base64.StdEncoding.EncodeToString(b))
	case infotable.TypeBlob:
		b, _ := v.Bytes()
		return r.must(r.rt.New(r.rt.GlobalObject().Get("Uint8Array"), r.rt.ToValue(r.rt.NewArrayBuffer(b))))
	default:
		text, _ := v.Text()
		return r.rt.ToValue(text)
	}
}

// date returns a Date of ms milliseconds since 1970.
func (r *run) date(ms float64) goja.Value {
	return r.must(r.rt.New(r.rt.GlobalObject().Get("Date"), r.rt.ToValue(ms)))
}

func (r *run) location(v infotable.Value) goja.Value {
	c, _ := v.Location()
	object := r.rt.NewObject()
	r.check(object.Set("latitude", c.Latitude))
	r.check(object.Set("longitude", c.Longitude))
	r.check(object.Set("elevation", c.Elevation))
	r.check(object.Set("units", "WGS84"))
	return object
}

// json gives the content of a JSON; text that is none stays text.
func (r *run) json(v infotable.Value) goja.Value {
	text, _ := v.Text()
	if text == "" {
		return goja.Undefined()
	}
	js, err := r.parseJSON(text)
	if err != nil {
		if uncatchable(err) {
			r.throw(err)
		}
		return r.rt.ToValue(text)
	}
	if object, ok := js.(*goja.Object); ok && r.engine.options.RhinoQuirks && object.ClassName() == "Array" {
		boxed := r.rt.NewObject()
		r.check(boxed.Set("array", object))
		return boxed
	}
	return js
}
