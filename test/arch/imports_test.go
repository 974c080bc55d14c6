package arch

import (
	"fmt"
	"slices"
	"strings"
)

// importsFollowTheLayers checks every import of code that ships, and the third-party imports of tests.
func importsFollowTheLayers(t *tree) []string {
	direct := directModules(t.texts["go.mod"])
	var broken []string
	for _, f := range t.files {
		l, ok := layerOf(f.dir)
		if !ok {
			broken = append(broken, fmt.Sprintf("%s: the package is in no layer", f.dir))
			continue
		}
		for _, path := range f.imports() {
			if why := l.refuses(f, path, direct); why != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.path, path, why))
			}
		}
	}
	return broken
}

// refuses says why a file of the layer may not import path; "" if it may.
func (l layer) refuses(f *file, path string, direct []string) string {
	inner, ours := strings.CutPrefix(path, module+"/")
	first, _, _ := strings.Cut(path, "/")
	isTest := strings.HasSuffix(f.path, "_test.go")
	switch {
	case ours && (isTest || within(inner, l.path) || slices.ContainsFunc(l.may, func(p string) bool { return fits(inner, p) })):
		return "" // tests may wire anything together
	case ours:
		return fmt.Sprintf("%s may not (%s)", l.path, l.reason)
	case !strings.Contains(first, "."):
		return "" // the standard library
	}
	of := slices.IndexFunc(direct, func(m string) bool { return within(path, m) })
	switch {
	case of < 0:
		return "not a direct dependency in go.mod"
	case isTest || slices.Contains(l.thirdParty, direct[of]):
		return ""
	}
	return fmt.Sprintf("not on the list of %s (%s)", l.path, l.reason)
}

// layerOf finds the layer of a package: the one with the longest path that fits.
func layerOf(dir string) (best layer, ok bool) {
	for _, l := range layers {
		if within(dir, l.path) && len(l.path) >= len(best.path) {
			best, ok = l, true
		}
	}
	return best, ok
}

// within reports whether path is at or below parent.
func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

func fits(path, pattern string) bool {
	if parent, all := strings.CutSuffix(pattern, "/..."); all {
		return within(path, parent)
	}
	return path == pattern
}

// directModules reads the direct requirements of a go.mod, longest first.
func directModules(gomod string) []string {
	var modules []string
	for line := range strings.Lines(gomod) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		fields := strings.Fields(line)
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") && !strings.Contains(line, "// indirect") {
			modules = append(modules, fields[0])
		}
	}
	slices.SortFunc(modules, func(a, b string) int { return len(b) - len(a) })
	return modules
}

func nothingImportsCmd(t *tree) []string {
	var broken []string
	for _, f := range t.files {
		for _, path := range f.imports() {
			if within(path, module+"/cmd") {
				broken = append(broken, fmt.Sprintf("%s imports %s", f.path, path))
			}
		}
	}
	return broken
}

func domainIsPure(t *tree) []string {
	var broken []string
	for _, f := range t.shipped() {
		if !slices.Contains(pure, f.dir) {
			continue
		}
		for _, path := range f.imports() {
			if slices.Contains(impure, path) {
				broken = append(broken, fmt.Sprintf("%s imports %s", f.path, path))
			}
		}
	}
	return broken
}

// dependenciesHaveAReason compares go.mod, the imports and docs/dependencies.md, whose first part lists
// what is in the binary and whose second what only tests use.
func dependenciesHaveAReason(t *tree) []string {
	binary, tests := documentedModules(t.texts["docs/dependencies.md"])
	direct := directModules(t.texts["go.mod"])
	var broken []string
	for _, m := range direct {
		switch {
		case !slices.Contains(binary, m) && !slices.Contains(tests, m):
			broken = append(broken, m+" is in go.mod and not in docs/dependencies.md")
		case !slices.Contains(binary, m) && inBinary(t, m):
			broken = append(broken, m+" is in the binary, and docs/dependencies.md says in tests only")
		case slices.Contains(binary, m) && !inBinary(t, m):
			broken = append(broken, m+" is not in the binary, and docs/dependencies.md says it is")
		}
	}
	for _, m := range slices.Concat(binary, tests) {
		if !slices.Contains(direct, m) {
			broken = append(broken, m+" is in docs/dependencies.md and not in go.mod")
		}
	}
	return broken
}

// inBinary reports whether code that ships imports a module.
func inBinary(t *tree, m string) bool {
	return slices.ContainsFunc(t.shipped(), func(f *file) bool {
		return slices.ContainsFunc(f.imports(), func(path string) bool { return within(path, m) })
	})
}

// documentedModules reads the first column of the tables: a module has a dot before its first slash.
func documentedModules(text string) (binary, tests []string) {
	into := &binary
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "## ") && strings.Contains(strings.ToLower(line), "test") {
			into = &tests
		}
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		name := strings.Trim(strings.TrimSpace(cells[1]), "`")
		if host, _, ok := strings.Cut(name, "/"); ok && strings.Contains(host, ".") && !strings.Contains(name, "`") {
			*into = append(*into, name)
		}
	}
	return binary, tests
}
