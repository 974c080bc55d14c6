package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/internal/local/dbfile"
)

func TestADamagedStoreIsNamedAndLeftAsItIs(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "state.db")
	d := mustOpen(t, whole)
	for i := range 200 {
		save(t, d, rec("Things", fmt.Sprint("Thing ", i), fmt.Sprintf("thing %d %s", i, strings.Repeat("x", 1000))))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	page, random := os.Getpagesize(), rand.New(rand.NewPCG(1, 2))
	for name, damage := range map[string]func(b []byte) []byte{
		"cut in the middle":          func(b []byte) []byte { return b[:len(b)/2] },
		"cut in its first page":      func(b []byte) []byte { return b[:100] },
		"cut behind its head":        func(b []byte) []byte { return b[:2*page] },
		"of zeros":                   func(b []byte) []byte { clear(b); return b },
		"of another kind":            func([]byte) []byte { return []byte("this is no store, whoever put it there") },
		"with zeros behind its head": func(b []byte) []byte { clear(b[2*page:]); return b },
		"with a value changed": func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "thing 150 ", "thing 051 "))
		},
		"with a key changed": func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "Things\x00Thing 150", "Things\x00Thing 15x"))
		},
		"with a page of noise": func(b []byte) []byte {
			at := strings.Index(string(b), "thing 100 ") &^ (page - 1)
			for i := range page {
				b[at+i] = byte(random.Uint32())
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			damaged := damage([]byte(string(sound)))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := Open(path, Options{})
			if err == nil {
				_ = d.Close()
				t.Fatal("opened")
			}
			for _, want := range []string{path, "is damaged", "move it away to start with an empty platform"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != string(damaged) {
				t.Errorf("the file was changed: %v", err)
			}
			if err := os.Rename(path, path+".damaged"); err != nil {
				t.Fatal(err)
			}
			expect(t, mustOpen(t, path))
		})
	}
}

func TestAStoreIsForItsOwnerAloneAndOpenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d := mustOpen(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, dbfile.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v", err)
	}
	save(t, d, rec("b", "k", "the first goes on"))
}
