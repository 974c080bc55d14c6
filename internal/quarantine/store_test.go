package quarantine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/internal/fault"
	"azx/internal/supervise"
)

func nowStub() time.Time { return time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC) }

func openTestStore(t *testing.T, dir string, limits Limits, d disk) *Store {
	t.Helper()
	s, err := openStore(dir, limits, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t *testing.T, s *Store, n int) {
	t.Helper()
	if err := s.Put(t.Context(), letter("dev-1", n)); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreGivesBackWhatWasPut(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, realDisk{})
	put(t, s, 1)
	put(t, s, 2)
	r, err := Show(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := letter("dev-1", 2)
	want.ID, want.bytes = 2, r.bytes
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	if _, err := Show(dir, 3); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown id gives %v", err)
	}
	for range List(dir) {
		break // a reader may stop early
	}
}

func TestARecordWithoutATimeGetsThePresentOne(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, realDisk{})
	s.now = nowStub
	r := letter("d", 1)
	r.Time = time.Time{}
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, dir)[0].Time; !got.Equal(nowStub()) {
		t.Errorf("time %v", got)
	}
}

func TestAStoreGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= 3; n++ {
		s := openTestStore(t, dir, Limits{Segment: 1}, realDisk{}) // a segment a record
		put(t, s, n)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint64
	for _, r := range stored(t, dir) {
		ids = append(ids, r.ID)
	}
	if !slices.Equal(ids, []uint64{1, 2, 3}) || len(segments(t, dir)) != 3 {
		t.Errorf("ids %v in %d segments", ids, len(segments(t, dir)))
	}
}

func TestATornLastRecordIsCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, quickDisk{})
	put(t, s, 1)
	first := len(read(t, segments(t, dir)[0]))
	put(t, s, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	whole := read(t, path)
	for n := first; n <= len(whole); n++ {
		write(t, path, whole[:n])
		s := openTestStore(t, dir, Limits{}, quickDisk{})
		put(t, s, 3)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := []int64{1, 3}
		if n == len(whole) {
			want = []int64{1, 2, 3}
		}
		if got := sequences(stored(t, dir)); !slices.Equal(got, want) {
			t.Fatalf("cut at byte %d of %d: %v is stored, want %v", n, len(whole), got, want)
		}
	}
}

func TestAnEndOfZeroesIsCut(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, realDisk{})
	put(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	write(t, path, append(read(t, path), "\x00\x00\n\x00\x00\x00"...))
	put(t, openTestStore(t, dir, Limits{}, realDisk{}), 2)
	if got := sequences(stored(t, dir)); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("%v is stored", got)
	}
}

func TestDamageInTheMiddleIsToldAndTheRestIsRead(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, realDisk{})
	put(t, s, 1)
	path := segments(t, dir)[0]
	second := len(read(t, path))
	put(t, s, 2)
	put(t, s, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data := read(t, path)
	data[second+5] = '#'
	write(t, path, data)
	s = openTestStore(t, dir, Limits{}, realDisk{})
	put(t, s, 4)
	var got []int64
	var damage []string
	for r, err := range List(dir) {
		if err != nil {
			damage = append(damage, err.Error())
			continue
		}
		got = append(got, r.Sequence)
	}
	if !slices.Equal(got, []int64{1, 3, 4}) {
		t.Errorf("%v was read", got)
	}
	if len(damage) != 1 || !strings.Contains(damage[0], filepath.Base(path)) {
		t.Errorf("damage told as %q", damage)
	}
}

func TestALineOfAnySizeIsReadWithBoundedMemory(t *testing.T) {
	dir := t.TempDir()
	long := slices.Repeat([]byte("x"), MaxLine+100)
	line, err := prepare(letter("d", 1), nowStub)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, segmentName(1)), append(append(long, '\n'), line.append(nil, 2)...))
	var errs, records int
	for _, err := range List(dir) {
		if errors.Is(err, errTooLong) {
			errs++
		} else if err == nil {
			records++
		}
	}
	if errs != 1 || records != 1 {
		t.Errorf("%d errors and %d records", errs, records)
	}
}

func TestARecordOverTheLimitIsRejected(t *testing.T) {
	s := openTestStore(t, t.TempDir(), Limits{}, realDisk{})
	r := letter("d", 1)
	r.Body = make([]byte, MaxLine)
	if err := s.Put(t.Context(), r); fault.ClassOf(err) != fault.Rejected {
		t.Errorf("got %v", err)
	}
}

func TestAFullStoreStoresNothingUntilSomebodyMakesRoom(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{Segment: 1, Total: 1500}, realDisk{})
	var full error
	n := 0
	for full == nil {
		n++
		full = s.Put(t.Context(), letter("dev-1", n))
	}
	if !errors.Is(full, ErrFull) || fault.ClassOf(full) != fault.Transient || fault.HintOf(full) == "" {
		t.Fatalf("got %v, class %v", full, fault.ClassOf(full))
	}
	if got := len(stored(t, dir)); got != n-1 || n < 3 {
		t.Fatalf("%d of %d are stored", got, n-1)
	}
	if err := os.Remove(segments(t, dir)[0]); err != nil {
		t.Fatal(err)
	}
	put(t, s, n)
	if got := stored(t, dir); got[len(got)-1].Sequence != int64(n) {
		t.Errorf("the last one stored is %d", got[len(got)-1].Sequence)
	}
}

func TestAFailingDiskIsToldAndLeavesNoHalfRecord(t *testing.T) {
	tests := map[string]struct{ fail, heal func(*faultyDisk) }{
		"no room for the record":                      {func(d *faultyDisk) { d.limited, d.room = true, 10 }, func(d *faultyDisk) { d.limited = false }},
		"no room, and it cannot be cut":               {func(d *faultyDisk) { d.limited, d.failCut = true, true; d.room = 10 }, func(d *faultyDisk) { d.limited, d.failCut = false, false }},
		"a sync fails":                                {func(d *faultyDisk) { d.failSync = true }, func(d *faultyDisk) { d.failSync = false }},
		"the name of a new segment cannot be written": {func(d *faultyDisk) { d.failFolder = true }, func(d *faultyDisk) { d.failFolder = false }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := &faultyDisk{}
			s := openTestStore(t, dir, Limits{Segment: 700}, d) // one record a segment
			put(t, s, 1)
			test.fail(d)
			for range 3 {
				err := s.Put(t.Context(), letter("dev-1", 2))
				if !errors.Is(err, errDisk) || fault.ClassOf(err) != fault.Transient {
					t.Fatalf("got %v", err)
				}
			}
			test.heal(d)
			put(t, s, 3)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTestStore(t, dir, Limits{}, realDisk{})
			put(t, s, 4)
			got := slices.DeleteFunc(sequences(stored(t, dir)), func(n int64) bool { return n == 2 })
			if !slices.Equal(got, []int64{1, 3, 4}) {
				t.Errorf("%v is stored", got)
			}
		})
	}
}

func TestRecordsThatComeTogetherShareASync(t *testing.T) {
	dir := t.TempDir()
	d := &faultyDisk{}
	s := openTestStore(t, dir, Limits{}, d)
	put(t, s, 0)
	d.syncs = 0
	s.journal.turn <- struct{}{} // somebody is committing
	const many = 50
	g := supervise.New(t.Context())
	for n := 1; n <= many; n++ {
		g.Go("put", func(ctx context.Context) error { return s.Put(ctx, letter("dev-1", n)) })
	}
	waitFor(t, func() bool {
		s.journal.mu.Lock()
		defer s.journal.mu.Unlock()
		return len(s.journal.pending.lines) == many
	})
	<-s.journal.turn
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if d.syncs != 1 {
		t.Errorf("%d syncs for %d records", d.syncs, many)
	}
	if got := len(stored(t, dir)); got != many+1 {
		t.Errorf("%d records are stored", got)
	}
}

func TestRecordsPutTogetherKeepTheirOrderAndShareASync(t *testing.T) {
	dir := t.TempDir()
	d := &faultyDisk{}
	s := openTestStore(t, dir, Limits{Total: 20_000}, d)
	put(t, s, 0)
	d.syncs = 0
	many := make([]Record, 20)
	want := []int64{0}
	for i := range many {
		many[i] = letter("dev-1", i+1)
		want = append(want, int64(i+1))
	}
	if n, err := s.PutAll(t.Context(), many); n != len(many) || err != nil {
		t.Fatal(n, err)
	}
	if d.syncs != 1 {
		t.Errorf("%d syncs for %d records", d.syncs, len(many))
	}
	if got := sequences(stored(t, dir)); !slices.Equal(got, want) {
		t.Errorf("stored are %v", got)
	}
	told, err := s.PutAll(t.Context(), slices.Repeat(many, 5))
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	got := sequences(stored(t, dir))
	if n := len(got); told == 0 || n != len(want)+told || !slices.Equal(got[len(want):], slices.Repeat(want[1:], 5)[:n-len(want)]) {
		t.Errorf("of those that do not fit together are stored %v, and told are %d", got[len(want):], told)
	}
}

func TestAPutWhoseContextEndsDoesNotWait(t *testing.T) {
	s := openTestStore(t, t.TempDir(), Limits{}, realDisk{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, letter("d", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAStoreIsForOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, realDisk{})
	_, err := OpenStore(dir, Limits{})
	if fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
		t.Fatalf("got %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), letter("d", 1)); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	again, err := OpenStore(dir, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAForeignFileIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "notes.jsonl"), []byte("hello\n"))
	if _, err := OpenStore(dir, Limits{}); err == nil || !strings.Contains(err.Error(), "notes.jsonl") {
		t.Errorf("got %v", err)
	}
}

func FuzzAnyFileCanBeGoneOnWith(f *testing.F) {
	line, err := prepare(letter("dev-1", 3), nowStub)
	if err != nil {
		f.Fatal(err)
	}
	sound := string(line.append(nil, 1))
	for _, text := range []string{"", sound, sound[:40], "\x00\x00\n" + sound, sound + "{}\n", `{"id":18446744073709551615}` + "\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, segmentName(1)), content)
		put(t, openTestStore(t, dir, Limits{}, quickDisk{}), 4711)
		var last Record
		for r, err := range List(dir) {
			if err == nil {
				last = r
			}
		}
		if last.Sequence != 4711 {
			t.Fatalf("the last record is %+v", last)
		}
	})
}

// waitFor polls until cond holds.
func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited 10 s in vain")
		}
	}
}
