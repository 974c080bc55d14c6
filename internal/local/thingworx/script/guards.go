package script

import (
	"regexp"

	"github.com/dop251/goja"
)

// prelude prepares a run time for code that needs it. Most code needs none, and each costs more than the whole
// run of a small service: that is why the code's text is looked at first.
type prelude struct {
	needs *regexp.Regexp
	apply func(r *run)
}

// preludesFor returns what must be prepared for code.
func preludesFor(code string) []prelude {
	all := []prelude{
		{regexp.MustCompile(`\b(lineNumber|fileName)\b`), positionsOfErrors},
		{regexp.MustCompile(`\bparse\b`), boundParse},
		{regexp.MustCompile(`\b(repeat|padStart|padEnd)\b`), boundTexts},
		{regexp.MustCompile(`\b(fill|join|Array\s*\(|length\s*=[^=])`), boundArrays},
		// last, since nothing can be changed after it
		{regexp.MustCompile(`(prototype|__proto__)\s*(\.\s*[\w$]+|\[[^\]]*\])*\s*=[^=]|` +
			`\b(defineProperty|defineProperties|setPrototypeOf|assign)\b[^;]*\b(prototype|__proto__)\b`), freezePrototypes},
	}
	var needed []prelude
	for _, p := range all {
		if p.needs.MatchString(code) {
			needed = append(needed, p)
		}
	}
	return needed
}

// prototype returns the prototype of a built-in constructor.
func (r *run) prototype(constructor string) *goja.Object {
	return r.rt.GlobalObject().Get(constructor).ToObject(r.rt).Get("prototype").ToObject(r.rt)
}

// freezePrototypes makes the built-in prototypes unchangeable, as they are on the platform: an assignment to one has
// no effect.
func freezePrototypes(r *run) {
	freeze, _ := goja.AssertFunction(r.rt.GlobalObject().Get("Object").ToObject(r.rt).Get("freeze"))
	for _, constructor := range []string{"Object", "Array", "Function", "String", "Number", "Boolean", "Date", "RegExp", "Error"} {
		r.must(freeze(goja.Undefined(), r.prototype(constructor)))
	}
}

// positionsOfErrors gives errors lineNumber and fileName, which the platform's engine has.
func positionsOfErrors(r *run) {
	proto := r.prototype("Error")
	accessor := func(name string, get func(p position) goja.Value) {
		getter := r.rt.ToValue(func(call goja.FunctionCall) goja.Value {
			stack := call.This.ToObject(r.rt).Get("stack")
			if stack == nil {
				return goja.Undefined()
			}
			return get(r.positionInStack(stack.String()))
		})
		setter := r.rt.ToValue(func(goja.FunctionCall) goja.Value { return goja.Undefined() })
		if err := proto.DefineAccessorProperty(name, getter, setter, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
			r.throw(err)
		}
	}
	accessor("lineNumber", func(p position) goja.Value { return r.rt.ToValue(p.line) })
	accessor("fileName", func(position) goja.Value { return r.rt.ToValue(r.program.name) })
}

// maxParsed bounds how deep arrays and objects may lie inside each other in JSON that a script reads.
const maxParsed = 10000

// boundParse bounds the depth of JSON.parse, which calls itself for every level.
func boundParse(r *run) {
	object := r.rt.GlobalObject().Get("JSON").ToObject(r.rt)
	original := r.native("JSON", "parse")
	r.check(object.Set("parse", func(call goja.FunctionCall) goja.Value {
		if depthOfJSON(call.Argument(0).String()) > maxParsed {
			r.throwf("JSON.parse: more than %d levels", maxParsed)
		}
		return r.must(original(call.This, call.Arguments...))
	}))
}

func depthOfJSON(text string) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}

// boundTexts bounds the functions that make long texts in one step.
func boundTexts(r *run) {
	proto := r.prototype("String")
	r.bound(proto, "repeat", func(this goja.Value, args []goja.Value) float64 {
		return float64(len(this.String())) * number(args, 0)
	})
	for _, name := range []string{"padStart", "padEnd"} {
		r.bound(proto, name, func(_ goja.Value, args []goja.Value) float64 { return number(args, 0) })
	}
}

// boundArrays bounds the functions that go through an array's whole length in one step, also where it has nothing.
func boundArrays(r *run) {
	proto := r.prototype("Array")
	for _, name := range []string{"fill", "join", "toString", "concat", "reverse", "sort", "indexOf", "lastIndexOf", "splice", "slice"} {
		r.bound(proto, name, func(this goja.Value, _ []goja.Value) float64 {
			if length := this.ToObject(r.rt).Get("length"); length != nil {
				return length.ToFloat()
			}
			return 0
		})
	}
}

// bound replaces a built-in function by one that refuses results or arrays over the limit.
func (r *run) bound(proto *goja.Object, name string, size func(this goja.Value, args []goja.Value) float64) {
	original, _ := goja.AssertFunction(proto.Get(name))
	most := float64(r.engine.options.MaxText)
	r.check(proto.Set(name, func(call goja.FunctionCall) goja.Value {
		if size(call.This, call.Arguments) > most {
			r.throwf("%s: more than %d characters or elements", name, r.engine.options.MaxText)
		}
		return r.must(original(call.This, call.Arguments...))
	}))
}

func number(args []goja.Value, at int) float64 {
	if at >= len(args) {
		return 0
	}
	return args[at].ToFloat()
}
