package script

import (
	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// shape is a table's data shape as the script sees it: a copy.
func (r *run) shape(fields []infotable.Field) goja.Value {
	object := r.rt.CreateObject(r.proto("shape", r.engine.shapes, nil))
	all := r.rt.NewObject()
	for i := range fields {
		r.check(all.Set(fields[i].Name, r.fieldObject(fields, i)))
	}
	r.check(object.Set("name", ""))
	r.check(object.Set("fields", all))
	return object
}

// fieldObject is one field's definition.
func (r *run) fieldObject(fields []infotable.Field, i int) goja.Value {
	f := fields[i]
	object := r.rt.CreateObject(r.proto("field", r.engine.fields, nil))
	aspects := r.rt.NewObject()
	for _, a := range f.Aspects {
		r.check(aspects.Set(a.Name, r.toJS(a.Value)))
	}
	r.check(object.Set("name", f.Name))
	r.check(object.Set("description", f.Description))
	r.check(object.Set("baseType", f.Type.String()))
	r.check(object.Set("ordinal", i+1))
	r.check(object.Set("aspects", aspects))
	if v := f.Aspect("defaultValue"); !v.IsNothing() {
		r.check(object.Set("defaultValue", r.toJS(v)))
	}
	return object
}

// shapeMembers are the functions of a data shape.
func shapeMembers() members {
	fields := func(call goja.FunctionCall) *goja.Object {
		if object, ok := call.This.(*goja.Object); ok {
			if all, ok := object.Get("fields").(*goja.Object); ok {
				return all
			}
		}
		return nil
	}
	find := func(call goja.FunctionCall) goja.Value {
		if all := fields(call); all != nil {
			if f := all.Get(call.Argument(0).String()); f != nil {
				return f
			}
		}
		return goja.Null()
	}
	return members{
		"getFields": method(func(_ *run, call goja.FunctionCall) goja.Value {
			if all := fields(call); all != nil {
				return all
			}
			return goja.Undefined()
		}),
		"getFieldDefinition": method(func(_ *run, call goja.FunctionCall) goja.Value { return find(call) }),
		"hasField": method(func(r *run, call goja.FunctionCall) goja.Value {
			return r.rt.ToValue(!goja.IsNull(find(call)))
		}),
		"hasPrimaryKey": method(func(r *run, call goja.FunctionCall) goja.Value {
			return r.rt.ToValue(hasPrimaryKey(fields(call)))
		}),
		"toJSON": method(func(r *run, call goja.FunctionCall) goja.Value {
			object := r.rt.NewObject()
			r.check(object.Set("fieldDefinitions", fields(call)))
			return object
		}),
	}
}

func hasPrimaryKey(fields *goja.Object) bool {
	if fields == nil {
		return false
	}
	for _, name := range fields.Keys() {
		if aspects, ok := fields.Get(name).(*goja.Object).Get("aspects").(*goja.Object); ok {
			if key := aspects.Get("isPrimaryKey"); !isMissing(key) && key.ToBoolean() {
				return true
			}
		}
	}
	return false
}

// fieldMembers are the functions of a field's definition.
func fieldMembers() members {
	m := members{
		"hasDefaultValue": method(func(r *run, call goja.FunctionCall) goja.Value {
			return r.rt.ToValue(!isMissing(call.This.ToObject(r.rt).Get("defaultValue")))
		}),
	}
	for name, key := range map[string]string{
		"getName": "name", "getDescription": "description", "getBaseType": "baseType", "getOrdinal": "ordinal",
	} {
		m[name] = method(func(r *run, call goja.FunctionCall) goja.Value {
			if v := call.This.ToObject(r.rt).Get(key); v != nil {
				return v
			}
			return goja.Undefined()
		})
	}
	return m
}
