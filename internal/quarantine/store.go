package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
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
	Segment int64 // after which a new file begins; default 64 MiB
	Total   int64 // of all files; default 1 GiB
}

func (l Limits) withDefaults() Limits {
	if l.Segment <= 0 {
		l.Segment = 64 << 20
	}
	if l.Total <= 0 {
		l.Total = 1 << 30
	}
	return l
}

// Store holds dead letters in files that are only ever appended to. An operator may take whole files
// away but the newest while it runs; the room they took is found again. Its methods may be called from
// many goroutines.
type Store struct {
	journal *journal
	now     func() time.Time
}

// OpenStore takes the folder for this process, making it if need be. An error is a fault.Problem of
// class Fatal.
func OpenStore(dir string, limits Limits) (*Store, error) {
	return openStore(dir, limits, realDisk{})
}

func openStore(dir string, limits Limits, d disk) (*Store, error) {
	limits = limits.withDefaults()
	j, err := openJournal(dir, d, limits.Segment, limits.Total)
	if err != nil {
		return nil, err
	}
	return &Store{journal: j, now: time.Now}, nil
}

// Put stores a record and returns only when it is on disk; records that come together share one sync.
// The store sets ID, and Time if it is zero. Errors: a Problem of class Transient when the store is full
// (ErrFull) or the disk fails, Rejected for a record over MaxLine; when ctx ends, its error, and the
// record may be stored or not.
func (s *Store) Put(ctx context.Context, r Record) error {
	line, err := prepare(r, s.now)
	if err != nil {
		return err
	}
	return storeError("store dead letter", s.journal.append(ctx, line, nil))
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
			Hint: "look at the records, replay or archive them, and take old files out of quarantine.dir"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errClosed):
		return fmt.Errorf("%s: %w", op, err)
	}
	return &fault.Problem{Op: op, Class: fault.Transient, Cause: err,
		Hint: "is the disk of quarantine.dir full or read-only?"}
}

// List reads the dead letters of a folder, oldest first, also while a Store writes there: one record in
// memory at a time. A damaged line is an error that names file and place, and the list goes on; an error
// of the disk ends it.
func List(dir string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		paths, err := segmentFiles(dir)
		if err != nil {
			yield(Record{}, fmt.Errorf("list quarantine: %w", err))
			return
		}
		for _, path := range paths {
			if !listSegment(path, yield) {
				return
			}
		}
	}
}

// listSegment reports whether to go on.
func listSegment(path string, yield func(Record, error) bool) bool {
	stop := errors.New("stop")
	err := scan(path, func(l *lines, line []byte, err error) error {
		var r Record
		if err == nil {
			r, err = decode(line)
		}
		if err != nil {
			err = fmt.Errorf("list quarantine: %s at byte %d: %w", filepath.Base(path), l.offset, err)
		}
		if !yield(r, err) {
			return stop
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist): // taken away meanwhile
		return true
	case err == stop:
		return false
	}
	yield(Record{}, fmt.Errorf("list quarantine: %w", err))
	return false
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
