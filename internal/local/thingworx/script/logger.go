package script

import (
	"strings"

	"github.com/dop251/goja"
)

// maxLogged bounds one line of a script's log, in bytes.
const maxLogged = 64 << 10

// loggerObject is the global logger.
func loggerObject(r *run) goja.Value {
	m := members{}
	for _, level := range []string{"trace", "debug", "info", "warn", "error"} {
		m[level] = method(func(r *run, call goja.FunctionCall) goja.Value {
			r.engine.host.Log(r.ctx, level, r.call.Logger, r.logged(call.Arguments))
			return goja.Undefined()
		})
	}
	return r.lazy(m, nil)
}

// logged puts the further arguments in place of the {} of the first. Those without a place are left out.
func (r *run) logged(args []goja.Value) string {
	if len(args) == 0 {
		return ""
	}
	var b strings.Builder
	rest := r.text(args[0])
	for _, arg := range args[1:] {
		before, after, found := strings.Cut(rest, "{}")
		if !found {
			break
		}
		b.WriteString(before)
		b.WriteString(r.text(arg))
		rest = after
	}
	b.WriteString(rest)
	if b.Len() > maxLogged {
		return strings.ToValidUTF8(b.String()[:maxLogged], "") + "..."
	}
	return b.String()
}

// text is a value for people: JSON for objects, which have no text of their own.
func (r *run) text(v goja.Value) string {
	object, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	if e := asEntity(object); e != nil {
		return e.of.Name()
	}
	if class := object.ClassName(); class == "Object" || class == "Array" {
		if own := object.String(); !strings.HasPrefix(own, "[object ") && class == "Object" {
			return own
		}
		if text, err := r.stringify(object); err == nil {
			return text
		}
	}
	return object.String()
}
