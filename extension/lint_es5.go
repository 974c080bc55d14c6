package extension

import (
	"math/big"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"
)

// newerThanES5 names what a node is if ES5 does not have it, "" if it does. A few things leave no trace in the tree, such as
// a comma behind the last parameter: acorn finds those in test/conformance.
func newerThanES5(n ast.Node) string {
	switch n := n.(type) {
	case *ast.ArrowFunctionLiteral:
		return "an arrow function"
	case *ast.ClassLiteral:
		return "a class"
	case *ast.TemplateLiteral:
		return "a template string"
	case *ast.SpreadElement:
		return "a spread"
	case *ast.LexicalDeclaration, *ast.ForLoopInitializerLexicalDecl, *ast.ForDeclaration:
		return "let or const"
	case *ast.ForOfStatement:
		return "for of"
	case *ast.ArrayPattern, *ast.ObjectPattern:
		return "destructuring"
	case *ast.ParameterList:
		return newerParameters(n)
	case *ast.PropertyShort:
		return "a property without a value"
	case *ast.PropertyKeyed:
		if n.Computed || n.Kind == ast.PropertyKindMethod {
			return "a computed property or a method in an object"
		}
	case *ast.OptionalChain, *ast.Optional:
		return "?."
	case *ast.CatchStatement:
		if n.Parameter == nil {
			return "catch without a name for the error"
		}
	default:
		return newerOperators(n)
	}
	return ""
}

func newerParameters(n *ast.ParameterList) string {
	if n.Rest != nil {
		return "a rest parameter"
	}
	for _, p := range n.List {
		if p.Initializer != nil {
			return "a default value of a parameter"
		}
	}
	return ""
}

func newerOperators(n ast.Node) string {
	switch n := n.(type) {
	case *ast.FunctionLiteral:
		if n.Async || n.Generator {
			return "an async function or a generator"
		}
	case *ast.YieldExpression, *ast.AwaitExpression:
		return "yield or await"
	case *ast.SuperExpression, *ast.MetaProperty, *ast.PrivateDotExpression, *ast.ClassStaticBlock:
		return "super, new.target or a private name"
	case *ast.BinaryExpression:
		if n.Operator == token.EXPONENT || n.Operator == token.COALESCE {
			return "the operator " + n.Operator.String()
		}
	case *ast.AssignExpression:
		if n.Operator == token.EXPONENT || n.Operator == token.COALESCE || n.Operator == token.LOGICAL_AND || n.Operator == token.LOGICAL_OR {
			return "the operator " + n.Operator.String() + "="
		}
	case *ast.NumberLiteral, *ast.StringLiteral, *ast.RegExpLiteral:
		return newerLiterals(n)
	}
	return ""
}

func newerLiterals(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NumberLiteral:
		text := strings.ToLower(n.Literal)
		_, isBig := n.Value.(*big.Int)
		switch {
		case isBig || strings.ContainsAny(text, "_n"):
			return "the number " + n.Literal
		case len(text) > 1 && text[0] == '0' && strings.ContainsRune("bo0123456789", rune(text[1])):
			return "the binary or octal number " + n.Literal
		}
	case *ast.StringLiteral:
		if strings.Contains(n.Literal, `\u{`) {
			return `\u{ in a string`
		}
	case *ast.RegExpLiteral:
		if strings.Trim(n.Flags, "gim") != "" || strings.Contains(n.Pattern, "(?<") || strings.Contains(n.Pattern, `\p{`) {
			return "the regular expression " + n.Literal
		}
	}
	return ""
}
