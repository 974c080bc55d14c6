package script

import (
	"maps"

	"github.com/dop251/goja"
)

// member makes the value of one name, when a script first asks for it: most scripts use few of what there is.
type member func(r *run) goja.Value

// members are the names of a global object or of a prototype.
type members map[string]member

// method is a member that is a function.
func method(f func(r *run, call goja.FunctionCall) goja.Value) member {
	return func(r *run) goja.Value {
		return r.rt.ToValue(func(call goja.FunctionCall) goja.Value { return f(r, call) })
	}
}

// with adds members.
func (m members) with(more members) members {
	maps.Copy(m, more)
	return m
}

// lazy is an object whose members are made when they are first used. They cannot be changed and are not enumerated.
type lazy struct {
	r       *run
	members members
	made    map[string]goja.Value
}

// lazy returns an object with members; proto is where else names are looked for, Object.prototype if nil.
func (r *run) lazy(m members, proto *goja.Object) *goja.Object {
	object := r.rt.NewDynamicObject(&lazy{r: r, members: m})
	if proto != nil {
		r.check(object.SetPrototype(proto))
	}
	return object
}

func (l *lazy) Get(key string) goja.Value {
	if v, ok := l.made[key]; ok {
		return v
	}
	m, ok := l.members[key]
	if !ok {
		return nil
	}
	if l.made == nil {
		l.made = map[string]goja.Value{}
	}
	l.made[key] = m(l.r)
	return l.made[key]
}

func (l *lazy) Has(key string) bool         { return l.members[key] != nil }
func (l *lazy) Set(string, goja.Value) bool { return false }
func (l *lazy) Delete(string) bool          { return false }
func (l *lazy) Keys() []string              { return nil }

// proto returns the prototype called name, which is made once a run. iterate, if not nil, is what for...of goes over.
func (r *run) proto(name string, m members, iterate func(this goja.Value) goja.Value) *goja.Object {
	if made := r.protos[name]; made != nil {
		return made
	}
	var base *goja.Object
	if iterate != nil {
		base = r.rt.NewObject()
		r.check(base.SetSymbol(goja.SymIterator, func(call goja.FunctionCall) goja.Value { return iterate(call.This) }))
	}
	if r.protos == nil {
		r.protos = map[string]*goja.Object{}
	}
	r.protos[name] = r.lazy(m, base)
	return r.protos[name]
}

// native returns a function of a built-in object, such as JSON.parse.
func (r *run) native(object, name string) goja.Callable {
	key := object + "." + name
	if made := r.natives[key]; made != nil {
		return made
	}
	function, ok := goja.AssertFunction(r.rt.GlobalObject().Get(object).ToObject(r.rt).Get(name))
	if !ok {
		r.throwf("%s is no function", key)
	}
	if r.natives == nil {
		r.natives = map[string]goja.Callable{}
	}
	r.natives[key] = function
	return function
}

// parseJSON and stringify are the script's JSON functions.
func (r *run) parseJSON(text string) (goja.Value, error) {
	return r.native("JSON", "parse")(goja.Undefined(), r.rt.ToValue(text))
}

func (r *run) stringify(v goja.Value) (string, error) {
	out, err := r.native("JSON", "stringify")(goja.Undefined(), v)
	if err != nil || goja.IsUndefined(out) {
		return "", err
	}
	return out.String(), nil
}

// isMissing reports whether a value is undefined or null.
func isMissing(v goja.Value) bool { return v == nil || goja.IsUndefined(v) || goja.IsNull(v) }
