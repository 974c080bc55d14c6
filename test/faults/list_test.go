package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestThePageListsTheCases compares the table of docs/reliability.md with the cases, and with the quick tier of scripts/test.sh.
func TestThePageListsTheCases(t *testing.T) {
	page, script := read(t, "../../docs/reliability.md"), read(t, "../../scripts/test.sh")
	quick := regexp.MustCompile(`(?m)^QUICK_FAULTS='F\(([0-9|]+)\)'$`).FindStringSubmatch(script)
	if quick == nil {
		t.Fatal("scripts/test.sh does not have the quick tier")
	}
	files, err := filepath.Glob("f[0-9][0-9]_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		id := strings.ToUpper(file[:3])
		name := regexp.MustCompile(`(?m)^func Test` + id + `([A-Z]\w*)\(t \*testing\.T\)`).FindStringSubmatch(read(t, file))
		if name == nil {
			t.Errorf("%s has no test of its name", file)
			continue
		}
		tier := ""
		if slices.Contains(strings.Split(quick[1], "|"), id[1:]) {
			tier = "yes "
		}
		want = append(want, "| "+id+" | "+sentence(name[1])+" | "+tier+"|")
	}
	_, table, _ := strings.Cut(page, "<!-- cases -->\n")
	table, _, _ = strings.Cut(table, "\n<!-- end -->")
	got := strings.Split(table, "\n")
	if len(got) < 2 || !slices.Equal(got[2:], want) {
		t.Errorf("docs/reliability.md lists\n%s\nand the cases are\n%s", table, strings.Join(want, "\n"))
	}
	if n := len(strings.Split(quick[1], "|")); n < 15 {
		t.Errorf("the quick tier has %d cases", n)
	}
}

// sentence is what the name of a test says.
func sentence(name string) string {
	words := regexp.MustCompile(`[A-Z][a-z]*`).FindAllString(name, -1)
	return strings.ToLower(strings.Join(words, " "))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
