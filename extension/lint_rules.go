package extension

import (
	"slices"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"
)

// Names of the standard library that ES5 does not have. The engine of a real platform has some of them, so a script would
// run there and not elsewhere, or the other way round.
var (
	newerGlobals = []string{"Promise", "Map", "Set", "WeakMap", "WeakSet", "Symbol", "Proxy", "Reflect", "BigInt", "globalThis"}
	newerStatics = []string{"Object.assign", "Object.values", "Object.entries", "Object.fromEntries", "Object.is", "Array.from", "Array.of",
		"Number.isInteger", "Number.isFinite", "Number.isNaN", "Number.isSafeInteger", "Number.parseFloat", "Number.parseInt",
		"Math.trunc", "Math.sign", "Math.log2", "Math.log10", "Math.hypot", "Math.cbrt", "String.raw", "String.fromCodePoint"}
	newerMethods = []string{"includes", "startsWith", "endsWith", "padStart", "padEnd", "repeat", "find", "findIndex", "findLast", "fill",
		"flat", "flatMap", "codePointAt", "normalize", "matchAll", "replaceAll", "trimStart", "trimEnd", "copyWithin"}
)

// rules are those of this project: what keeps a script the same on every platform, and in its bounds.
func (l *linter) rules(n ast.Node) {
	switch n := n.(type) {
	case *ast.ThrowStatement:
		l.checkThrow(n)
	case *ast.WhileStatement:
		l.checkLoop(n, n.Test)
	case *ast.DoWhileStatement:
		l.checkLoop(n, n.Test)
	case *ast.ForStatement:
		l.checkLoop(n, n.Test)
	case *ast.DebuggerStatement:
		l.report(n, "debugger does not belong into a script that ships")
	case *ast.WithStatement:
		l.report(n, "with hides which names are meant")
	case *ast.FunctionLiteral:
		l.bodies[n.Body] = true
	case *ast.BlockStatement:
		l.checkBlock(n)
	case *ast.AssignExpression:
		l.checkAssign(n)
	case *ast.Binding:
		l.assigns = l.assigns || isName(n.Target, "result") && n.Initializer != nil
	case *ast.Identifier:
		if slices.Contains(newerGlobals, n.Name.String()) {
			l.report(n, "%s is not in the library of ES5", n.Name)
		}
	case *ast.CallExpression:
		l.checkCall(n)
	case *ast.DotExpression, *ast.BracketExpression:
		l.checkMe(n.(ast.Expression))
	}
}

// checkThrow lets errors through, and those that were caught. Anything else loses its text on the way to the caller.
func (l *linter) checkThrow(n *ast.ThrowStatement) {
	switch what := n.Argument.(type) {
	case *ast.NewExpression:
		if callee, ok := what.Callee.(*ast.Identifier); ok && strings.HasSuffix(callee.Name.String(), "Error") {
			return
		}
	case *ast.Identifier:
		if slices.Contains(l.caught, what.Name.String()) {
			return
		}
	}
	l.report(n, "throw of something that is not an Error; write throw new Error(text)")
}

// checkLoop finds loops that only a break can end.
func (l *linter) checkLoop(n ast.Node, test ast.Expression) {
	endless := test == nil
	switch test := test.(type) {
	case *ast.BooleanLiteral:
		endless = test.Value
	case *ast.NumberLiteral:
		endless = test.Literal != "0"
	case *ast.UnaryExpression: // !0
		_, literal := test.Operand.(*ast.NumberLiteral)
		endless = test.Operator == token.NOT && literal
	}
	if endless {
		l.report(n, "a loop without an end of its own; count its turns")
	}
}

// checkBlock finds function declarations inside of blocks, which engines treat differently.
func (l *linter) checkBlock(n *ast.BlockStatement) {
	if l.bodies[n] {
		return
	}
	for _, s := range n.List {
		if f, ok := s.(*ast.FunctionDeclaration); ok {
			l.report(f, "a function is declared inside of a block; declare it outside, or assign it to a variable")
		}
	}
}

func (l *linter) checkAssign(n *ast.AssignExpression) {
	l.assigns = l.assigns || isName(n.Left, "result")
	if member, ok := n.Left.(*ast.DotExpression); ok && strings.Contains(dotted(member), ".prototype.") {
		l.report(n, "built-in prototypes are frozen on a platform")
	}
}

func (l *linter) checkCall(n *ast.CallExpression) {
	callee, ok := n.Callee.(*ast.DotExpression)
	if !ok {
		return
	}
	name, method := dotted(callee), callee.Identifier.Name.String()
	if slices.Contains(newerStatics, name) || slices.Contains(newerMethods, method) {
		l.report(n, "%s is not in the library of ES5", strings.TrimPrefix(name, "."))
	}
}

// checkMe finds Things["Name"] where Name is the Thing that the script runs as.
func (l *linter) checkMe(n ast.Expression) {
	var left ast.Expression
	var name string
	switch n := n.(type) {
	case *ast.DotExpression:
		left, name = n.Left, n.Identifier.Name.String()
	case *ast.BracketExpression:
		if literal, ok := n.Member.(*ast.StringLiteral); ok {
			left, name = n.Left, literal.Value.String()
		}
	}
	if left != nil && isName(left, "Things") && slices.Contains(l.me, name) {
		l.report(n, "the script names the Thing %q that it runs as; write me", name)
	}
}

func isName(e ast.Expression, name string) bool {
	id, ok := e.(*ast.Identifier)
	return ok && id.Name.String() == name
}

// dotted is the text of a.b.c; parts that are no names are left out.
func dotted(e ast.Expression) string {
	switch e := e.(type) {
	case *ast.Identifier:
		return e.Name.String()
	case *ast.DotExpression:
		return dotted(e.Left) + "." + e.Identifier.Name.String()
	}
	return ""
}
