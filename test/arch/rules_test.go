package arch

import (
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// rule is one house rule. check returns what breaks it, one a line, with its place.
type rule struct {
	name   string // also of its fixture: testdata/<name>.txtar
	advice string // what to do about a violation
	check  func(t *tree) []string
}

var rules = []rule{
	{"imports-follow-the-layers", "move the code to the layer that may do this, declare a small interface where it is used, or, if the design changes, change the table in test/arch/tables_test.go with a reason", importsFollowTheLayers},
	{"nothing-imports-cmd", "move what is needed out of cmd into a package", nothingImportsCmd},
	{"domain-is-pure", "do the I/O in an edge and hand the result over", domainIsPure},
	{"files-are-short", "split the file by idea, so that each part can be read on its own", filesAreShort},
	{"functions-are-short", "give a name to a step and move it into a function of its own", functionsAreShort},
	{"main-is-short", "move the code into the verb's own file", mainIsShort},
	{"packages-have-a-comment", "write one sentence of purpose above the package clause of one file: // Package x ...", packagesHaveAComment},
	{"exported-names-are-documented", "write what it is, what it takes and gives, units and errors", exportedNamesAreDocumented},
	{"package-names-mean-something", "name the package after what it is about", packageNamesMeanSomething},
	{"no-init", "call a constructor from the composition root", noInit},
	{"goroutines-have-an-owner", "start it with supervise.Group; a connection's own loops are listed in test/arch/tables_test.go", goroutinesHaveAnOwner},
	{"leaks-are-found", "call goleak.VerifyTestMain in the TestMain of the package, or list it in test/arch/tables_test.go with a reason", leaksAreFound},
	{"tests-neither-skip-nor-sleep", "make the test work everywhere or remove it; wait with testing/synctest or poll with a deadline", testsNeitherSkipNorSleep},
	{"no-mutable-package-variables", "make it a field of what uses it, or a constant", noMutablePackageVariables},
	{"errors-name-the-operation", `write "operation: cause", such as "open checkpoint: %w"`, errorsNameTheOperation},
	{"certificates-are-always-verified", "give the certificate as an extra root", certificatesAreAlwaysVerified},
	{"logs-go-through-a-field", "take a *slog.Logger as a field", logsGoThroughAField},
	{"dependencies-have-a-reason", "write the module and the reason for it into docs/dependencies.md, in the part it belongs to", dependenciesHaveAReason},
}

func TestTheModuleKeepsTheRules(t *testing.T) {
	module, err := parseTree(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	if len(module.files) < 20 {
		t.Fatalf("only %d Go files found", len(module.files))
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if broken := sorted(r.check(module)); len(broken) > 0 {
				t.Errorf("%d times:\n\t%s\n%s", len(broken), strings.Join(broken, "\n\t"), "What to do: "+r.advice)
			}
		})
	}
}

func TestEveryFileThatMayStartGoroutinesDoes(t *testing.T) {
	module, err := parseTree(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	starts := map[string]bool{}
	each(module.shipped(), func(f *file, n ast.Node) { starts[f.path] = starts[f.path] || startsGoroutine(n) != "" })
	for name := range goroutineFiles {
		if !starts[name] {
			t.Errorf("%s starts none: take it off the list in test/arch/tables_test.go", name)
		}
	}
}

// Each rule has a small tree that breaks it; the file "want" has the violations.
func TestEveryRuleCanFail(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			fsys, want := fixture(t, filepath.Join("testdata", r.name+".txtar"))
			broken, err := parseTree(fsys)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(sorted(r.check(broken)), "\n")
			if got != want || want == "" {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEveryFixtureBelongsToARule(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) != len(rules) {
		t.Errorf("%d fixtures for %d rules, %v", len(files), len(rules), err)
	}
}

// fixture reads a tree and what is wrong with it. A line "#repeat N text" stands for N lines of text.
func fixture(t *testing.T, name string) (fs.FS, string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tree, want := fstest.MapFS{}, ""
	for _, f := range archive.Files {
		if f.Name == "want" {
			want = strings.TrimSpace(string(f.Data))
			continue
		}
		tree[f.Name] = &fstest.MapFile{Data: []byte(repeated(t, string(f.Data)))}
	}
	return tree, want
}

func repeated(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "#repeat ")
		if !ok {
			b.WriteString(line)
			continue
		}
		times, what, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(times)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.Repeat(what, n))
	}
	return b.String()
}
