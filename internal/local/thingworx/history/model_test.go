package history

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"azx/alwayson/infotable"
	"pgregory.net/rapid"
)

// list is a history as one would write it down: a list of entries in the order in which they arrived.
type list struct {
	options Options
	entries []Entry
}

func (l *list) bytes() (n int64) {
	for _, e := range l.entries {
		n += Overhead + int64(len(e.Quality)+len(infotable.AppendValue(nil, e.Value)))
	}
	return n
}

func (l *list) append(entries []Entry) {
	for _, e := range entries {
		same := func(o Entry) bool { return o.Thing == e.Thing && o.Property == e.Property && o.Time == e.Time }
		if i := slices.IndexFunc(l.entries, same); i >= 0 {
			l.entries[i] = e
		} else {
			l.entries = append(l.entries, e)
		}
	}
	for int64(len(l.entries)) > l.options.Entries || l.bytes() > l.options.Bytes {
		l.entries = l.entries[1:]
	}
}

func (l *list) query(q Query) []Entry {
	var found []Entry
	for _, e := range l.entries {
		if e.Thing == q.Thing && (q.Properties == nil || slices.Contains(q.Properties, e.Property)) &&
			(q.From == 0 || e.Time >= q.From) && (q.To == 0 || e.Time <= q.To) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b Entry) int {
		if before(a.Time, a.Property, b.Time, b.Property) {
			return -1
		}
		return 1
	})
	if !q.Oldest {
		slices.Reverse(found)
	}
	if q.Limit > 0 {
		found = found[:min(len(found), q.Limit)]
	}
	return found
}

func drawEntry(t *rapid.T) Entry {
	return Entry{
		Thing:    fmt.Sprint("t", rapid.IntRange(0, 1).Draw(t, "thing")),
		Property: fmt.Sprint("p", rapid.IntRange(0, 2).Draw(t, "property")),
		Time:     rapid.Int64Range(-3, 8).Draw(t, "time"),
		Value:    infotable.String(rapid.StringN(0, 40, -1).Draw(t, "value")),
		Quality:  rapid.SampledFrom([]string{"", "GOOD", "UNKNOWN"}).Draw(t, "quality"),
	}
}

func drawQuery(t *rapid.T) Query {
	return Query{
		Thing:      fmt.Sprint("t", rapid.IntRange(0, 2).Draw(t, "of")),
		Properties: rapid.SampledFrom([][]string{nil, {"p0"}, {"p2", "p1"}, {}}).Draw(t, "properties"),
		From:       rapid.Int64Range(-3, 8).Draw(t, "from"),
		To:         rapid.Int64Range(-3, 8).Draw(t, "to"),
		Limit:      rapid.IntRange(0, 5).Draw(t, "limit"),
		Oldest:     rapid.Bool().Draw(t, "oldest"),
	}
}

func TestAHistoryIsABoundedListThatOutlivesItsProcess(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		o := Options{Entries: rapid.Int64Range(1, 20).Draw(t, "entries"), Bytes: rapid.Int64Range(300, 2000).Draw(t, "bytes"), NoSync: true}
		open := func() History {
			d, err := Open(filepath.Join(dir, fmt.Sprint(runs)), o)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		model, file, memory := &list{options: o}, open(), Memory(o)
		defer func() { _ = file.Close() }()
		both := func(do func(h History) error) {
			for _, h := range []History{file, memory} {
				if err := do(h); err != nil {
					t.Fatalf("%T: %v", h, err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				entries := rapid.SliceOfN(rapid.Custom(drawEntry), 0, 8).Draw(t, "append")
				both(func(h History) error { return h.Append(entries) })
				model.append(entries)
			},
			"purge": func(t *rapid.T) {
				thing := fmt.Sprint("t", rapid.IntRange(0, 2).Draw(t, "purge"))
				both(func(h History) error { return h.Purge(thing) })
				model.entries = slices.DeleteFunc(model.entries, func(e Entry) bool { return e.Thing == thing })
			},
			"reopen": func(t *rapid.T) {
				if err := file.Close(); err != nil {
					t.Fatal(err)
				}
				file = open()
			},
			"query": func(t *rapid.T) {
				q := drawQuery(t)
				want := model.query(q)
				both(func(h History) error {
					got, err := h.Query(q)
					same := func(a, b Entry) bool {
						return a.Thing == b.Thing && a.Property == b.Property && a.Time == b.Time && a.Quality == b.Quality && a.Value.Equal(b.Value)
					}
					if err == nil && !slices.EqualFunc(got, want, same) {
						err = fmt.Errorf("%+v: got %v, want %v", q, told(got), told(want))
					}
					return err
				})
			},
			"": func(t *rapid.T) {
				want := Size{int64(len(model.entries)), model.bytes()}
				both(func(h History) error {
					got, err := h.Size()
					if err == nil && got != want {
						err = fmt.Errorf("it has %+v, want %+v", got, want)
					}
					return err
				})
			},
		})
	})
}
