package control

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageNamesEveryPath compares docs/local-hub.md with the paths that are served.
func TestThePageNamesEveryPath(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/local-hub.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`HandleFunc\("([A-Z]+ /[a-z/]+)"`).FindAllSubmatch(text, -1) {
			served++
			if path := string(found[1]); !strings.Contains(string(page), "`"+path) {
				t.Errorf("%s: the page does not have %s", name, path)
			}
		}
	}
	if served < 20 {
		t.Errorf("%d paths were found", served)
	}
}
