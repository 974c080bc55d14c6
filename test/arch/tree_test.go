package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// tree is the source of a module, parsed.
type tree struct {
	fset  *token.FileSet
	files []*file
	texts map[string]string // go.mod and docs/dependencies.md
}

// file is one Go file of the tree.
type file struct {
	path  string // slash-separated, from the root of the module
	dir   string // of path
	test  bool   // a _test.go file, or any file below test/
	lines int
	*ast.File
}

// parseTree reads the module in fsys. Folders named testdata, vendor or node_modules and those that
// start with a dot or an underscore are left out, as the go command does.
func parseTree(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), texts: map[string]string{}}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skip(name)
		case path.Ext(name) == ".go", name == "go.mod", name == "docs/dependencies.md":
			return t.add(fsys, name)
		}
		return nil
	})
	return t, err
}

func skip(dir string) error {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base == "node_modules" || dir != "." && strings.ContainsAny(base[:1], "._") {
		return fs.SkipDir
	}
	return nil
}

func (t *tree) add(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if path.Ext(name) != ".go" {
		t.texts[name] = string(text)
		return nil
	}
	parsed, err := parser.ParseFile(t.fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	t.files = append(t.files, &file{
		path: name, dir: path.Dir(name), File: parsed, lines: strings.Count(string(text), "\n"),
		test: strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/"),
	})
	return nil
}

// shipped are the files that are not tests.
func (t *tree) shipped() []*file {
	var files []*file
	for _, f := range t.files {
		if !f.test {
			files = append(files, f)
		}
	}
	return files
}

// packages gives the files that are not _test.go by their folder.
func (t *tree) packages() map[string][]*file {
	all := map[string][]*file{}
	for _, f := range t.files {
		if !strings.HasSuffix(f.path, "_test.go") {
			all[f.dir] = append(all[f.dir], f)
		}
	}
	return all
}

// at is the place of a node: "file:line".
func (t *tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// span is the number of lines of a node.
func (t *tree) span(n ast.Node) int {
	return t.fset.Position(n.End()).Line - t.fset.Position(n.Pos()).Line + 1
}

// each calls visit with every node of every file.
func each(files []*file, visit func(f *file, n ast.Node)) {
	for _, f := range files {
		ast.Inspect(f.File, func(n ast.Node) bool {
			if n != nil {
				visit(f, n)
			}
			return true
		})
	}
}

// imports gives the paths that a file imports.
func (f *file) imports() []string {
	var paths []string
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// called is the name of a called function as it is written: "time.Sleep", "t.Skip"; "" if it has none.
func called(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	return dotted(call.Fun)
}

func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if left := dotted(e.X); left != "" {
			return left + "." + e.Sel.Name
		}
	}
	return ""
}

// sorted puts violations in order and leaves repeats out.
func sorted(violations []string) []string {
	sort.Strings(violations)
	var once []string
	for i, v := range violations {
		if i == 0 || v != violations[i-1] {
			once = append(once, v)
		}
	}
	return once
}
