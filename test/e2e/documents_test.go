package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// TestDocumentedCommands runs the commands of README.md and docs/ as a reader would: in a fresh clone,
// from top to bottom, several terminals where the document uses several.
func TestDocumentedCommands(t *testing.T) {
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append([]string{filepath.Join(root, "README.md")}, documents...) {
		name, err := filepath.Rel(root, document)
		if err != nil {
			t.Fatal(err)
		}
		tests, order := readTests(t, document)
		for _, test := range order {
			t.Run(name+"/"+test, func(t *testing.T) {
				runBlocks(t, clone(t, root), name, tests[test])
			})
		}
	}
}

// TestFirstRunIsDocumented keeps the test above honest: the README has a first run, and it is the
// one that the project promises.
func TestFirstRunIsDocumented(t *testing.T) {
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	tests, _ := readTests(t, filepath.Join(root, "README.md"))
	var script string
	for _, b := range tests["first-run"] {
		script += b.Script
	}
	for _, command := range []string{"go run ./cmd/azx demo", "hub device add", "hub device send", "config init", "azx run", "curl"} {
		if !strings.Contains(script, command) {
			t.Errorf("README.md: no block marked test=first-run has %q", command)
		}
	}
}

// readTests returns a document's blocks by the test they belong to, and the tests in their order.
func readTests(t *testing.T, document string) (tests map[string][]block, order []string) {
	t.Helper()
	f, err := os.Open(document)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := blocks(f)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	tests = map[string][]block{}
	for _, b := range all {
		if !slices.Contains(order, b.Test) {
			order = append(order, b.Test)
		}
		tests[b.Test] = append(tests[b.Test], b)
	}
	return tests, order
}

// clone makes a clone of the repository, without what was not committed.
func clone(t *testing.T, root string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "azx")
	if out, err := exec.Command("git", "clone", "--quiet", root, dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return dir
}

func runBlocks(t *testing.T, dir, document string, blocks []block) {
	for _, b := range blocks {
		where := fmt.Sprintf("%s:%d", document, b.Line)
		if b.Background {
			startBlock(t, dir, where, b)
			continue
		}
		if !b.Retry {
			if err := runBlock(t, dir, b); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			continue
		}
		process.Eventually(t, retryFor, where+" shows what it should", func() error { return runBlock(t, dir, b) })
	}
}

// startBlock starts a command that stays, and waits until it prints what it should.
func startBlock(t *testing.T, dir, where string, b block) {
	child := process.Start(t, process.Command{Name: "bash", Args: []string{"-euo", "pipefail", "-c", b.Script}, Dir: dir})
	child.Until(2*time.Minute, where+" prints "+b.Until, func() error {
		return shows(child.Stdout()+child.Stderr(), []string{b.Until + "..."})
	})
	child.Until(retryFor, where+" shows what it should", func() error {
		return shows(child.Stdout()+child.Stderr(), b.Output)
	})
}

// runBlock runs a command to its end.
func runBlock(t *testing.T, dir string, b block) error {
	child := process.Start(t, process.Command{Name: "bash", Args: []string{"-euo", "pipefail", "-c", b.Script}, Dir: dir})
	if code := child.Wait(3 * time.Minute); code != 0 {
		return fmt.Errorf("exit code %d\n%s%s", code, child.Stdout(), child.Stderr())
	}
	return shows(child.Stdout()+child.Stderr(), b.Output)
}
