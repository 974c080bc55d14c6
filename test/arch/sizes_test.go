package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// sized is something with a number of lines and a name for messages.
type sized struct {
	name  string
	lines int
}

func (s sized) String() string { return fmt.Sprintf("%s has %d lines", s.name, s.lines) }

// percentile90 is the size that nine of ten do not exceed. It sorts all.
func percentile90(all []sized) int {
	if len(all) == 0 {
		return 0
	}
	slices.SortFunc(all, func(a, b sized) int { return a.lines - b.lines })
	return all[(len(all)*9+9)/10-1].lines
}

// largest names the few largest of a sorted list.
func largest(all []sized) string {
	var names []string
	for i := len(all) - 1; i >= 0 && len(names) < 5; i-- {
		names = append(names, all[i].String())
	}
	return strings.Join(names, ", ")
}

func filesAreShort(t *tree) []string {
	var all []sized
	var broken []string
	for _, f := range t.shipped() {
		s := sized{f.path, f.lines}
		all = append(all, s)
		if f.lines > fileMost {
			broken = append(broken, fmt.Sprintf("%s, more than %d", s, fileMost))
		}
	}
	if p := percentile90(all); p > fileP90 {
		broken = append(broken, fmt.Sprintf("one of ten files has %d lines or more, the budget is %d: %s", p, fileP90, largest(all)))
	}
	return broken
}

func functionsAreShort(t *tree) []string {
	var all []sized
	long := 0
	for _, f := range t.shipped() {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				s := sized{t.at(fn) + " " + fn.Name.Name, t.span(fn)}
				all = append(all, s)
				if s.lines > functionLong {
					long++
				}
			}
		}
	}
	var broken []string
	if p := percentile90(all); p > functionP90 {
		broken = append(broken, fmt.Sprintf("one of ten functions has %d lines or more, the budget is %d: %s", p, functionP90, largest(all)))
	}
	if float64(long) > longShare*float64(len(all)) {
		broken = append(broken, fmt.Sprintf("%d of %d functions have more than %d lines: %s", long, len(all), functionLong, largest(all)))
	}
	return broken
}

func mainIsShort(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		if path.Base(f.path) == "main.go" && within(f.dir, "cmd") && f.lines > mainMost {
			broken = append(broken, fmt.Sprintf("%s has %d lines, more than %d", f.path, f.lines, mainMost))
		}
	}
	return broken
}
