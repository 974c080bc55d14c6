package arch

import (
	"cmp"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

func noInit(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				broken = append(broken, t.at(fn)+" has an init function")
			}
		}
	}
	return broken
}

func goroutinesHaveAnOwner(t *tree) []string {
	var broken []string
	each(t.shipped(), func(f *file, n ast.Node) {
		if how := startsGoroutine(n); how != "" && goroutineFiles[f.path] == "" {
			broken = append(broken, t.at(n)+" starts a goroutine with "+how)
		}
	})
	return broken
}

// startsGoroutine tells a go statement, and a Go method with one argument such as those of
// sync.WaitGroup and errgroup.Group: supervise.Group.Go has two.
func startsGoroutine(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a go statement"
	case *ast.CallExpr:
		if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" && len(n.Args) == 1 {
			return cmp.Or(dotted(n.Fun), "a Go method")
		}
	}
	return ""
}

// leaksAreFound wants goleak in the tests of each package that starts goroutines, itself or in a supervise.Group.
func leaksAreFound(t *tree) []string {
	looks := map[string]bool{}
	each(t.files, func(f *file, n ast.Node) {
		if strings.HasPrefix(called(n), "goleak.Verify") {
			looks[f.dir] = true
		}
	})
	var broken []string
	for dir, files := range t.packages() {
		starts := ""
		each(files, func(_ *file, n ast.Node) {
			if starts == "" && (startsGoroutine(n) != "" || startsInGroup(n)) {
				starts = t.at(n)
			}
		})
		if starts != "" && !looks[dir] && leakFree[dir] == "" {
			broken = append(broken, starts+" starts a goroutine, and no test of its package looks for those that stay")
		}
	}
	return broken
}

// startsInGroup tells a Go method with two arguments, such as that of supervise.Group.
func startsInGroup(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return false
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Go"
}

// testsNeitherSkipNorSleep looks at all files: nothing that ships sleeps either.
func testsNeitherSkipNorSleep(t *tree) []string {
	var broken []string
	each(t.files, func(_ *file, n ast.Node) {
		name := called(n)
		parts := strings.Split(name, ".")
		method, receiver := parts[len(parts)-1], parts[max(0, len(parts)-2)]
		switch {
		case name == "time.Sleep", method == "SkipNow", method == "Skipf",
			method == "Skip" && slices.Contains([]string{"t", "b", "f", "tb"}, receiver):
			broken = append(broken, t.at(n)+" calls "+name)
		}
	})
	return broken
}

// errorsNameTheOperation looks at all texts but those that are searched for in others.
func errorsNameTheOperation(t *tree) []string {
	var broken []string
	searched := map[ast.Node]bool{}
	each(t.shipped(), func(_ *file, n ast.Node) {
		if strings.HasPrefix(called(n), "strings.") {
			for _, argument := range n.(*ast.CallExpr).Args {
				searched[argument] = true
			}
		}
		text, ok := n.(*ast.BasicLit)
		if ok && !searched[n] && text.Kind == token.STRING && strings.Contains(strings.ToLower(text.Value), "failed to") {
			broken = append(broken, t.at(n)+" says "+text.Value)
		}
	})
	return broken
}

func certificatesAreAlwaysVerified(t *tree) []string {
	var broken []string
	each(t.files, func(f *file, n ast.Node) {
		if id, ok := n.(*ast.Ident); ok && id.Name == "InsecureSkipVerify" && !planted(f) {
			broken = append(broken, t.at(n)+" has InsecureSkipVerify")
		}
	})
	return broken
}

// planted reports whether a file is compiled only with the build tag of a mutant: what it breaks is what tests have to find.
func planted(f *file) bool {
	return len(f.Comments) > 0 && f.Comments[0].Pos() < f.Package &&
		regexp.MustCompile(`^//go:build mutant_\w+$`).MatchString(f.Comments[0].List[0].Text)
}

// logsGoThroughAField finds uses of the process-wide logger of slog and log.
func logsGoThroughAField(t *tree) []string {
	var broken []string
	global := map[string]bool{"Debug": true, "Info": true, "Warn": true, "Error": true, "Log": true, "LogAttrs": true, "With": true,
		"DebugContext": true, "InfoContext": true, "WarnContext": true, "ErrorContext": true, "Default": true, "SetDefault": true}
	each(t.shipped(), func(_ *file, n ast.Node) {
		name := called(n)
		method, isSlog := strings.CutPrefix(name, "slog.")
		if isSlog && global[method] || strings.HasPrefix(name, "log.Print") || strings.HasPrefix(name, "log.Fatal") ||
			strings.HasPrefix(name, "log.Panic") {
			broken = append(broken, t.at(n)+" calls "+name)
		}
	})
	return broken
}
