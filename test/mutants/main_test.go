package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheListHasTheMutantsOfTheTree compares it with the build tags of the code, and with docs/reliability.md.
func TestTheListHasTheMutantsOfTheTree(t *testing.T) {
	var planted []string
	err := filepath.WalkDir("../../internal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if found := regexp.MustCompile(`(?m)^//go:build (mutant_\w+)$`).FindSubmatch(text); found != nil {
			planted = append(planted, string(found[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range all() {
		listed = append(listed, m.tag)
		if row := "| `" + m.tag + "` | " + m.what + " | " + strings.Join(m.cases, ", ") + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/reliability.md does not have the row %s", row)
		}
	}
	slices.Sort(planted)
	slices.Sort(listed)
	if !slices.Equal(planted, listed) {
		t.Errorf("planted are %q, listed are %q", planted, listed)
	}
}
