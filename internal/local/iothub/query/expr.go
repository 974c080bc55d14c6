package query

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// expr gives a value for a document: undefined, nil, a bool, a string, a number, an array or an object.
type expr interface {
	eval(document map[string]any) any
}

// missing is the type of undefined, the value of what a document does not have.
type missing struct{}

// undefined is neither true nor false, and what is computed from it is undefined too.
var undefined = missing{}

type path []string

func (p path) eval(document map[string]any) any {
	var value any = document
	for i, name := range p {
		if i == 0 {
			name = memberOf(document, name)
		}
		object, ok := value.(map[string]any)
		if !ok {
			return undefined
		}
		if value, ok = object[name]; !ok {
			return undefined
		}
	}
	return value
}

// memberOf is a member's name as the document writes it.
func memberOf(document map[string]any, name string) string {
	if _, exact := document[name]; exact {
		return name
	}
	for member := range document {
		if strings.EqualFold(member, name) {
			return member
		}
	}
	return name
}

type literal struct{ value any }

func (l literal) eval(map[string]any) any { return l.value }

// anyOf is true when one is, false when all are.
type anyOf []expr

func (a anyOf) eval(document map[string]any) any {
	var result any = false
	for _, e := range a {
		switch e.eval(document) {
		case true:
			return true
		case false:
		default:
			result = undefined
		}
	}
	return result
}

// allOf is true when all are, false when one is.
type allOf []expr

func (a allOf) eval(document map[string]any) any {
	var result any = true
	for _, e := range a {
		switch e.eval(document) {
		case true:
		case false:
			return false
		default:
			result = undefined
		}
	}
	return result
}

// inverse is NOT; what is no truth value stays none.
type inverse struct{ inner expr }

func (n inverse) eval(document map[string]any) any {
	value, ok := n.inner.eval(document).(bool)
	if !ok {
		return undefined
	}
	return !value
}

// member is IN.
type member struct {
	left  expr
	array []any
}

func (m member) eval(document map[string]any) any {
	value := m.left.eval(document)
	if value == undefined {
		return undefined
	}
	for _, item := range m.array {
		if order, ok := compare(value, item); ok && order == 0 {
			return true
		}
	}
	return false
}

type comparison struct {
	left, right expr
	operator    string
}

func (c comparison) eval(document map[string]any) any {
	order, ok := compare(c.left.eval(document), c.right.eval(document))
	if !ok {
		return undefined
	}
	switch c.operator {
	case "=":
		return order == 0
	case "!=", "<>":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// compare orders two values of the same simple type. Objects and arrays are not compared (read).
func compare(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case nil:
		return 0, b == nil
	case bool:
		b, ok := b.(bool)
		return truthOrder(a) - truthOrder(b), ok
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	}
	x, ok1 := numberOf(a)
	y, ok2 := numberOf(b)
	if !ok1 || !ok2 {
		return 0, false
	}
	i, err1 := strconv.ParseInt(string(x), 10, 64)
	j, err2 := strconv.ParseInt(string(y), 10, 64)
	if err1 == nil && err2 == nil {
		return cmp.Compare(i, j), true
	}
	return cmp.Compare(floatOf(x), floatOf(y)), true
}

func truthOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// numberOf writes a number of a document as JSON does.
func numberOf(value any) (json.Number, bool) {
	switch n := value.(type) {
	case json.Number:
		return n, true
	case int:
		return json.Number(strconv.Itoa(n)), true
	case int64:
		return json.Number(strconv.FormatInt(n, 10)), true
	case float64:
		return json.Number(strconv.FormatFloat(n, 'g', -1, 64)), true
	}
	return "", false
}

// floatOf is infinite for what is too large.
func floatOf(n json.Number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}
