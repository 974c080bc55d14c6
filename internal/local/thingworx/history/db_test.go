package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"azx/internal/local/dbfile"
)

func TestAHistoryGoesOnAfterAStop(t *testing.T) {
	path, o := filepath.Join(t.TempDir(), "history.db"), Options{Entries: 4}
	d := mustOpen(t, path, o)
	add(t, d, at("temp", 9, 9), at("temp", 1, 1), at("rpm", 5, 5))
	mustClose(t, d)
	d = mustOpen(t, path, o)
	expect(t, d, Query{Oldest: true}, "temp@1=1", "rpm@5=5", "temp@9=9")
	add(t, d, at("temp", 9, 90), at("rpm", 6, 6), at("new", 7, 7))
	expectSize(t, d, 4, 4*sizeOf)
	mustClose(t, d)
	d = mustOpen(t, path, o)
	expect(t, d, Query{Oldest: true}, "temp@1=1", "rpm@5=5", "rpm@6=6", "new@7=7")
	expectSize(t, d, 4, 4*sizeOf)
}

// many are so many entries of temp, from time 1 on.
func many(n int) []Entry {
	all := make([]Entry, n)
	for i := range all {
		all[i] = at("temp", int64(i+1), 0)
	}
	return all
}

func TestLowerBoundsHoldFromTheStartOn(t *testing.T) {
	for name, lower := range map[string]Options{"of entries": {Entries: 3}, "of bytes": {Bytes: 3*sizeOf + 1}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			d := mustOpen(t, path, Options{})
			add(t, d, many(removeAtOnce+50)...)
			mustClose(t, d)
			d = mustOpen(t, path, lower)
			expectSize(t, d, 3, 3*sizeOf)
			if found := query(t, d, Query{Thing: "press", Oldest: true}); len(found) != 3 || found[0].Time != removeAtOnce+48 {
				t.Errorf("left: %v", told(found))
			}
		})
	}
}

func TestAPurgeThatACrashCutShortIsDoneAtTheNextStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	d := mustOpen(t, path, Options{})
	add(t, d, many(removeAtOnce+10)...)
	mill := at("temp", 1, 1)
	mill.Thing = "mill"
	add(t, d, mill)
	if left, err := d.forget("press"); err != nil || len(left) != removeAtOnce+10 {
		t.Fatalf("%d left, %v", len(left), err)
	}
	if n := len(d.index.numbers); n != 1 {
		t.Errorf("the index knows %d properties", n)
	}
	add(t, d, at("temp", 1, 7)) // the Thing is made again
	mustClose(t, d)
	d = mustOpen(t, path, Options{})
	expectSize(t, d, 2, 2*sizeOf)
	expect(t, d, Query{}, "temp@1=7")
	expect(t, d, Query{Thing: "mill"}, "temp@1=1")
}

func TestAfterAFailedCommitTheFileHasTheLastWord(t *testing.T) {
	for name, commit := range map[string]error{"which did not reach the file": errors.New("no space left"), "which reached it": nil} {
		t.Run(name, func(t *testing.T) {
			d := mustOpen(t, filepath.Join(t.TempDir(), "history.db"), Options{})
			add(t, d, at("temp", 1, 1))
			all, err := d.options.encode([]Entry{at("temp", 2, 2), at("rpm", 2, 2)})
			if err != nil {
				t.Fatal(err)
			}
			_ = d.update(func(w *writer) error { return errors.Join(w.add(&all[0]), w.add(&all[1]), commit) })
			if d.doubt != (commit != nil) {
				t.Errorf("doubt: %v", d.doubt)
			}
			if commit == nil { // the disk said that it failed
				d.index, d.doubt = newIndex(), true
				d.index.name("press", "temp", 1)
				d.index.add(spot{1, 1}, 1)
			}
			add(t, d, at("temp", 2, 20), at("rpm", 2, 21), at("temp", 3, 3))
			expect(t, d, Query{Oldest: true}, "temp@1=1", "rpm@2=21", "temp@2=20", "temp@3=3")
			expectSize(t, d, 4, 4*sizeOf)
		})
	}
}

func TestAHistoryIsForItsOwnerAloneAndOpenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	d := mustOpen(t, path, Options{})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, dbfile.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v", err)
	}
	add(t, d, at("temp", 1, 1))
}

func TestARecordThatIsDamagedWhileTheHistoryIsOpenIsAnErrorOfItsReader(t *testing.T) {
	d := mustOpen(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	add(t, d, at("temp", 1, 1), at("temp", 2, 2))
	err := d.file.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketLog)).Put(appendNumber(nil, 1), []byte("short"))
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, d, Query{From: 2}, "temp@2=2")
	if _, err := d.Query(Query{Thing: "press"}); !errors.Is(err, errRecord) || !strings.Contains(err.Error(), "history.db") {
		t.Errorf("got %v", err)
	}
	if err := d.Append([]Entry{at("temp", 1, 5)}); !errors.Is(err, errRecord) {
		t.Errorf("got %v", err)
	}
}

func TestADamagedHistoryIsNamedAndLeftAsItIs(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "history.db")
	d := mustOpen(t, whole, Options{})
	for n := range int64(300) {
		e := at(fmt.Sprint("temp", n%3), n, 1)
		e.Quality = fmt.Sprintf("quality %d %s", n, strings.Repeat("x", 500))
		add(t, d, e)
	}
	mustClose(t, d)
	sound, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	page, random := os.Getpagesize(), rand.New(rand.NewPCG(1, 2))
	for name, damage := range map[string]func(b []byte) []byte{
		"cut in the middle":          func(b []byte) []byte { return b[:len(b)/2] },
		"cut in its first page":      func(b []byte) []byte { return b[:100] },
		"of zeros":                   func(b []byte) []byte { clear(b); return b },
		"of another kind":            func([]byte) []byte { return []byte("this is no history, whoever put it there") },
		"with zeros behind its head": func(b []byte) []byte { clear(b[2*page:]); return b },
		"with a value changed": func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "quality 150 ", "quality 051 "))
		},
		"with a name changed": func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "presstemp1", "presstemq1"))
		},
		"with a page of noise": func(b []byte) []byte {
			at := strings.Index(string(b), "quality 100 ") &^ (page - 1)
			for i := range page {
				b[at+i] = byte(random.Uint32())
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			damaged := damage([]byte(string(sound)))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := Open(path, Options{})
			if err == nil {
				_ = d.Close()
				t.Fatal("opened")
			}
			for _, want := range []string{path, "is damaged", "move it away to start with an empty history"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != string(damaged) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestAHistoryThatLacksEntriesIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	d := mustOpen(t, path, Options{})
	add(t, d, at("temp", 1, 1), at("temp", 2, 2))
	err := d.file.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketLog)).Delete(appendNumber(nil, 1)) })
	if err != nil {
		t.Fatal(err)
	}
	expect(t, d, Query{}, "temp@2=2") // what is gone is not found
	mustClose(t, d)
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "it has 1 entries of 77 bytes, and should have 2 of 154") {
		t.Errorf("got %v", err)
	}
}
