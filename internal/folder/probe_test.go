package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAProbeLeavesNothingAndMakesNoFolder(t *testing.T) {
	dir := t.TempDir()
	at, err := Probe(filepath.Join(dir, "a", "b"))
	if err != nil || at != dir {
		t.Errorf("got %s, %v", at, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("it left %v", entries)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := Probe(path); err == nil {
			t.Errorf("%s is no folder, and passes", path)
		}
	}
	if free, err := Free(dir); err != nil || free == 0 {
		t.Errorf("free: %d, %v", free, err)
	}
	if _, err := Free(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("free of a folder that is not there: %v", err)
	}
}

func TestWhoHasAFolderIsTold(t *testing.T) {
	dir := t.TempDir()
	expect := func(when, want string) {
		t.Helper()
		if got, err := Holder(dir); err != nil || got != want {
			t.Errorf("%s: got %q, %v", when, got, err)
		}
	}
	expect("before", "")
	lock, err := Take(dir, "azx-1")
	if err != nil {
		t.Fatal(err)
	}
	expect("meanwhile", fmt.Sprintf("azx-1 (pid %d)", os.Getpid()))
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	expect("afterwards", "")
}
