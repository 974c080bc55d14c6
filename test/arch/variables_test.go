package arch

import (
	"cmp"
	"go/ast"
	"go/token"
	"strings"
)

// noMutablePackageVariables allows variables that are made once: errors, tables, compiled patterns. It
// refuses those without a value, those made by other functions, and those that the package assigns to.
// It cannot see a table changed through a pointer or by a function it is given to.
func noMutablePackageVariables(t *tree) []string {
	var broken []string
	for _, files := range byDir(t.shipped()) {
		variables := map[string]bool{}
		for _, f := range files {
			for _, spec := range variableSpecs(f) {
				if why := refusedVariable(spec); why != "" {
					broken = append(broken, t.at(spec)+" "+spec.Names[0].Name+" "+why)
				}
				for _, name := range spec.Names {
					variables[name.Name] = true
				}
			}
		}
		broken = append(broken, assigned(t, files, variables)...)
	}
	return broken
}

func byDir(files []*file) map[string][]*file {
	all := map[string][]*file{}
	for _, f := range files {
		all[f.dir] = append(all[f.dir], f)
	}
	return all
}

// variableSpecs gives the package-level variables of a file, without interface guards and embedded files.
func variableSpecs(f *file) []*ast.ValueSpec {
	var specs []*ast.ValueSpec
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			s := spec.(*ast.ValueSpec)
			if s.Names[0].Name != "_" && !isEmbedded(g.Doc) && !isEmbedded(s.Doc) {
				specs = append(specs, s)
			}
		}
	}
	return specs
}

func isEmbedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// refusedVariable says why a variable is not allowed at all; "" if it is.
func refusedVariable(s *ast.ValueSpec) string {
	if len(s.Values) == 0 {
		return "has no value: something must set it later"
	}
	for _, v := range s.Values {
		switch v := v.(type) {
		case *ast.CallExpr:
			if !constantCall(v) {
				return "is made by " + cmp.Or(dotted(v.Fun), "a call") + ", which test/arch does not know to be constant"
			}
		case *ast.UnaryExpr:
			if v.Op == token.AND {
				return "is a pointer: what it points to can change"
			}
		}
	}
	return ""
}

// constantCall reports whether a call makes something that nothing changes later: a known function, a
// function written on the spot to fill a table, or a conversion to a slice.
func constantCall(c *ast.CallExpr) bool {
	switch fn := c.Fun.(type) {
	case *ast.FuncLit, *ast.ArrayType:
		return true
	default:
		return initialisers[dotted(fn)]
	}
}

// assigned finds assignments to the given package-level variables.
func assigned(t *tree, files []*file, variables map[string]bool) []string {
	var broken []string
	each(files, func(f *file, n ast.Node) {
		var targets []ast.Expr
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = n.Lhs
			}
		case *ast.IncDecStmt:
			targets = []ast.Expr{n.X}
		case *ast.CallExpr:
			if name := dotted(n.Fun); (name == "delete" || name == "clear") && len(n.Args) > 0 {
				targets = n.Args[:1]
			}
		}
		for _, target := range targets {
			if id := root(target); id != nil && variables[id.Name] && isPackageLevel(f, id) {
				broken = append(broken, t.at(n)+" changes the package variable "+id.Name)
			}
		}
	})
	return broken
}

// root is the variable that an assignable expression starts with.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// isPackageLevel reports whether an identifier is not a local one: the parser resolves local names, and
// package-level ones of the same file; those of other files it leaves unresolved.
func isPackageLevel(f *file, id *ast.Ident) bool {
	if id.Obj == nil {
		return true
	}
	return f.Scope.Lookup(id.Name) == id.Obj
}
