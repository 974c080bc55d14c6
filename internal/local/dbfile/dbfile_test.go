package dbfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// letters are files of the test: records in the bucket "letters".
func letters() Options {
	return Options{
		Kind: "a box of letters", Format: "1", Without: "without letters", NoSync: true,
		Check: func(tx *bolt.Tx) error {
			return Each(tx.Bucket([]byte("letters")), func(key, value []byte) error {
				if string(value) != "letter "+string(key) {
					return fmt.Errorf("letter %s is %q", key, value)
				}
				return nil
			})
		},
		Make: func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte("letters"))
			return err
		},
	}
}

func mustOpen(t *testing.T, path string, o Options) *File {
	t.Helper()
	f, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func mustClose(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(key, value string) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte("letters")).Put([]byte(key), []byte(value)) }
}

func TestAFileIsMadeForItsOwnerAloneAndOpensAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letters.db")
	for _, noSync := range []bool{false, true} {
		o := letters()
		o.NoSync = noSync
		f := mustOpen(t, path, o)
		if err := f.Update(put("a", "letter a")); err != nil {
			t.Fatal(err)
		}
		mustClose(t, f)
		mustClose(t, f) // twice is no harm
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

func TestAFileInWhichNothingWasWrittenIsNew(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"empty": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"without a bucket": func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return db.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "letters.db")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			mustClose(t, mustOpen(t, path, letters()))
			mustOpen(t, path, letters())
		})
	}
}

func TestAFileThatCannotBeOpenedIsRefusedByNameAndLeftAsItIs(t *testing.T) {
	other, later, broken := letters(), letters(), letters()
	other.Kind, later.Format = "a box of bills", "2"
	broken.Check = func(*bolt.Tx) error { return errors.New("a letter is torn") }
	panics := letters()
	panics.Check = func(tx *bolt.Tx) error { panic("page 7: what is this") }
	for name, c := range map[string]struct {
		prepare func(path string) error
		open    Options
		want    []string
	}{
		"a file of another kind":                  {nil, other, []string{"it is a box of letters, not a box of bills"}},
		"a file of a later azx":                   {nil, later, []string{`it has format "1", this azx knows "2"`, "use the azx that wrote it"}},
		"a file with a bad record":                {nil, broken, []string{"it is damaged: a letter is torn", "move it away to start without letters"}},
		"a file with a page that cannot be read":  {nil, panics, []string{"it is damaged: it cannot be read: page 7: what is this", "move it away"}},
		"a text":                                  {func(path string) error { return os.WriteFile(path, []byte("dear diary"), 0o600) }, letters(), []string{"it is damaged", "move it away"}},
		"somebody else's database":                {foreign, letters(), []string{"it is not a box of letters"}},
		"a folder":                                {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, letters(), nil},
		"a file whose keys are not in order":      {disorder, letters(), []string{"it is damaged: the keys 7a62 and 6163 are not in order"}},
		"a file whose records are not as written": {misprint, letters(), []string{`it is damaged: letter b is "letter c"`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "letters.db")
			f := mustOpen(t, path, letters())
			if err := errors.Join(f.Update(put("b", "letter b")), f.Update(put("ab", "letter ab")), f.Update(put("ac", "letter ac")), f.Close()); err != nil {
				t.Fatal(err)
			}
			if c.prepare != nil {
				if err := c.prepare(path); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.ReadFile(path) // a folder has nothing to compare
			_, err := Open(path, c.open)
			if err == nil {
				t.Fatal("opened")
			}
			for _, want := range append(c.want, "open "+path+": ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func foreign(path string) error {
	db, err := bolt.Open(path+".foreign", 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	}), db.Close(), os.Rename(path+".foreign", path))
}

func misprint(path string) error { return rewrite(path, "letter b", "letter c") }

func disorder(path string) error { return rewrite(path, "abletter ab", "zbletter zb") }

func rewrite(path, from, to string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(content), from, to)), 0o600)
}

func TestAFileIsOpenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letters.db")
	f := mustOpen(t, path, letters())
	if _, err := Open(path, letters()); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	mustClose(t, f)
	mustOpen(t, path, letters())
}

func TestAClosedFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letters.db")
	f := mustOpen(t, path, letters())
	mustClose(t, f)
	if err := f.Update(put("a", "letter a")); !errors.Is(err, bolterrors.ErrDatabaseNotOpen) || !strings.Contains(err.Error(), path) {
		t.Errorf("update: %v", err)
	}
	if err := f.View(func(*bolt.Tx) error { return nil }); !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		t.Errorf("view: %v", err)
	}
}

func TestAnUpdateThatFailsWritesNothing(t *testing.T) {
	f := mustOpen(t, filepath.Join(t.TempDir(), "letters.db"), letters())
	err := f.Update(func(tx *bolt.Tx) error { return errors.Join(put("a", "letter a")(tx), errors.New("no ink")) })
	if err == nil || !strings.Contains(err.Error(), "no ink") {
		t.Errorf("got %v", err)
	}
	err = f.View(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte("letters")).Get([]byte("a")) != nil {
			return errors.New("the letter is there")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsCutWhileItIsOpenIsAnErrorFromThenOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "letters.db")
	f := mustOpen(t, path, letters())
	if err := f.Update(put("a", "letter a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.View(func(tx *bolt.Tx) error { return nil }); err == nil || !strings.Contains(err.Error(), path+": it cannot be read") {
			t.Errorf("view: %v", err)
		}
		if err := f.Update(put("b", "letter b")); err == nil || !strings.Contains(err.Error(), path+": it cannot be read") {
			t.Errorf("update: %v", err)
		}
	}
	mustClose(t, f)
}
