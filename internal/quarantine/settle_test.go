package quarantine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// shown lists what is in a folder as "id reason state".
func shown(t testing.TB, dir string) (all []string) {
	t.Helper()
	for r, err := range List(dir) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(r.ID, " ", r.Reason, " ", r.State))
	}
	return all
}

func recordOf(t testing.TB, dir string, id uint64) Record {
	t.Helper()
	r, err := Show(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARecordIsSettledOnceAndNotListedAgain(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{}, realDisk{})
	for n := range 4 {
		put(t, s, n)
	}
	settle := func(id uint64, as State, want bool) {
		t.Helper()
		if done, err := s.Settle(t.Context(), Record{ID: id, Reason: "rejected", bytes: 440}, as); done != want || err != nil {
			t.Errorf("record %d as %s: %v, %v", id, as, done, err)
		}
	}
	settle(1, Delivered, true)
	settle(1, Delivered, false)
	settle(2, Superseded, true)
	settle(2, Delivered, false)
	settle(3, Dropped, true)
	settle(9, Dropped, false)
	if got, want := shown(t, dir), []string{"2 rejected superseded", "4 rejected "}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	settle(2, Dropped, true)

	again := recordOf(t, dir, 4)
	again.Reason, again.Error = "wrong-type", "text is no number"
	old := recordOf(t, dir, 4)
	if done, err := s.Replace(t.Context(), old, again); !done || err != nil {
		t.Fatal(done, err)
	}
	if done, err := s.Replace(t.Context(), old, again); done || err != nil {
		t.Error("it was replaced twice", err)
	}
	got := shown(t, dir)
	if len(got) != 1 || recordOf(t, dir, 9).Time != old.Time {
		t.Errorf("listed %q", got)
	}
	if counts := s.Counts(); len(counts) != 1 || counts["wrong-type"].Records != 1 {
		t.Errorf("counted %v", counts)
	}
}

func TestAReasonMayBeFullWhileOthersAreNot(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{EachReason: 500}, realDisk{})
	put(t, s, 1)
	if err := s.Put(t.Context(), letter("dev-1", 2)); !errors.Is(err, ErrFull) {
		t.Fatalf("a second record over the limit of its reason: %v", err)
	}
	other := letter("dev-1", 3)
	other.Reason = "undecodable"
	if err := s.Put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Settle(t.Context(), recordOf(t, dir, 1), Dropped); !done || err != nil {
		t.Fatal(done, err)
	}
	put(t, s, 4)
}

func TestAFullStoreMakesRoomByWhatIsDropped(t *testing.T) {
	dir := t.TempDir()
	s := openTestStore(t, dir, Limits{Segment: 1000, Total: 3000}, realDisk{})
	var full error
	for n := 0; full == nil; n++ {
		full = s.Put(t.Context(), letter("dev-1", n))
	}
	if !errors.Is(full, ErrFull) {
		t.Fatal(full)
	}
	for r := range List(dir) {
		if r.ID%2 == 0 { // half of each file
			if _, err := s.Settle(t.Context(), r, Dropped); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, s, 99)
	if names, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(names) > 0 {
		t.Errorf("left %v", names)
	}
	if err := os.WriteFile(filepath.Join(dir, "unrelated"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := shown(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openTestStore(t, dir, Limits{Segment: 1000, Total: 3000}, realDisk{})
	if after := shown(t, dir); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
}

// TestWhatIsListedIsWhatWasStoredAndNotSettled compares a store with a table, over restarts and while the disk is freed.
func TestWhatIsListedIsWhatWasStoredAndNotSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "settle")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		limits := Limits{Segment: 1200}
		open := func() *Store {
			s, err := openStore(dir, limits, quickDisk{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		defer func() { _ = s.Close() }()
		type kept struct {
			reason string
			state  State
		}
		want := map[uint64]kept{}
		listed := func() map[uint64]Record {
			all := map[uint64]Record{}
			for r, err := range List(dir) {
				if err != nil {
					t.Fatal(err)
				}
				all[r.ID] = r
			}
			return all
		}
		reason := rapid.SampledFrom([]string{"rejected", "undecodable", "no-reply"})
		one := func() (uint64, kept) {
			ids := slices.Sorted(maps.Keys(want))
			id := ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")]
			return id, want[id]
		}
		newest := func() uint64 { return slices.Max(slices.Collect(maps.Keys(listed()))) }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				r := letter("dev", len(want))
				r.Reason = reason.Draw(t, "reason")
				if err := s.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				want[newest()] = kept{reason: r.Reason}
			},
			"settle": func(t *rapid.T) {
				if len(want) == 0 {
					return
				}
				id, k := one()
				as := rapid.SampledFrom([]State{Superseded, Delivered, Dropped}).Draw(t, "as")
				may := k.state == Open || as == Dropped
				if done, err := s.Settle(t.Context(), listed()[id], as); done != may || err != nil {
					t.Fatalf("record %d in state %q as %q: %v, %v", id, k.state, as, done, err)
				}
				if may && as.gone() {
					delete(want, id)
				} else if may {
					want[id] = kept{k.reason, as}
				}
			},
			"replace": func(t *rapid.T) {
				if len(want) == 0 {
					return
				}
				id, k := one()
				old := listed()[id]
				r := old
				r.Reason = reason.Draw(t, "reason")
				if done, err := s.Replace(t.Context(), old, r); done != (k.state == Open) || err != nil {
					t.Fatalf("record %d in state %q: %v, %v", id, k.state, done, err)
				} else if done {
					delete(want, id)
					want[newest()] = kept{reason: r.Reason}
				}
			},
			"reclaim": func(t *rapid.T) {
				if err := s.Reclaim(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open()
			},
			"": func(t *rapid.T) {
				got, tallies := listed(), map[string]Tally{}
				for id, k := range want {
					r, ok := got[id]
					if !ok || r.Reason != k.reason || r.State != k.state {
						t.Fatalf("record %d is %v %q %q, want %+v", id, ok, r.Reason, r.State, k)
					}
					tally := tallies[k.reason]
					tally.Records, tally.Bytes = tally.Records+1, tally.Bytes+r.bytes
					if k.state == Superseded {
						tally.Superseded++
					}
					tallies[k.reason] = tally
				}
				if len(got) != len(want) {
					t.Fatalf("%d records are listed, want %d", len(got), len(want))
				}
				if counts := s.Counts(); !maps.Equal(counts, tallies) {
					t.Fatalf("counted %v, want %v", counts, tallies)
				}
			},
		})
	})
}
