package dbfile

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// desk is a place where things are written one batch at a time, each when the test says go.
type desk struct {
	commits *Commits[string]
	written [][]string
	next    chan error // the result of the write that waits
	group   sync.WaitGroup
}

func newDesk() *desk {
	d := &desk{next: make(chan error)}
	d.commits = NewCommits(func(items []string) error {
		err := <-d.next
		d.written = append(d.written, items)
		return err
	})
	return d
}

// add brings an item, and returns when it waits or is being written; the pointer gets its result.
func (d *desk) add(item string) *error {
	result := new(error)
	d.group.Go(func() { *result = d.commits.Add(item) })
	synctest.Wait()
	return result
}

func (d *desk) finish(results ...error) {
	for _, err := range results {
		d.next <- err
		synctest.Wait()
	}
	d.group.Wait()
}

func (d *desk) expect(t *testing.T, want ...[]string) {
	t.Helper()
	if !slices.EqualFunc(d.written, want, slices.Equal) {
		t.Errorf("written: %v, want %v", d.written, want)
	}
}

func TestWhatComesDuringAWriteSharesTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		for _, item := range []string{"a", "b", "c", "d"} {
			d.add(item)
		}
		d.finish(nil, nil)
		d.expect(t, []string{"a"}, []string{"b", "c", "d"})
	})
}

func TestAFailedWriteIsTheErrorOfAllThatShareItAndOfNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, full := newDesk(), errors.New("no space left")
		a, b, c := d.add("a"), d.add("b"), d.add("c")
		d.next <- nil
		synctest.Wait()
		e := d.add("e")
		d.finish(full, nil)
		if *a != nil || *b != full || *c != full || *e != nil {
			t.Errorf("got %v, %v, %v, %v", *a, *b, *c, *e)
		}
		d.expect(t, []string{"a"}, []string{"b", "c"}, []string{"e"})
	})
}

func TestAloneWaitsForTheWriteUnderWayAndHoldsTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, done := newDesk(), make(chan error)
		d.add("a")
		d.group.Go(func() {
			err := d.commits.Alone(func() error {
				d.written = append(d.written, []string{"alone"})
				return <-done
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		d.expect(t)
		d.next <- nil
		synctest.Wait()
		d.expect(t, []string{"a"}, []string{"alone"})
		d.add("b")
		done <- nil
		d.finish(nil)
		d.expect(t, []string{"a"}, []string{"alone"}, []string{"b"})
	})
}
