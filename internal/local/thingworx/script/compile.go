package script

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
)

// Bounds of code. The parser calls itself for every level, and takes a time that grows with the square of the
// length of one expression, so that both are looked at before it starts.
const (
	maxCode     = 256 << 10 // bytes
	maxNesting  = 500       // brackets and braces inside each other
	maxChain    = 2000      // operators in one expression
	maxVariants = 16        // sets of parameters that one program is kept compiled for
)

// tail returns the result of code that does not end with a return statement. The line break ends a comment on the
// code's last line.
const tail = "\n;return typeof result==='undefined'?undefined:result})"

// Program is the compiled code of one service or subscription. It is safe for concurrent use.
type Program struct {
	name, code string
	declared   map[string]bool // names that the code declares at its top level with let, const or class; set by Compile
	preludes   []prelude

	mu       sync.Mutex
	variants map[string]*goja.Program // by parameter names, separated by commas
}

// Name returns the name that the program was compiled with.
func (p *Program) Name() string { return p.name }

// Compile reads a service's code. name is what errors call it, such as Things/Pump/Services/Start. The error is a
// *SyntaxError with the place in code. A return statement is accepted only as the last statement of all; elsewhere
// the platform would refuse the service.
func Compile(name, code string) (*Program, error) {
	p := &Program{name: name, code: code, variants: map[string]*goja.Program{}}
	if err := p.checkBounds(); err != nil {
		return nil, err
	}
	if _, err := p.variant("me"); err != nil {
		return nil, err
	}
	p.preludes = preludesFor(code)
	return p, nil
}

func (p *Program) syntaxError(line, column int, reason string) *SyntaxError {
	return &SyntaxError{Service: p.name, Line: line, Column: column, Reason: reason}
}

// checkBounds counts brackets and operators, also those in texts and comments: hardly any has hundreds of brackets
// without their partners, or thousands of operators without a comma, a semicolon or a brace between them.
func (p *Program) checkBounds() error {
	if len(p.code) > maxCode {
		return p.syntaxError(0, 0, fmt.Sprintf("the code has %d bytes, more than %d", len(p.code), maxCode))
	}
	depth, chain, line, start := 0, 0, 1, 0
	var before byte
	for i := range len(p.code) {
		c := p.code[i]
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		case '+', '-', '*', '/', '%', '&', '|', '^', '?', ':', '=', '<', '>', '!', '~':
			if c != before { // a line of dashes in a comment is one
				chain++
			}
		case '\n':
			line, start = line+1, i+1
		}
		if c == ';' || c == ',' || c == '{' || c == '}' {
			chain = 0
		}
		before = c
		if depth > maxNesting || chain > maxChain {
			return p.syntaxError(line, i-start+1, "the code is nested too deeply, or an expression is too long")
		}
	}
	return nil
}

// variant returns the program as a function of these parameters. Parameters are real ones, so that
// `var x = x || 5` keeps what was given.
func (p *Program) variant(names string) (*goja.Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if compiled := p.variants[names]; compiled != nil {
		return compiled, nil
	}
	head := "(function(" + names + "){"
	parsed, body, err := p.parse(head)
	if err != nil {
		return nil, err
	}
	if err := p.checkReturns(body, len(head)); err != nil {
		return nil, err
	}
	if p.declared == nil {
		p.declared = declaredNames(body)
	}
	compiled, err := goja.CompileAST(parsed, false)
	if err != nil {
		return nil, p.compilerError(err, len(head))
	}
	if len(p.variants) < maxVariants {
		p.variants[names] = compiled
	}
	return compiled, nil
}

// parse returns the whole program and the function in it that has the code.
func (p *Program) parse(head string) (*ast.Program, *ast.FunctionLiteral, error) {
	parsed, err := parser.ParseFile(nil, p.name, head+p.code+tail, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, nil, p.parserError(err, len(head))
	}
	end := file.Idx(len(head) + len(p.code) + len(tail) - 1) // of the brace that closes the function, counted from 1
	if len(parsed.Body) == 1 {
		if statement, ok := parsed.Body[0].(*ast.ExpressionStatement); ok {
			if body, ok := statement.Expression.(*ast.FunctionLiteral); ok && body.Body.RightBrace == end {
				return parsed, body, nil
			}
		}
	}
	return nil, nil, p.parserError(errors.New("a bracket or brace closes more than the code opens"), len(head))
}

// parserError gives the place in the code itself, as it is without what surrounds it. If only the surrounded code
// is wrong, its place is moved.
func (p *Program) parserError(err error, head int) error {
	if _, own := parser.ParseFile(nil, p.name, p.code, 0, parser.WithDisableSourceMaps); own != nil {
		if first := firstError(own); first != nil {
			return p.syntaxError(first.Position.Line, first.Position.Column, hinted(p.code, first))
		}
	}
	if first := firstError(err); first != nil {
		line, column := moved(first.Position, head)
		return p.syntaxError(line, column, first.Message)
	}
	return p.syntaxError(0, 0, err.Error())
}

// firstError returns the first error that is not about a return statement outside a function.
func firstError(err error) *parser.Error {
	var list parser.ErrorList
	if !errors.As(err, &list) {
		return nil
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Message, "Illegal return") {
			return e
		}
	}
	return nil
}

// hinted adds what helps with code of the platform's own, older engine.
func hinted(code string, e *parser.Error) string {
	lines := strings.Split(code, "\n")
	if n := e.Position.Line; n >= 1 && n <= len(lines) && strings.Contains(lines[n-1], "for each") {
		return e.Message + ": `for each` is not supported; loop with an index over t.rows"
	}
	return e.Message
}

func (p *Program) compilerError(err error, head int) error {
	var syntax *goja.CompilerSyntaxError
	if errors.As(err, &syntax) && syntax.File != nil {
		line, column := moved(syntax.File.Position(syntax.Offset), head)
		return p.syntaxError(line, column, syntax.Message)
	}
	return p.syntaxError(0, 0, err.Error())
}

// moved takes what stands before the code on its first line off a position.
func moved(at file.Position, head int) (line, column int) {
	if at.Line == 1 {
		return 1, max(1, at.Column-head)
	}
	return at.Line, at.Column
}

// declaredNames are names that may not be parameters as well. They hide parameters of the same name anyway.
func declaredNames(body *ast.FunctionLiteral) map[string]bool {
	names := map[string]bool{}
	for _, statement := range body.Body.List {
		switch s := statement.(type) {
		case *ast.LexicalDeclaration:
			for _, b := range s.List {
				if id, ok := b.Target.(*ast.Identifier); ok {
					names[id.Name.String()] = true
				}
			}
		case *ast.ClassDeclaration:
			if s.Class.Name != nil {
				names[s.Class.Name.Name.String()] = true
			}
		}
	}
	return names
}

// isIdentifier reports whether a variable can have a name.
func isIdentifier(name string) bool {
	for i, r := range name {
		if !unicode.IsLetter(r) && r != '_' && r != '$' && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

// isVariable reports whether a parameter can be a variable of the program. Others, such as one called x-y, exist,
// but no code can name them.
func (p *Program) isVariable(name string) bool {
	return name != "me" && !p.declared[name] && isIdentifier(name) && !reserved[name]
}

// reserved are the words that cannot be a parameter's name.
var reserved = map[string]bool{
	"break": true, "case": true, "catch": true, "class": true, "const": true, "continue": true, "debugger": true,
	"default": true, "delete": true, "do": true, "else": true, "enum": true, "export": true, "extends": true,
	"false": true, "finally": true, "for": true, "function": true, "if": true, "import": true, "in": true,
	"instanceof": true, "new": true, "null": true, "return": true, "super": true, "switch": true, "this": true,
	"throw": true, "true": true, "try": true, "typeof": true, "var": true, "void": true, "while": true, "with": true,
	"await": true, "yield": true, "let": true, "static": true, "implements": true, "interface": true,
	"package": true, "private": true, "protected": true, "public": true, "eval": true, "arguments": true,
}
