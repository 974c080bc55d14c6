package script

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/token"
)

// Finding is a place in a service's code that works here, but not, or not for sure, on every platform.
type Finding struct {
	Line, Column int // from 1
	Text         string
}

// Lint finds what the platform's JavaScript engine (Rhino 1.7.11) may not run: everything newer than ES5, and throws
// of what is no Error. Code that does not compile has no findings: Compile says what is wrong.
func Lint(code string) []Finding {
	p := &Program{code: code}
	if p.checkBounds() != nil {
		return nil
	}
	const head = "(function(){"
	parsed, err := parser.ParseFile(nil, "", head+code+tail, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil
	}
	var all []Finding
	walk(reflect.ValueOf(parsed.Body), func(n ast.Node) {
		if text := complaint(n); text != "" {
			line, column := p.place(n.Idx0(), len(head))
			all = append(all, Finding{line, column, text})
		}
	})
	slices.SortFunc(all, func(a, b Finding) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Text, b.Text)) })
	return slices.Compact(all)
}

// complaint says what is wrong with a node; "" if nothing is.
func complaint(n ast.Node) string {
	switch n := n.(type) {
	case *ast.LexicalDeclaration:
		return fmt.Sprintf("use var instead of %s", n.Token)
	case *ast.ForDeclaration, *ast.ForLoopInitializerLexicalDecl:
		return "use var instead of let and const"
	case *ast.ArrowFunctionLiteral:
		return "use function instead of an arrow function"
	case *ast.ClassLiteral:
		return "classes are newer than ES5"
	case *ast.TemplateLiteral:
		return "use + instead of a template literal"
	case *ast.SpreadElement:
		return "the spread operator is newer than ES5"
	case *ast.ObjectPattern, *ast.ArrayPattern:
		return "destructuring is newer than ES5"
	case *ast.ForOfStatement:
		return "for...of is newer than ES5: loop with an index"
	case *ast.OptionalChain:
		return "?. is newer than ES5"
	case *ast.YieldExpression, *ast.AwaitExpression:
		return "generators and async functions are newer than ES5"
	case *ast.PropertyShort:
		return "write the name and the value of every property"
	case *ast.ParameterList:
		return parameterComplaint(n)
	case *ast.BinaryExpression:
		if n.Operator == token.EXPONENT || n.Operator == token.COALESCE {
			return fmt.Sprintf("%s is newer than ES5", n.Operator)
		}
	case *ast.ThrowStatement:
		switch n.Argument.(type) {
		case *ast.StringLiteral, *ast.ObjectLiteral, *ast.NumberLiteral, *ast.TemplateLiteral:
			return "throw an Error"
		}
	}
	return ""
}

func parameterComplaint(list *ast.ParameterList) string {
	if list.Rest != nil {
		return "rest parameters are newer than ES5"
	}
	for _, b := range list.List {
		if b.Initializer != nil {
			return "default parameters are newer than ES5"
		}
	}
	return ""
}

// walk visits every node below v, in no order. Declarations that the parser lists twice are visited twice.
func walk(v reflect.Value, visit func(ast.Node)) {
	switch v.Kind() {
	case reflect.Interface:
		walk(v.Elem(), visit)
	case reflect.Pointer:
		if v.IsNil() || v.Type() == reflect.TypeFor[*file.File]() {
			return
		}
		if n, ok := v.Interface().(ast.Node); ok {
			visit(n)
		}
		walk(v.Elem(), visit)
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), visit)
			}
		}
	}
}
