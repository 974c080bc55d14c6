package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderIsTakenOnceAndTheHolderIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	lock, err := Take(dir, "azx-1\nof plant 1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Take(dir, "azx-2")
	if want := fmt.Sprintf("in use by azx-1 of plant 1 (pid %d)", os.Getpid()); !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Take(dir, "azx-2")
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	again.Close()
}

func TestAReplacedFileIsTheOwnersAndLeavesNothingBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	for _, content := range []string{"old and long", "new"} {
		if err := Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Fatalf("got %q, %v", got, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
		t.Errorf("left beside it: %s", strings.Join(names, ", "))
	}
}

func TestAFileThatCannotBeWrittenStaysAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if err := os.MkdirAll(path+".tmp/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("new")); err == nil {
		t.Fatal("no error")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Fatalf("got %q", got)
	}
}
