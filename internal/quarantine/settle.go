package quarantine

import (
	"context"
	"encoding/json"
	"errors"
)

// State is what has become of a record since it was stored.
type State string

// The states. Of a record that is delivered, dropped, expired or replaced nothing is listed, and the disk is freed in time.
const (
	Open       State = ""           // it can be replayed
	Superseded State = "superseded" // its replay found newer values: it stays until it is dropped
	Delivered  State = "delivered"  // its replay was written
	Dropped    State = "dropped"    // an operator has let it go
	Expired    State = "expired"    // a rule of the operator has let it go: it was too old
	Replaced   State = "replaced"   // its replay failed in another way: a record of that stands for it
)

// gone reports whether a record in this state is history.
func (s State) gone() bool { return s == Delivered || s == Dropped || s == Expired || s == Replaced }

// settlement is what a line says about an earlier record. It has that one's reason and size, so that the account can be
// read from the lines alone.
type settlement struct {
	ID     uint64 `json:"id"`
	As     State  `json:"as"`
	Reason string `json:"reason"`
	Bytes  int64  `json:"bytes"`
}

// storeLine is a line of a store: a record, a settlement, or a record that replaces another.
type storeLine struct {
	Record
	Settles *settlement `json:"settles,omitempty"`
}

// settlementLine is a line that is no record.
type settlementLine struct {
	ID      uint64     `json:"id"`
	Settles settlement `json:"settles"`
}

// Settle notes what has become of a record of List and returns once that is on disk; false, and nothing done, if the record
// was settled before: only one that is superseded may still be dropped, or expire.
func (s *Store) Settle(ctx context.Context, r Record, as State) (bool, error) {
	line, err := encode(settlementLine{Settles: r.settled(as)})
	if err != nil {
		return false, err
	}
	return s.settle(ctx, r, as, line)
}

// Replace puts a record in the place of another one, in one step; false, and nothing done, if that was settled before. The
// new one has the time at which the message was put aside first, unless it has one of its own.
func (s *Store) Replace(ctx context.Context, old, r Record) (bool, error) {
	r.ID, r.State = 0, Open
	if r.Time.IsZero() {
		r.Time = old.Time
	}
	settles := old.settled(Replaced)
	line, err := encode(storeLine{r, &settles})
	if err != nil {
		return false, err
	}
	free, err := s.reserve(ctx, r.Reason, line.size())
	if err != nil {
		return false, storeError("replace record", err)
	}
	defer free()
	return s.settle(ctx, old, Replaced, line)
}

func (r Record) settled(as State) settlement {
	return settlement{ID: r.ID, As: as, Reason: r.Reason, Bytes: r.bytes}
}

// settle stores a line that settles a record. A mark asks for no room: a full quarantine has to be emptied somehow.
func (s *Store) settle(ctx context.Context, r Record, as State, line unnumbered) (bool, error) {
	if !s.book.begin(r.ID, as) {
		return false, nil
	}
	defer s.book.end(r.ID)
	err := s.journal.append(ctx, line, func(at place) {
		var l storeLine
		if json.Unmarshal(line.append(nil, at.id), &l) == nil { // it was encoded above
			s.book.add(at.in, l.account(at.length))
		}
	})
	if err != nil {
		return false, storeError("settle record", err)
	}
	return true, nil
}

// List reads the store's records, oldest first, as the function List does.
func (s *Store) List(yield func(Record, error) bool) { List(s.journal.dir)(yield) }

// LastID returns the highest id that was given.
func (s *Store) LastID() uint64 {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.next - 1
}

// Counts returns the account of the records that are listed, by reason.
func (s *Store) Counts() map[string]Tally { return s.book.counts() }

// Reclaim frees the disk of records that are history: files of which at least half is, but the one that is written to.
func (s *Store) Reclaim(ctx context.Context) error {
	return storeError("free the disk", s.journal.exclusively(ctx, func() error {
		j := s.journal
		var failed error
		for i := 0; i < len(j.segments)-1; {
			segment := j.segments[i]
			if s.book.dead(segment) < (segment.size+1)/2 {
				i++
				continue
			}
			removed, err := j.sift(segment, s.book)
			failed = errors.Join(failed, err)
			if !removed {
				i++
			}
		}
		return failed
	}))
}
