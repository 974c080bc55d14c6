package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

func packagesHaveAComment(t *tree) []string {
	var broken []string
	for dir, files := range t.packages() {
		name, comments := files[0].Name.Name, 0
		for _, f := range files {
			if f.Doc == nil {
				continue
			}
			comments++
			if text := f.Doc.Text(); !strings.HasPrefix(text, "Package "+name+" ") && !strings.HasPrefix(text, "Command ") {
				broken = append(broken, fmt.Sprintf("%s: the package comment does not start with \"Package %s\"", f.path, name))
			}
		}
		if comments != 1 {
			broken = append(broken, fmt.Sprintf("%s has %d package comments", dir, comments))
		}
	}
	return broken
}

func packageNamesMeanSomething(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		for _, name := range []string{f.Name.Name, path.Base(f.dir)} {
			if slices.Contains(forbiddenPackages, name) {
				broken = append(broken, fmt.Sprintf("%s: %s says nothing", f.dir, name))
			}
		}
	}
	return broken
}

// exportedNamesAreDocumented counts functions, methods of exported types, types, their interfaces'
// methods, constants and variables. A comment above a group counts for all in it, one at the end of a
// line for that line. Struct fields are not counted: many explain themselves.
func exportedNamesAreDocumented(t *tree) []string {
	var bare []string
	total := 0
	for _, f := range t.shipped() {
		if f.Name.Name == "main" {
			continue
		}
		for _, d := range f.Decls {
			names, undocumented := exported(t, d)
			total += names
			bare = append(bare, undocumented...)
		}
	}
	if float64(len(bare)) <= (1-documented)*float64(total) {
		return nil
	}
	return append(bare, fmt.Sprintf("%d of %d exported names have no comment, the budget is %.0f %%", len(bare), total, 100*(1-documented)))
}

// exported counts the exported names of a declaration and lists those without a comment.
func exported(t *tree, d ast.Decl) (total int, bare []string) {
	count := func(n ast.Node, name string, documented bool) {
		total++
		if !documented {
			bare = append(bare, t.at(n)+" "+name)
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) {
			count(d, d.Name.Name, d.Doc != nil)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			exportedSpec(spec, d.Doc != nil, count)
		}
	}
	return total, bare
}

func exportedSpec(spec ast.Spec, group bool, count func(n ast.Node, name string, documented bool)) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		count(s, s.Name.Name, group || s.Doc != nil || s.Comment != nil)
		if i, ok := s.Type.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				for _, name := range m.Names {
					count(m, s.Name.Name+"."+name.Name, m.Doc != nil || m.Comment != nil)
				}
			}
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() {
				count(s, name.Name, group || s.Doc != nil || s.Comment != nil)
			}
		}
	}
}

// exportedReceiver reports whether a function is none of a type's methods, or one of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch r := e.(type) {
		case *ast.StarExpr:
			e = r.X
		case *ast.IndexExpr:
			e = r.X
		case *ast.IndexListExpr:
			e = r.X
		case *ast.Ident:
			return r.IsExported()
		default:
			return false
		}
	}
}
