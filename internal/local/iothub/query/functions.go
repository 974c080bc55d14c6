package query

import "strings"

// known is a function of the language. Only IS_DEFINED is documented for twins. A real hub also takes STARTSWITH, but not
// STARTS_WITH and CONTAINS as routes have them (read: azure-docs#105649, #110329); for the type tests it is unknown.
type known struct {
	arguments int
	apply     func(arguments []any) any
}

type call struct {
	function  func(arguments []any) any
	arguments []expr
}

func (c call) eval(document map[string]any) any {
	values := make([]any, len(c.arguments))
	for i, e := range c.arguments {
		values[i] = e.eval(document)
	}
	return c.function(values)
}

func function(name string) (known, bool) {
	switch name {
	case "startswith":
		return known{2, texts(strings.HasPrefix)}, true
	case "endswith":
		return known{2, texts(strings.HasSuffix)}, true
	}
	is := typeTest(name)
	return known{1, func(arguments []any) any { return is(arguments[0]) }}, is != nil
}

// typeTest finds a function that asks for the type of a value.
func typeTest(name string) func(any) bool {
	switch name {
	case "is_defined":
		return func(v any) bool { return v != any(undefined) }
	case "is_null":
		return func(v any) bool { return v == nil }
	case "is_bool":
		return is[bool]
	case "is_number":
		return func(v any) bool { _, ok := numberOf(v); return ok }
	case "is_string":
		return is[string]
	case "is_array":
		return is[[]any]
	case "is_object":
		return is[map[string]any]
	case "is_primitive":
		return func(v any) bool { return v != any(undefined) && !is[[]any](v) && !is[map[string]any](v) }
	}
	return nil
}

func is[T any](value any) bool {
	_, ok := value.(T)
	return ok
}

// texts makes a function of two texts.
func texts(of func(a, b string) bool) func(arguments []any) any {
	return func(arguments []any) any {
		a, ok1 := arguments[0].(string)
		b, ok2 := arguments[1].(string)
		if !ok1 || !ok2 {
			return undefined
		}
		return of(a, b)
	}
}
