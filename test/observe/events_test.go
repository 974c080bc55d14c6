package observe

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azx/test/process"
)

// TestEveryLineOfTheLogHasAnEventThatTheDocumentLists looks at the connector's code: the local hub and platform have logs
// for those who develop.
func TestEveryLineOfTheLogHasAnEventThatTheDocumentLists(t *testing.T) {
	found := eventsOfCode(t)
	if len(found) < 40 {
		t.Fatalf("only %d events are found in the code: does this test still know how it logs?", len(found))
	}
	listed := eventsOfDocument(t)
	for _, event := range slices.Sorted(maps.Keys(found)) {
		if !listed[event] {
			t.Errorf("%s: event=%s is not in docs/observe.md", found[event], event)
		}
	}
	for event := range listed {
		if found[event] == "" {
			t.Errorf("docs/observe.md lists event=%s, which no code has", event)
		}
	}
}

func eventsOfDocument(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/observe.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !ok {
		t.Fatal("docs/observe.md has no section Events")
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		if listed[row[1]] {
			t.Errorf("docs/observe.md lists event=%s twice", row[1])
		}
		listed[row[1]] = true
	}
	return listed
}

// eventsOfCode returns the events of the connector's code with a place where each is used.
func eventsOfCode(t *testing.T) map[string]string {
	t.Helper()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string][]string{}
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err == nil && d.IsDir() && (d.Name() == "local" || d.Name() == "testdata"):
				return fs.SkipDir
			case err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				folders[filepath.Dir(path)] = append(folders[filepath.Dir(path)], path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]string{}
	for _, files := range folders {
		p := pkg{t: t, set: token.NewFileSet(), found: found}
		for _, file := range files {
			tree, err := parser.ParseFile(p.set, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			p.files = append(p.files, tree)
		}
		p.look()
	}
	return found
}

// pkg is the code of one folder.
type pkg struct {
	t     *testing.T
	set   *token.FileSet
	files []*ast.File
	found map[string]string
}

func (p *pkg) look() {
	for _, file := range p.files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && isLog(call) {
					p.event(fn, call)
				}
				return true
			})
		}
	}
}

// isLog reports whether a call writes a line: a method such as Warn of something whose name ends with log.
func isLog(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Debug", "Info", "Warn", "Error", "Log", "LogAttrs"}, method.Sel.Name) {
		return false
	}
	switch on := method.X.(type) {
	case *ast.Ident:
		return strings.HasSuffix(strings.ToLower(on.Name), "log")
	case *ast.SelectorExpr:
		return strings.HasSuffix(strings.ToLower(on.Sel.Name), "log")
	}
	return false
}

// event takes the event of a line: a text, or a parameter of the function that has the line, and then it is what the
// function is called with.
func (p *pkg) event(fn *ast.FuncDecl, call *ast.CallExpr) {
	value := eventOf(call)
	if name, ok := value.(*ast.Ident); ok {
		at := parameter(fn, name.Name)
		if at < 0 {
			p.t.Errorf("%s: the event is neither a text nor a parameter of %s", p.set.Position(call.Pos()), fn.Name.Name)
			return
		}
		p.ofCallers(fn.Name.Name, at)
		return
	}
	p.note(value, call)
}

func (p *pkg) ofCallers(function string, at int) {
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == function && len(call.Args) > at && !isLog(call) {
				p.note(call.Args[at], call)
			}
			return true
		})
	}
}

func (p *pkg) note(value ast.Expr, call *ast.CallExpr) {
	event, ok := text(value)
	if !ok {
		p.t.Errorf("%s: the line has no event", p.set.Position(call.Pos()))
		return
	}
	if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(event) {
		p.t.Errorf("%s: %q is not words with - between them", p.set.Position(call.Pos()), event)
	}
	position := p.set.Position(call.Pos())
	p.found[event] = fmt.Sprintf("%s:%d", position.Filename, position.Line)
}

// eventOf is the argument behind the key event, here or in an attribute.
func eventOf(call *ast.CallExpr) ast.Expr {
	for i, arg := range call.Args {
		if key, ok := text(arg); ok && key == "event" && i+1 < len(call.Args) {
			return call.Args[i+1]
		}
		if attr, ok := arg.(*ast.CallExpr); ok && len(attr.Args) == 2 {
			if key, ok := text(attr.Args[0]); ok && key == "event" {
				return attr.Args[1]
			}
		}
	}
	return nil
}

func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// parameter is which parameter of a function has a name; -1 if none has.
func parameter(fn *ast.FuncDecl, name string) int {
	at := 0
	for _, field := range fn.Type.Params.List {
		for _, n := range field.Names {
			if n.Name == name {
				return at
			}
			at++
		}
	}
	return -1
}
