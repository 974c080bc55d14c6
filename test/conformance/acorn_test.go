package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"azx/extension"
	"azx/test/process"
)

// script is one for acorn.js, and what acorn.js says of one that is not ES5.
type script struct {
	File   string `json:"file"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// TestScriptsOfThePackagesAreES5ForAnotherParser has every script of both packages read by acorn, and some that it must refuse:
// among them one that leaves no trace in the tree that the builder checks.
func TestScriptsOfThePackagesAreES5ForAnotherParser(t *testing.T) {
	t.Parallel()
	packages, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	scripts := []script{
		{File: "a comma behind the last parameter", Code: "function f(a,) {} var result = f(1);"},
		{File: "a comma behind the last argument", Code: "var result = String(1,);"},
		{File: "let", Code: "let result = 1;"},
		{File: "an arrow function", Code: "var result = [1].map(x => x);"},
		{File: "a return outside", Code: "return 1;"},
	}
	wrong := map[string]bool{}
	for _, s := range scripts {
		wrong[s.File] = true
	}
	for _, p := range packages {
		for _, s := range p.Scripts {
			scripts = append(scripts, script{File: p.Info.Name + "/" + s.File, Code: s.Code})
		}
	}
	for _, refused := range acorn(t, scripts) {
		if !wrong[refused.File] {
			t.Errorf("%s: %s", refused.File, refused.Reason)
		}
		delete(wrong, refused.File)
	}
	for name := range wrong {
		t.Errorf("%s is taken", name)
	}
}

// acorn gives the scripts that are refused.
func acorn(t *testing.T, scripts []script) (refused []script) {
	t.Helper()
	data, err := json.Marshal(scripts)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "scripts.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	child := process.Start(t, process.Command{Name: "node", Args: []string{"acorn.js", file}})
	if code := child.Wait(time.Minute); code != 0 {
		t.Fatalf("acorn.js: exit code %d\n%s", code, child.Stderr())
	}
	if err := json.Unmarshal([]byte(child.Stdout()), &refused); err != nil {
		t.Fatal(err)
	}
	return refused
}
