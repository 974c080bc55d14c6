package history

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"azx/alwayson/infotable"
)

// places are the histories that every test of this file runs over.
func places(t *testing.T, o Options, test func(t *testing.T, h History)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, Memory(o)) })
	t.Run("file", func(t *testing.T) { test(t, mustOpen(t, filepath.Join(t.TempDir(), "history.db"), o)) })
}

func mustOpen(t testing.TB, path string, o Options) *DB {
	t.Helper()
	o.NoSync = true
	d, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func mustClose(t testing.TB, h History) {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// at is a number that press had at a time.
func at(property string, time int64, n float64) Entry {
	return Entry{Thing: "press", Property: property, Time: time, Value: infotable.Number(n), Quality: "GOOD"}
}

func add(t testing.TB, h History, entries ...Entry) {
	t.Helper()
	if err := h.Append(entries); err != nil {
		t.Fatal(err)
	}
}

func query(t testing.TB, h History, q Query) []Entry {
	t.Helper()
	found, err := h.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// expect wants entries of press in the words of told, in the order of the query.
func expect(t *testing.T, h History, q Query, want ...string) {
	t.Helper()
	if q.Thing == "" {
		q.Thing = "press"
	}
	if got := told(query(t, h, q)); !slices.Equal(got, want) {
		t.Errorf("%+v:\n got %v\nwant %v", q, got, want)
	}
}

func told(entries []Entry) (words []string) {
	for _, e := range entries {
		words = append(words, fmt.Sprintf("%s@%d=%v", e.Property, e.Time, e.Value))
	}
	return words
}

func expectSize(t *testing.T, h History, entries, bytes int64) {
	t.Helper()
	if s, err := h.Size(); err != nil || s != (Size{entries, bytes}) {
		t.Errorf("it has %+v, %v; want %d entries of %d bytes", s, err, entries, bytes)
	}
}

// sizeOf is what an entry made by at counts: a type (1 byte) and a double (8), and its quality.
const sizeOf = Overhead + 9 + 4

func TestEveryValueComesBackAsItWas(t *testing.T) {
	deep := infotable.String("inmost")
	for range 20 {
		deep = infotable.FromTable(infotable.Single("level", deep))
	}
	wrapped := infotable.Boolean(true)
	for range 200 {
		wrapped = infotable.Variant(wrapped)
	}
	values := map[string]infotable.Value{
		"number": infotable.Number(-0.5), "integer": infotable.Integer(-7), "long": infotable.Long(1 << 60), "no": infotable.Boolean(false),
		"time": infotable.DateTime(-1), "text": infotable.String("ü\x00"), "empty": infotable.String(""), "json": infotable.Text(infotable.TypeJSON, `{"a":1}`),
		"name": infotable.Text(infotable.TypeThingName, "press"), "blob": infotable.Blob([]byte{0, 255}), "place": infotable.Location(infotable.Coordinates{Longitude: 1, Latitude: 2, Elevation: 3}),
		"table": infotable.FromTable(infotable.OneRow(infotable.Cell{Name: "a", Value: infotable.Number(1)})), "nothing": infotable.Nothing(),
		"deep": deep, "wrapped": wrapped, "secret": infotable.Text(infotable.TypePassword, "x"), "long text": infotable.String(strings.Repeat("x", 1<<20)),
	}
	places(t, Options{}, func(t *testing.T, h History) {
		var all []Entry
		for name, v := range values {
			all = append(all, Entry{Thing: "press", Property: name, Time: 5, Value: v, Quality: "UNKNOWN"}, Entry{Thing: "press", Property: name, Time: 6, Value: v})
		}
		add(t, h, all...)
		found := query(t, h, Query{Thing: "press"})
		if len(found) != 2*len(values) {
			t.Fatalf("%d entries, want %d", len(found), 2*len(values))
		}
		for _, e := range found {
			if e.Thing != "press" || !e.Value.Equal(values[e.Property]) || (e.Time == 5) != (e.Quality == "UNKNOWN") {
				t.Errorf("%s at %d of quality %q: got %.50v", e.Property, e.Time, e.Quality, e.Value)
			}
		}
	})
}

func TestARepeatedSuffixIsThereOnce(t *testing.T) {
	places(t, Options{}, func(t *testing.T, h History) {
		first := []Entry{at("temp", 1, 10), at("temp", 2, 20), at("temp", 3, 30)}
		add(t, h, first...)
		add(t, h, append(first[1:], at("temp", 4, 40))...)
		expect(t, h, Query{Oldest: true}, "temp@1=10", "temp@2=20", "temp@3=30", "temp@4=40")
		expectSize(t, h, 4, 4*sizeOf)
	})
}

func TestALaterValueOfATimeReplacesTheEarlierOne(t *testing.T) {
	places(t, Options{}, func(t *testing.T, h History) {
		add(t, h, at("temp", 1, 10), at("temp", 1, 11), at("rpm", 1, 5), at("temp", 2, 2))
		add(t, h, Entry{Thing: "press", Property: "temp", Time: 1, Value: infotable.String("much longer")})
		expect(t, h, Query{Oldest: true}, "rpm@1=5", "temp@1=much longer", "temp@2=2")
		expectSize(t, h, 3, 2*sizeOf+Overhead+1+1+11) // its type, its length, its text
	})
}

func TestAQueryIsByThingPropertyAndTimeAndInTheOrderAsked(t *testing.T) {
	places(t, Options{}, func(t *testing.T, h History) {
		add(t, h, at("temp", 30, 3), at("rpm", 20, 7), at("temp", 10, 1), at("rpm", 10, 6), at("temp", 20, 2), at("te", 10, 9))
		for _, other := range []string{"pres", "press2", "press\x00", "p"} {
			add(t, h, Entry{Thing: other, Property: "temp", Time: 20, Value: infotable.Number(99)})
		}
		for name, c := range map[string]struct {
			query Query
			want  []string
		}{
			"the newest first":               {Query{}, []string{"temp@30=3", "temp@20=2", "rpm@20=7", "temp@10=1", "te@10=9", "rpm@10=6"}},
			"the oldest first":               {Query{Oldest: true}, []string{"rpm@10=6", "te@10=9", "temp@10=1", "rpm@20=7", "temp@20=2", "temp@30=3"}},
			"one property":                   {Query{Properties: []string{"temp"}}, []string{"temp@30=3", "temp@20=2", "temp@10=1"}},
			"one property, the oldest first": {Query{Properties: []string{"temp"}, Oldest: true}, []string{"temp@10=1", "temp@20=2", "temp@30=3"}},
			"two properties":                 {Query{Properties: []string{"te", "rpm"}}, []string{"rpm@20=7", "te@10=9", "rpm@10=6"}},
			"no property":                    {Query{Properties: []string{}}, nil},
			"a property that is not there":   {Query{Properties: []string{"t"}}, nil},
			"a Thing that is not there":      {Query{Thing: "presses"}, nil},
			"from a time on":                 {Query{From: 20}, []string{"temp@30=3", "temp@20=2", "rpm@20=7"}},
			"up to a time":                   {Query{To: 20, Oldest: true}, []string{"rpm@10=6", "te@10=9", "temp@10=1", "rpm@20=7", "temp@20=2"}},
			"between times that had none":    {Query{From: 11, To: 19}, nil},
			"between times":                  {Query{From: 11, To: 29, Oldest: true}, []string{"rpm@20=7", "temp@20=2"}},
			"behind all":                     {Query{From: 31}, nil},
			"before all":                     {Query{To: 9}, nil},
			"from behind to before":          {Query{From: 30, To: 10}, nil},
			"the newest two":                 {Query{Limit: 2}, []string{"temp@30=3", "temp@20=2"}},
			"the oldest two":                 {Query{Limit: 2, Oldest: true}, []string{"rpm@10=6", "te@10=9"}},
		} {
			t.Run(name, func(t *testing.T) { expect(t, h, c.query, c.want...) })
		}
	})
}

func TestTimesBefore1970SortBeforeThoseAfter(t *testing.T) {
	places(t, Options{}, func(t *testing.T, h History) {
		add(t, h, at("temp", 1, 1), at("temp", -5, -5), at("temp", 0, 0), at("temp", -1<<63, 7), at("temp", 1<<63-1, 8))
		expect(t, h, Query{Oldest: true}, "temp@-9223372036854775808=7", "temp@-5=-5", "temp@0=0", "temp@1=1", "temp@9223372036854775807=8")
		expect(t, h, Query{From: -5, To: -1}, "temp@-5=-5")
		expect(t, h, Query{From: 1}, "temp@9223372036854775807=8", "temp@1=1")
	})
}

func TestTheEntriesThatCameFirstGoWhenThereAreTooMany(t *testing.T) {
	places(t, Options{Entries: 3}, func(t *testing.T, h History) {
		add(t, h, at("temp", 9, 9), at("temp", 1, 1), at("rpm", 5, 5))
		add(t, h, at("temp", 2, 2))
		expect(t, h, Query{Oldest: true}, "temp@1=1", "temp@2=2", "rpm@5=5")
		add(t, h, at("temp", 1, 11), at("rpm", 0, 0)) // a replaced one came when it came first
		expect(t, h, Query{Oldest: true}, "rpm@0=0", "temp@2=2", "rpm@5=5")
		add(t, h, at("a", 1, 1), at("a", 2, 2), at("a", 3, 3), at("a", 4, 4), at("a", 5, 5))
		expect(t, h, Query{Oldest: true}, "a@3=3", "a@4=4", "a@5=5")
		expectSize(t, h, 3, 3*sizeOf)
	})
}

func TestTheEntriesThatCameFirstGoWhenTheyAreTooLarge(t *testing.T) {
	places(t, Options{Bytes: 3 * sizeOf}, func(t *testing.T, h History) {
		add(t, h, at("temp", 1, 1), at("temp", 2, 2), at("temp", 3, 3))
		expectSize(t, h, 3, 3*sizeOf)
		longer := at("temp", 4, 4)
		longer.Quality = "GOOD!"
		add(t, h, longer)
		expect(t, h, Query{}, "temp@4=4", "temp@3=3")
		expectSize(t, h, 2, 2*sizeOf+1)
		add(t, h, Entry{Thing: "press", Property: "temp", Time: 3, Value: infotable.Blob(make([]byte, 3*sizeOf-Overhead-5))})
		expect(t, h, Query{}, "temp@4=4") // what became too large was the first to come
	})
}

func TestABadEntryIsRefusedWithAllThatCameWithIt(t *testing.T) {
	deep := infotable.String("inmost")
	for range 300 {
		deep = infotable.FromTable(infotable.Single("level", deep))
	}
	places(t, Options{Bytes: 1 << 20}, func(t *testing.T, h History) {
		for name, c := range map[string]struct {
			entry Entry
			want  string
		}{
			"no Thing":                   {Entry{Property: "p"}, "must have a name"},
			"no property":                {Entry{Thing: "t"}, "must have a name"},
			"a long Thing":               {Entry{Thing: strings.Repeat("x", MaxName+1), Property: "p"}, "more than 1024 bytes"},
			"a long property":            {Entry{Thing: "t", Property: strings.Repeat("x", MaxName+1)}, "more than 1024 bytes"},
			"a long quality":             {Entry{Thing: "t", Property: "p", Quality: strings.Repeat("x", MaxName+1)}, "more than 1024 bytes"},
			"a value beyond the history": {Entry{Thing: "t", Property: "p", Value: infotable.Blob(make([]byte, 1<<20))}, "the whole history may have 1048576"},
			"a value beyond all":         {Entry{Thing: "t", Property: "p", Value: infotable.Blob(make([]byte, MaxValue))}, "at most 16777216"},
			"a table too deep":           {Entry{Thing: "t", Property: "p", Value: deep}, "could not be read again"},
		} {
			err := h.Append([]Entry{at("temp", 1, 1), c.entry})
			if !errors.Is(err, ErrEntry) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "entry 1") {
				t.Errorf("%s: got %v", name, err)
			}
		}
		expect(t, h, Query{})
		add(t, h)
		add(t, h, Entry{Thing: strings.Repeat("x", MaxName), Property: strings.Repeat("y", MaxName), Quality: strings.Repeat("z", MaxName)})
	})
}

func TestAPurgedThingIsForgottenAndItsRoomFree(t *testing.T) {
	places(t, Options{Entries: 4}, func(t *testing.T, h History) {
		add(t, h, at("temp", 1, 1), at("rpm", 1, 1), Entry{Thing: "mill", Property: "temp", Time: 1, Value: infotable.Number(5), Quality: "GOOD"})
		for _, thing := range []string{"press", "press", "never"} {
			if err := h.Purge(thing); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, h, Query{})
		expect(t, h, Query{Thing: "mill"}, "temp@1=5")
		expectSize(t, h, 1, sizeOf)
		add(t, h, at("temp", 1, 7), at("temp", 2, 8), at("temp", 3, 9))
		expect(t, h, Query{}, "temp@3=9", "temp@2=8", "temp@1=7")
		expect(t, h, Query{Thing: "mill"}, "temp@1=5")
		add(t, h, at("temp", 4, 10))
		expect(t, h, Query{Thing: "mill"})
	})
}

func TestAClosedHistoryIsAnError(t *testing.T) {
	places(t, Options{}, func(t *testing.T, h History) {
		add(t, h, at("temp", 1, 1))
		mustClose(t, h)
		mustClose(t, h)
		_, queryErr := h.Query(Query{Thing: "press"})
		_, sizeErr := h.Size()
		for name, err := range map[string]error{"append": h.Append([]Entry{at("temp", 2, 2)}), "query": queryErr, "size": sizeErr, "purge": h.Purge("press")} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}

func TestManyAppendAskAndPurgeAtOnce(t *testing.T) {
	places(t, Options{Entries: 500}, func(t *testing.T, h History) {
		var group sync.WaitGroup
		for g := range 8 {
			group.Go(func() {
				for n := range 30 {
					e := at("temp", int64(n), float64(g))
					e.Thing = fmt.Sprint("thing", g)
					add(t, h, e, at(fmt.Sprint("p", g), int64(n), float64(n)))
					if found := query(t, h, Query{Thing: e.Thing}); len(found) != n+1 || found[0].Time != int64(n) {
						t.Errorf("after %d entries of %s: %v", n+1, e.Thing, told(found))
					}
					if err := h.Purge(fmt.Sprint("nobody", n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		expectSize(t, h, 8*30*2, 8*30*2*sizeOf)
	})
}

func TestAQueryIsBounded(t *testing.T) {
	for limit, want := range map[int]int{0: MaxLimit, -1: MaxLimit, MaxLimit + 1: MaxLimit, MaxLimit: MaxLimit, 7: 7} {
		if got := (Query{Limit: limit}).limit(); got != want {
			t.Errorf("%d: got %d", limit, got)
		}
	}
}
