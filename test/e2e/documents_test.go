package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

const (
	compileWithin = 3 * time.Minute  // for commands that compile, in a fresh clone
	showsWithin   = 30 * time.Second // for the last command of a block to show what the document shows
)

// shownOnly are the commands that documents may show in blocks without a test, because something else
// runs them.
var shownOnly = map[string]string{
	"go run ./cmd/azx demo": "TestTheFirstCommandOfTheReadme",
	"make test":             "CI",
}

// TestDocumentedCommands runs the commands of README.md and docs/ as a reader would: in a fresh clone,
// from top to bottom.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	root, documents := documentation(t)
	for _, document := range documents {
		name, err := filepath.Rel(root, document)
		if err != nil {
			t.Fatal(err)
		}
		all := readBlocks(t, document)
		for _, b := range all {
			if b.Test == "" {
				checkShown(t, name, b)
			}
		}
		for _, test := range names(all) {
			t.Run(name+"/"+test, func(t *testing.T) {
				dir := clone(t, root)
				usualPorts.Lock()
				t.Cleanup(usualPorts.Unlock) // after the processes have ended
				runBlocks(t, dir, name, blocksOf(all, test))
			})
		}
	}
}

// TestTheFirstRunIsDocumented holds the README to its first run: it has every step, and shows the value
// that arrives.
func TestTheFirstRunIsDocumented(t *testing.T) {
	_, documents := documentation(t)
	first := blocksOf(readBlocks(t, documents[0]), "first-run")
	if len(first) == 0 {
		t.Fatal("README.md: no block is marked test=first-run")
	}
	var script string
	for _, b := range first {
		script += b.Script
	}
	for _, part := range []string{"hub --dir", "platform --dir", "hub device add", "hub device send", "config init", "azx run", "curl"} {
		if !strings.Contains(script, part) {
			t.Errorf("README.md: no block marked test=first-run has %q", part)
		}
	}
	if len(first[len(first)-1].Output) == 0 {
		t.Error("README.md: the last block marked test=first-run is not followed by a block \"text output\" with the value")
	}
}

// TestTheFirstCommandOfTheReadme runs it literally, in a fresh clone, until the curl that it prints gives
// a value.
func TestTheFirstCommandOfTheReadme(t *testing.T) {
	t.Parallel()
	sharesUsualPorts(t)
	root, documents := documentation(t)
	all := readBlocks(t, documents[0])
	if len(all) == 0 {
		t.Fatal("README.md shows no command")
	}
	first := commands(all[0].Script)[0].Text
	if first != "go run ./cmd/azx demo" {
		t.Fatalf("the first command of README.md is %q", first)
	}
	demo := shell(t, clone(t, root), first)
	demo.Until(compileWithin, "the printed curl gives a value", func() error { return readsValue(demo.Stdout()) })
}

// documentation returns the documents whose commands are run, README.md first.
func documentation(t *testing.T) (root string, documents []string) {
	t.Helper()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	documents, err = filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	return root, slices.Insert(documents, 0, filepath.Join(root, "README.md"))
}

func readBlocks(t *testing.T, document string) []block {
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
	return all
}

// names returns the tests that blocks belong to, in their order.
func names(all []block) (tests []string) {
	for _, b := range all {
		if b.Test != "" && !slices.Contains(tests, b.Test) {
			tests = append(tests, b.Test)
		}
	}
	return tests
}

func blocksOf(all []block, test string) []block {
	return slices.DeleteFunc(slices.Clone(all), func(b block) bool { return b.Test != test })
}

// checkShown refuses commands that nothing runs: they would rot.
func checkShown(t *testing.T, document string, b block) {
	t.Helper()
	for _, c := range commands(b.Script) {
		if shownOnly[c.Text] == "" {
			t.Errorf("%s:%d: nothing runs %q: mark the block with test=NAME, or use ```console for what only a reader can run",
				document, b.Line, c.Text)
		}
	}
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

// runBlocks runs blocks, command by command. A command that stays has to print a line that begins with
// "ready". If the document shows an output, the last command of the block is repeated until it is there:
// a reader takes his time, too.
func runBlocks(t *testing.T, dir, document string, blocks []block) {
	for _, b := range blocks {
		where := fmt.Sprintf("%s:%d", document, b.Line)
		var printed string
		all := commands(b.Script)
		for i, c := range all {
			switch {
			case c.Stays:
				shell(t, dir, c.Text).UntilPrinted(compileWithin, "ready")
			case i == len(all)-1 && len(b.Output) > 0:
				process.Eventually(t, showsWithin, where+" shows what the document shows", func() error {
					return shows(printed+run(t, dir, where, c.Text), b.Output)
				})
			default:
				printed += run(t, dir, where, c.Text)
			}
		}
	}
}

// run runs a command that ends, and returns what it printed.
func run(t *testing.T, dir, where, text string) string {
	t.Helper()
	child := shell(t, dir, text)
	if code := child.Wait(compileWithin); code != 0 {
		t.Fatalf("%s: %s: exit code %d\n%s", where, text, code, child.Stderr())
	}
	return child.Stdout()
}

// shell starts a command in a clone. The flags let what it compiles come from the cache of another clone, and link faster.
func shell(t *testing.T, dir, text string) *process.Child {
	t.Helper()
	return process.Start(t, process.Command{
		Name: "bash", Args: []string{"-euo", "pipefail", "-c", text}, Dir: dir,
		Env: append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -trimpath -ldflags=-s"),
	})
}

// readsValue runs the curl command that a demo printed, and tells whether it gave a number.
func readsValue(printed string) error {
	text := printedCommand(printed, "curl ")
	if text == "" {
		return errors.New("no curl command is printed")
	}
	answer, err := exec.Command("bash", "-c", text).Output()
	if err != nil {
		return err
	}
	return hasNumber(answer)
}

// place is a path in backticks.
var place = regexp.MustCompile("`([a-z][a-z0-9_/.]*)`")

// TestThePlacesOfTheUnknownsExist keeps docs/unknowns.md in step with the code: each place that it names, but
// for those still to come, is there.
func TestThePlacesOfTheUnknownsExist(t *testing.T) {
	root, _ := documentation(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "unknowns.md"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(line, "|")
		if len(columns) != 6 || strings.Contains(columns[3], "*(later)*") {
			continue
		}
		for _, found := range place.FindAllStringSubmatch(columns[3], -1) {
			checked++
			if _, err := os.Stat(filepath.Join(root, found[1])); err != nil {
				t.Errorf("docs/unknowns.md names %s: %v", found[1], err)
			}
		}
	}
	if checked < 10 {
		t.Errorf("found %d places in docs/unknowns.md: has its table another form?", checked)
	}
}
