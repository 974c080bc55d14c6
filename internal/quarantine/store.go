package quarantine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"sync"
	"time"

	"azx/internal/fault"
)

// ErrFull is a dead letter that does not fit under the limit. Nothing was stored and nothing is lost if
// the caller stops reading from the hub until there is room.
var ErrFull = errors.New("the quarantine is full")

// ErrUnknown is an id under which nothing is stored.
var ErrUnknown = errors.New("there is no such record")

// Limits of a Store, in bytes; zero fields take the defaults.
type Limits struct {
	Segment int64 // after which a new file begins; default 64 MiB, or an eighth of Total if that is less
	Total   int64 // of all files; default 1 GiB

	EachReason int64 // of the records of any one reason; default: no more than Total
}

func (l Limits) withDefaults() Limits {
	if l.Total <= 0 {
		l.Total = 1 << 30
	}
	if l.Segment <= 0 {
		l.Segment = max(1, min(64<<20, l.Total/8))
	}
	return l
}

// Store holds dead letters in files to which lines are appended: records, and what has become of them. An operator may take
// whole files away but the newest while it runs; the room they took is found again. Its methods may be called from many
// goroutines.
type Store struct {
	journal *journal
	now     func() time.Time
	limits  Limits
	book    *book

	mu       sync.Mutex
	reserved map[string]int64 // bytes of records on their way to the disk, by reason; "" for all
}

// OpenStore takes the folder for this process, making it if need be, and reads what is there: that takes about a second for
// each 200 MiB. An error is a fault.Problem of class Fatal.
func OpenStore(dir string, limits Limits) (*Store, error) {
	return openStore(dir, limits, realDisk{})
}

func openStore(dir string, limits Limits, d disk) (*Store, error) {
	limits = limits.withDefaults()
	j, err := openJournal(dir, d, limits.Segment)
	if err != nil {
		return nil, err
	}
	s := &Store{journal: j, now: time.Now, limits: limits, book: newBook(), reserved: map[string]int64{}}
	for _, segment := range j.segments {
		err := scan(segment.path, func(l *lines, line []byte, err error) error {
			var stored storeLine
			if err == nil && json.Unmarshal(line, &stored) == nil {
				s.book.add(segment, stored.account(l.end-l.offset))
			}
			return nil // the damage is List's to tell
		})
		if err != nil {
			return nil, errors.Join(problem("open quarantine "+dir, err, ""), j.close())
		}
	}
	return s, nil
}

const opStore = "store dead letter"

// Put stores a record, and returns only when it is on disk. It errs as PutAll does.
func (s *Store) Put(ctx context.Context, r Record) error {
	_, err := s.PutAll(ctx, []Record{r})
	return err
}

// PutAll stores records in their order, and returns only when they are on disk: they share a sync, also with those of other
// callers. The store sets ID, and Time if it is zero. With an error it returns how many of them, from the first one on, are
// stored all the same. Errors: a Problem of class Transient when the store is full (ErrFull) or the disk fails, Rejected for a
// record over MaxLine; when ctx ends, its error, and those behind the count may be stored or not.
func (s *Store) PutAll(ctx context.Context, records []Record) (stored int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, storeError(opStore, err)
	}
	var batches []*batch // of each record that is under way
	var failed error
	for _, r := range records {
		b, free, err := s.enqueue(ctx, r)
		if err != nil {
			failed = err
			break
		}
		defer free()
		batches = append(batches, b)
	}
	for n, b := range batches { // also after an error, for room is taken until they have ended
		err := s.journal.stored(ctx, b)
		if err == nil && stored == n {
			stored++
		}
		if err != nil && failed == nil {
			failed = storeError(opStore, err)
		}
	}
	return stored, failed
}

// enqueue has a record written with the next batch; free gives back the room it was promised.
func (s *Store) enqueue(ctx context.Context, r Record) (b *batch, free func(), err error) {
	line, err := prepare(r, s.now)
	if err != nil {
		return nil, nil, err
	}
	if free, err = s.reserve(ctx, r.Reason, line.size()); err != nil {
		return nil, nil, storeError(opStore, err)
	}
	b, err = s.journal.enqueue(line, func(at place) {
		s.book.add(at.in, lineAccount{id: at.id, reason: r.Reason, bytes: at.length})
	})
	if err != nil {
		free()
		return nil, nil, storeError(opStore, err)
	}
	return b, free, nil
}

// reserve takes room for a record until free is called: it is on disk by then, or not stored. Before it refuses, it looks
// whether somebody has taken files away.
func (s *Store) reserve(ctx context.Context, reason string, n int64) (free func(), err error) {
	if err = s.take(reason, n); err != nil {
		looked := s.journal.exclusively(ctx, func() error {
			taken, next := s.journal.missing()
			for i := range taken {
				s.book.taken(taken[i], next[i])
			}
			return nil
		})
		if looked != nil {
			return nil, looked
		}
		if err = s.take(reason, n); err != nil {
			return nil, err
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reserved[reason] -= n
		s.reserved[""] -= n
	}, nil
}

func (s *Store) take(reason string, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal.bytes.Load()+s.reserved[""]+n > s.limits.Total {
		return ErrFull
	}
	if most := s.limits.EachReason; most > 0 && s.book.bytesOf(reason)+s.reserved[reason]+n > most {
		return fmt.Errorf("%w: its records of the reason %s have %d bytes", ErrFull, reason, most)
	}
	s.reserved[reason] += n
	s.reserved[""] += n
	return nil
}

// Close frees the folder.
func (s *Store) Close() error { return s.journal.close() }

func prepare(r Record, now func() time.Time) (unnumbered, error) {
	r.ID = 0
	if r.Time.IsZero() {
		r.Time = now().UTC()
	}
	if r.Reason == "" {
		return nil, fault.Reject("store record", "", "it has no reason")
	}
	return encode(r)
}

func storeError(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrFull):
		return &fault.Problem{Op: op, Class: fault.Transient, Cause: err,
			Hint: "azx quarantine ls shows the records; replay or drop some, or set a larger limit"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errClosed):
		return fmt.Errorf("%s: %w", op, err)
	}
	return &fault.Problem{Op: op, Class: fault.Transient, Cause: err,
		Hint: "is the disk of quarantine.dir full or read-only?"}
}

// List reads the dead letters of a folder that are not history, oldest first, also while a Store writes there: one record in
// memory at a time, and what was settled. A damaged line is an error that names file and place, and the list goes on; an
// error of the disk ends it.
func List(dir string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		states := map[uint64]State{}
		going := eachLine(dir, func(_ string, _ *lines, l storeLine, err error) bool {
			if err == nil && l.Settles != nil {
				states[l.Settles.ID] = l.Settles.As
			}
			return true
		})
		if going != nil {
			yield(Record{}, fmt.Errorf("list quarantine: %w", going))
			return
		}
		stopped := false
		err := eachLine(dir, func(path string, at *lines, l storeLine, err error) bool {
			r := l.Record
			r.State, r.bytes = states[r.ID], at.end-at.offset
			switch {
			case err != nil:
				r, err = Record{}, fmt.Errorf("list quarantine: %s at byte %d: %w", filepath.Base(path), at.offset, err)
			case r.Reason == "" || r.State.gone():
				return true
			}
			stopped = !yield(r, err)
			return !stopped
		})
		if err != nil && !stopped {
			yield(Record{}, fmt.Errorf("list quarantine: %w", err))
		}
	}
}

// eachLine reads the lines of a folder until visit says to stop.
func eachLine(dir string, visit func(path string, at *lines, l storeLine, err error) bool) error {
	paths, err := segmentFiles(dir)
	if err != nil {
		return err
	}
	stop := errors.New("stop")
	for _, path := range paths {
		err := scan(path, func(at *lines, line []byte, err error) error {
			var l storeLine
			if err == nil {
				l, err = decodeLine(line)
			}
			if !visit(path, at, l, err) {
				return stop
			}
			return nil
		})
		switch {
		case err == stop:
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist): // taken away meanwhile
			return err
		}
	}
	return nil
}

// decodeLine reads a line of a store.
func decodeLine(line []byte) (l storeLine, err error) {
	if err = json.Unmarshal(line, &l); err != nil {
		return storeLine{}, fmt.Errorf("read record: %w", err)
	}
	if l.ID == 0 || l.Reason == "" && l.Settles == nil {
		return storeLine{}, errors.New("read record: it has no id or no reason")
	}
	return l, nil
}

// Show returns one dead letter of a folder; ErrUnknown if it is not there.
func Show(dir string, id uint64) (Record, error) {
	for r, err := range List(dir) {
		if err != nil {
			continue // the damage is List's to tell
		}
		if r.ID == id {
			return r, nil
		}
	}
	return Record{}, fmt.Errorf("show record %d: %w", id, ErrUnknown)
}
