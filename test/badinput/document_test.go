package badinput

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"azx/test/process"
)

// What docs/errors.md says is what tests show: each test that it names exists, and each of this package is named.
func TestTheDocumentNamesTheTests(t *testing.T) {
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(filepath.Join(root, "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	ours, elsewhere := testsIn(t, "*_test.go"), map[string]bool{}
	for _, dir := range []string{"internal/config", "internal/app", "internal/adapter", "internal/dial", "internal/ingress", "internal/platform", "internal/quarantine", "cmd/azx", "test/conformance", "test/e2e"} {
		maps.Copy(elsewhere, testsIn(t, filepath.Join(root, filepath.FromSlash(dir), "*_test.go")))
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(document), -1) {
		named[name] = true
		if !ours[name] && !elsewhere[name] {
			t.Errorf("there is no test %s", name)
		}
	}
	for name := range ours {
		if !named[name] && name != "TestMain" && name != t.Name() {
			t.Errorf("the document does not name %s", name)
		}
	}
}

func testsIn(t *testing.T, glob string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", glob, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "func Test"); ok {
				name, _, _ := strings.Cut("Test"+rest, "(")
				names[name] = true
			}
		}
	}
	return names
}
