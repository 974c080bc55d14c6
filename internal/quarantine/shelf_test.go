package quarantine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"azx/internal/fault"
	"azx/internal/supervise"
)

func openTestShelf(t testing.TB, dir string, limits ShelfLimits, d disk, segment int64) *Shelf {
	t.Helper()
	s, err := openShelf(dir, limits, d, segment)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keep(t testing.TB, s *Shelf, device string, n int) int {
	t.Helper()
	evicted, err := s.Keep(context.Background(), letter(device, n))
	if err != nil {
		t.Fatal(err)
	}
	return evicted
}

func kept(t testing.TB, s *Shelf, device string) []int64 {
	t.Helper()
	records, err := s.Kept("Plant1Hub", device)
	if err != nil {
		t.Fatal(err)
	}
	return sequences(records)
}

// reopen closes a shelf and opens its folder again, as a restart does.
func reopen(t testing.TB, s *Shelf, limits ShelfLimits) *Shelf {
	t.Helper()
	dir, segment := s.journal.dir, s.journal.segment
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openTestShelf(t, dir, limits, s.journal.disk, segment)
}

func TestTheLastRecordsOfADeviceAreKept(t *testing.T) {
	limits := ShelfLimits{PerDevice: 3}
	s := openTestShelf(t, t.TempDir(), limits, realDisk{}, shelfSegment)
	evicted := 0
	for n := 1; n <= 5; n++ {
		evicted += keep(t, s, "a", n)
	}
	evicted += keep(t, s, "b", 6)
	if evicted != 2 {
		t.Errorf("%d evicted, want 2", evicted)
	}
	for range 2 { // the second time after a restart
		if got := kept(t, s, "a"); !slices.Equal(got, []int64{3, 4, 5}) {
			t.Errorf("a has %v", got)
		}
		if got := kept(t, s, "b"); !slices.Equal(got, []int64{6}) {
			t.Errorf("b has %v", got)
		}
		if got := kept(t, s, "c"); got != nil {
			t.Errorf("c has %v", got)
		}
		s = reopen(t, s, limits)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheDeviceThatIsSilentLongestGoesFirst(t *testing.T) {
	s := openTestShelf(t, t.TempDir(), ShelfLimits{Devices: 2}, realDisk{}, shelfSegment)
	defer s.Close()
	keep(t, s, "a", 1)
	keep(t, s, "a", 2)
	keep(t, s, "b", 3)
	keep(t, s, "a", 4)
	keep(t, s, "b", 5)
	if evicted := keep(t, s, "c", 6); evicted != 3 {
		t.Errorf("%d evicted, want the 3 of a", evicted)
	}
	names := s.Devices("Plant1Hub")
	slices.Sort(names)
	if !slices.Equal(names, []string{"b", "c"}) {
		t.Errorf("devices %v", names)
	}
}

func TestTheOldestRecordsGoWhenTheBytesAreUsedUp(t *testing.T) {
	s := openTestShelf(t, t.TempDir(), ShelfLimits{Bytes: 2000}, realDisk{}, shelfSegment)
	defer s.Close()
	total := 0
	for n := range 20 {
		total += keep(t, s, fmt.Sprintf("dev-%02d", n), n)
	}
	if left := len(s.Devices("Plant1Hub")); left+total != 20 || left < 2 || left > 6 {
		t.Errorf("%d devices left, %d evicted", left, total)
	}
	if got := kept(t, s, "dev-19"); len(got) != 1 {
		t.Errorf("the newest has %v", got)
	}
}

func TestForgottenRecordsStayForgotten(t *testing.T) {
	s := openTestShelf(t, t.TempDir(), ShelfLimits{}, realDisk{}, shelfSegment)
	for n := 1; n <= 3; n++ {
		keep(t, s, "a", n)
	}
	records, err := s.Kept("Plant1Hub", "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), "Plant1Hub", "a", records[1].ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := kept(t, s, "a"); !slices.Equal(got, []int64{3}) {
			t.Errorf("a has %v", got)
		}
		s = reopen(t, s, ShelfLimits{})
	}
	if err := s.Forget(t.Context(), "Plant1Hub", "a", records[2].ID); err != nil {
		t.Fatal(err)
	}
	if names := s.Devices("Plant1Hub"); len(names) != 0 {
		t.Errorf("devices %v", names)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARecordWithoutADeviceIsRejected(t *testing.T) {
	s := openTestShelf(t, t.TempDir(), ShelfLimits{}, realDisk{}, shelfSegment)
	defer s.Close()
	if _, err := s.Keep(t.Context(), letter("", 1)); fault.ClassOf(err) != fault.Rejected {
		t.Errorf("got %v", err)
	}
	if err := s.Forget(t.Context(), "Plant1Hub", "", 1); err != nil {
		t.Error(err)
	}
}

func TestATornLastKeptRecordIsCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s := openTestShelf(t, dir, ShelfLimits{}, quickDisk{}, shelfSegment)
	keep(t, s, "a", 1)
	first := len(read(t, segments(t, dir)[0]))
	keep(t, s, "a", 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	whole := read(t, path)
	for n := first; n <= len(whole); n++ {
		write(t, path, whole[:n])
		s := openTestShelf(t, dir, ShelfLimits{}, quickDisk{}, shelfSegment)
		want := []int64{1}
		if n == len(whole) {
			want = []int64{1, 2}
		}
		if got := kept(t, s, "a"); !slices.Equal(got, want) {
			t.Fatalf("cut at byte %d of %d: %v is kept, want %v", n, len(whole), got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheJournalOfAShelfDoesNotGrow(t *testing.T) {
	dir := t.TempDir()
	const segment = 4096
	s := openTestShelf(t, dir, ShelfLimits{PerDevice: 2}, quickDisk{}, segment)
	for n := range 500 {
		keep(t, s, fmt.Sprint("dev-", n%3), n)
		if size := s.journal.bytes.Load(); size > 2*s.index.live+segment+1000 {
			t.Fatalf("%d bytes for %d of use after %d records", size, s.index.live, n)
		}
	}
	for range 2 {
		for d := range 3 {
			last := int64(497 + (d+1)%3)
			if got := kept(t, s, fmt.Sprint("dev-", last%3)); !slices.Equal(got, []int64{last - 3, last}) {
				t.Errorf("dev-%d has %v", last%3, got)
			}
		}
		s = reopen(t, s, ShelfLimits{PerDevice: 2})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOldSegmentsBesideANewJournalAreVoid(t *testing.T) {
	dir := t.TempDir()
	const segment = 2048
	limits := ShelfLimits{PerDevice: 2}
	s := openTestShelf(t, dir, limits, realDisk{}, segment)
	old := map[string][]byte{} // every segment there ever was
	for n := range 40 {
		for _, path := range segments(t, dir) {
			old[path] = read(t, path)
		}
		keep(t, s, "a", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	newest := segments(t, dir)
	for path, data := range old { // as after a crash between the rename and the removal
		if path < newest[0] {
			write(t, path, data)
		}
	}
	write(t, filepath.Join(dir, segmentName(999)+".tmp"), []byte("half a new jour"))
	s = openTestShelf(t, dir, limits, realDisk{}, segment)
	defer s.Close()
	if got := kept(t, s, "a"); !slices.Equal(got, []int64{38, 39}) {
		t.Errorf("a has %v", got)
	}
	if got := segments(t, dir); !slices.Equal(got, newest) {
		t.Errorf("segments %v, want %v", got, newest)
	}
}

func TestACompactionThatFailsLosesNothing(t *testing.T) {
	for name, fail := range map[string]func(d *faultyDisk, on bool){
		"no room for the new journal":       func(d *faultyDisk, on bool) { d.limited, d.room = on, 100 },
		"a sync fails":                      func(d *faultyDisk, on bool) { d.failSync = on },
		"its name cannot be made permanent": func(d *faultyDisk, on bool) { d.failFolder = on },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := &faultyDisk{}
			const segment = 2048
			limits := ShelfLimits{PerDevice: 2}
			s := openTestShelf(t, dir, limits, d, segment)
			n := 0
			for ; !s.overgrown(); n++ {
				keep(t, s, "a", n)
			}
			fail(d, true)
			if _, err := s.Keep(t.Context(), letter("a", 1000)); !errors.Is(err, errDisk) {
				t.Fatalf("got %v", err)
			}
			fail(d, false)
			want := []int64{int64(n - 2), int64(n - 1)}
			if got := kept(t, s, "a"); !slices.Equal(got, want) {
				t.Errorf("a has %v, want %v", got, want)
			}
			keep(t, s, "a", n)
			s = reopen(t, s, limits)
			defer s.Close()
			if got := kept(t, s, "a"); !slices.Equal(got, []int64{int64(n - 1), int64(n)}) {
				t.Errorf("after a restart a has %v", got)
			}
		})
	}
}

func TestAClosedShelfTouchesItsFolderNoMore(t *testing.T) {
	dir := t.TempDir()
	s := openTestShelf(t, dir, ShelfLimits{PerDevice: 1}, quickDisk{}, 1024)
	for n := 0; !s.overgrown(); n++ {
		keep(t, s, "a", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := segments(t, dir)
	if _, err := s.Keep(t.Context(), letter("a", 1)); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	if after := segments(t, dir); !slices.Equal(after, before) {
		t.Errorf("segments %v became %v", before, after)
	}
}

func TestManyMayKeepAtOnce(t *testing.T) {
	s := openTestShelf(t, t.TempDir(), ShelfLimits{}, quickDisk{}, 2048)
	g := supervise.New(t.Context())
	for d := range 8 {
		g.Go("keep", func(ctx context.Context) error {
			device := fmt.Sprint("dev-", d)
			for n := range 25 {
				if _, err := s.Keep(ctx, letter(device, n)); err != nil {
					return err
				}
				if _, err := s.Kept("Plant1Hub", device); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, ShelfLimits{})
	defer s.Close()
	for d := range 8 {
		if got := kept(t, s, fmt.Sprint("dev-", d)); len(got) != 10 || got[0] != 15 || got[9] != 24 {
			t.Errorf("dev-%d has %v", d, got)
		}
	}
}

// TestAShelfIsWhatAModelSays runs random operations and restarts against a model that keeps lists.
func TestAShelfIsWhatAModelSays(t *testing.T) {
	limits := ShelfLimits{PerDevice: 3, Devices: 4}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := openTestShelf(t, dir, limits, quickDisk{}, 1500)
		defer func() { _ = s.Close() }()
		model := map[string][]int64{}
		var recent []string // silent longest first
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"keep": func(rt *rapid.T) {
				d := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(rt, "device")
				n++
				want := 0
				model[d] = append(model[d], int64(n))
				recent = append(slices.DeleteFunc(recent, func(o string) bool { return o == d }), d)
				if len(model[d]) > 3 {
					model[d] = model[d][1:]
					want++
				}
				if len(recent) > 4 {
					want += len(model[recent[0]])
					delete(model, recent[0])
					recent = recent[1:]
				}
				if got := keep(t, s, d, n); got != want {
					rt.Fatalf("%d evicted, want %d", got, want)
				}
			},
			"forget": func(rt *rapid.T) {
				if len(recent) == 0 {
					return
				}
				d := rapid.SampledFrom(recent).Draw(rt, "device")
				records, err := s.Kept("Plant1Hub", d)
				if err != nil {
					rt.Fatal(err)
				}
				i := rapid.IntRange(0, len(records)-1).Draw(rt, "up to")
				if err := s.Forget(context.Background(), "Plant1Hub", d, records[i].ID); err != nil {
					rt.Fatal(err)
				}
				if model[d] = model[d][i+1:]; len(model[d]) == 0 {
					delete(model, d)
					recent = slices.DeleteFunc(recent, func(o string) bool { return o == d })
				}
			},
			"restart": func(*rapid.T) { s = reopen(t, s, limits) },
			"": func(rt *rapid.T) {
				if len(s.Devices("Plant1Hub")) != len(model) {
					rt.Fatalf("devices %v, want those of %v", s.Devices("Plant1Hub"), model)
				}
				for d, want := range model {
					if got := kept(t, s, d); !slices.Equal(got, want) {
						rt.Fatalf("%s has %v, want %v", d, got, want)
					}
				}
			},
		})
	})
}

func TestDevicesOfTwoHubsMayHaveTheSameId(t *testing.T) {
	s := openTestShelf(t, t.TempDir(), ShelfLimits{}, realDisk{}, shelfSegment)
	for i, hub := range []string{"Plant1Hub", "Plant2Hub", "Plant1Hub"} {
		r := letter("pump-1", i+1)
		r.Hub = hub
		if _, err := s.Keep(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Forget(t.Context(), "Plant1Hub", "pump-1", 1000); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, ShelfLimits{})
	first, errFirst := s.Kept("Plant1Hub", "pump-1")
	second, errSecond := s.Kept("Plant2Hub", "pump-1")
	if errFirst != nil || errSecond != nil || len(first) != 0 || len(second) != 1 || second[0].Hub != "Plant2Hub" {
		t.Errorf("kept are %v and %v; %v, %v", first, second, errFirst, errSecond)
	}
	if names := s.Devices("Plant2Hub"); len(names) != 1 || len(s.Devices("Plant1Hub")) != 0 {
		t.Errorf("the devices are %v", names)
	}
}

func TestAMarkWithoutAHubIsOfTheOnlyOneThereWas(t *testing.T) {
	x := newIndex(ShelfLimits{}.withDefaults())
	segment := &segment{}
	x.apply(key{"Plant1Hub", "a"}, mark{}, place{1, segment, 0, 10})
	x.apply(key{"Plant1Hub", "b"}, mark{}, place{2, segment, 10, 10})
	x.apply(key{}, mark{Forget: "a", UpTo: 2}, place{3, segment, 20, 10})
	if len(x.of(key{"Plant1Hub", "a"})) != 0 || len(x.of(key{"Plant1Hub", "b"})) != 1 {
		t.Errorf("left are %v", x.devicesOf("Plant1Hub"))
	}
}
