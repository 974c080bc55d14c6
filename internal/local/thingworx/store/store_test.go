package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	bolterrors "go.etcd.io/bbolt/errors"
	"pgregory.net/rapid"
)

// places are the stores that every test runs over. Each returns a function that opens the store, again if it was open.
func places(t *testing.T, test func(t *testing.T, open func() Store)) {
	t.Run("memory", func(t *testing.T) {
		m := Memory()
		test(t, func() Store {
			m.(*memory).closed = false
			return m
		})
	})
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state.db")
		test(t, func() Store { return mustOpen(t, path) })
	})
}

func mustOpen(t testing.TB, path string) *DB {
	t.Helper()
	d, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func save(t testing.TB, s Store, records ...Record) {
	t.Helper()
	if err := s.Save(records); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s Store) (all []Record) {
	t.Helper()
	err := s.Load(func(r Record) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func expect(t *testing.T, s Store, want ...Record) {
	t.Helper()
	if got := load(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %.200v\nwant %.200v", got, want)
	}
}

func rec(bucket, key, value string) Record { return Record{bucket, key, []byte(value)} }
func gone(bucket, key string) Record       { return Record{bucket, key, nil} }

func TestWhatWasSavedIsThereWhenTheStoreIsOpenedAgain(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s := open()
		expect(t, s)
		save(t, s, rec("Things", "b", "1"), rec("Things", "a", "2"), rec("Thing", "z", ""), rec("Users", "ü\x00x", "\x00\xff"))
		save(t, s, rec("Things", "b", "3"), gone("Things", "a"), gone("Things", "never"))
		save(t, s)
		want := []Record{rec("Thing", "z", ""), rec("Things", "b", "3"), rec("Users", "ü\x00x", "\x00\xff")}
		expect(t, s, want...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, open(), want...)
	})
}

func TestTheLastOfSeveralRecordsOfOneKeyCounts(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s := open()
		save(t, s, rec("b", "k", "1"), gone("b", "k"), rec("b", "k", "2"), rec("b", "l", "1"), gone("b", "l"))
		expect(t, s, rec("b", "k", "2"))
	})
}

func TestASaveWithABadRecordSavesNothing(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s := open()
		long := strings.Repeat("x", MaxKey)
		for name, c := range map[string]struct {
			record Record
			want   string
		}{
			"no bucket":                 {rec("", "k", "v"), "must have a name"},
			"no key":                    {rec("b", "", "v"), "must have a name"},
			"a zero byte in the bucket": {rec("b\x00", "k", "v"), "zero byte"},
			"a long key":                {rec("b", long, "v"), "at most 16384"},
			"a long value":              {Record{"b", "k", make([]byte, MaxValue+1)}, "at most 67108864"},
		} {
			err := s.Save([]Record{rec("b", "good", "v"), c.record})
			if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "record 1") {
				t.Errorf("%s: got %.300v", name, err)
			}
		}
		expect(t, s)
		save(t, s, rec("b", long[1:], "v"))
	})
}

func TestWhatIsSavedAndLoadedIsNobodyElses(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s, value := open(), []byte("mine")
		save(t, s, Record{"b", "k", value})
		value[0] = 'f'
		load(t, s)[0].Value[0] = 'w'
		expect(t, s, rec("b", "k", "mine"))
	})
}

func TestLoadEndsWithTheErrorOfItsReaderWhoMaySaveMeanwhile(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s := open()
		save(t, s, rec("b", "1", "v"), rec("b", "2", "v"))
		stop, seen := errors.New("enough"), 0
		err := s.Load(func(r Record) error {
			seen++
			save(t, s, gone(r.Bucket, r.Key))
			return stop
		})
		if err != stop || seen != 1 {
			t.Errorf("got %v after %d", err, seen)
		}
		expect(t, s, rec("b", "2", "v"))
	})
}

func TestAClosedStoreSavesNothing(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s := open()
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Save([]Record{rec("b", "k", "v")}); err == nil {
			t.Error("saved")
		}
		expect(t, open())
	})
}

func TestManyGoroutinesSaveAtOnce(t *testing.T) {
	places(t, func(t *testing.T, open func() Store) {
		s := open()
		var group sync.WaitGroup
		for g := range 8 {
			group.Go(func() {
				for n := range 50 {
					save(t, s, rec("both", "k", fmt.Sprint(g, n)), rec(fmt.Sprint("b", g), fmt.Sprint(n), "v"))
				}
			})
		}
		group.Wait()
		if n := len(load(t, s)); n != 8*50+1 {
			t.Errorf("%d records", n)
		}
	})
}

func TestMoreThanOnePageIsLoadedWholeAndInOrder(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "state.db"))
	var want []Record
	for n := range 50 {
		want = append(want, rec("b", fmt.Sprintf("%02d", n), strings.Repeat("x", n*5000)))
	}
	save(t, s, want...)
	expect(t, s, want...)
}

func TestAStoreIsAMapThatOutlivesItsProcess(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs))
		open := func() *DB {
			d, err := Open(path, Options{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d, model := open(), map[string]string{}
		defer func() { _ = d.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"save": func(t *rapid.T) {
				var records []Record
				for range rapid.IntRange(0, 4).Draw(t, "records") {
					bucket, key := fmt.Sprint("b", rapid.IntRange(0, 2).Draw(t, "bucket")), rapid.StringN(1, 2, -1).Draw(t, "key")
					if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
						records = append(records, gone(bucket, key))
						delete(model, keyOf(bucket, key))
						continue
					}
					value := strings.Repeat("v", rapid.SampledFrom([]int{0, 1, 100, 5000}).Draw(t, "length"))
					records = append(records, rec(bucket, key, value))
					model[keyOf(bucket, key)] = value
				}
				if err := d.Save(records); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				d = open()
			},
			"": func(t *rapid.T) {
				last, n := "", 0
				err := d.Load(func(r Record) error {
					key := keyOf(r.Bucket, r.Key)
					if want, ok := model[key]; !ok || want != string(r.Value) || key <= last {
						t.Fatalf("%q has %d bytes, want %d, %v; the one before was %q", key, len(r.Value), len(want), ok, last)
					}
					last, n = key, n+1
					return nil
				})
				if err != nil || n != len(model) {
					t.Fatalf("%d records, want %d; %v", n, len(model), err)
				}
			},
		})
	})
}

func TestASaveToAClosedFileNamesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := mustOpen(t, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Save([]Record{rec("b", "k", "v")}); !errors.Is(err, bolterrors.ErrDatabaseNotOpen) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
