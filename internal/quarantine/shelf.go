package quarantine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"azx/internal/fault"
)

// ShelfLimits bound a Shelf; zero fields take the defaults.
type ShelfLimits struct {
	PerDevice int   // newest records kept of a device; default 10
	Devices   int   // default 10,000; the one that has been silent longest goes first
	Bytes     int64 // of all records together; default 64 MiB; the oldest go first
}

func (l ShelfLimits) withDefaults() ShelfLimits {
	if l.PerDevice <= 0 {
		l.PerDevice = 10
	}
	if l.Devices <= 0 {
		l.Devices = 10_000
	}
	if l.Bytes <= 0 {
		l.Bytes = 64 << 20
	}
	return l
}

const shelfSegment = 4 << 20 // bytes

// Shelf holds the kept messages: the last ones of each device that has no Thing yet. Unlike a Store it
// is never full: it lets older records go. On disk it is a journal of what was kept and forgotten,
// written anew once it is mostly history; in memory only an index. Its methods may be called from many
// goroutines.
type Shelf struct {
	journal *journal
	now     func() time.Time

	mu    sync.Mutex
	index *index
}

// entryLine is a line of the shelf's journal: a record, or one of the two marks.
type entryLine struct {
	Record
	mark
}

// mark says that records are forgotten, or that the journal begins anew here.
type mark struct {
	Forget string `json:"forget,omitempty"` // device whose records up to UpTo are forgotten
	Of     string `json:"of,omitempty"`     // its hub; "" in a journal of one hub: whatever hub it is of
	UpTo   uint64 `json:"upTo,omitempty"`
	Base   bool   `json:"base,omitempty"` // everything before this line is void
}

type markLine struct {
	ID uint64 `json:"id"`
	mark
}

// OpenShelf takes the folder for this process, making it if need be, and reads its index. An error is
// a fault.Problem of class Fatal.
func OpenShelf(dir string, limits ShelfLimits) (*Shelf, error) {
	return openShelf(dir, limits, realDisk{}, shelfSegment)
}

func openShelf(dir string, limits ShelfLimits, d disk, segmentSize int64) (*Shelf, error) {
	j, err := openJournal(dir, d, segmentSize)
	if err != nil {
		return nil, err
	}
	s := &Shelf{journal: j, now: time.Now, index: newIndex(limits.withDefaults())}
	if err := s.replay(); err != nil {
		return nil, errors.Join(problem("open kept messages "+dir, err, ""), j.close())
	}
	return s, nil
}

// replay rebuilds the index from the journal. A damaged line costs its own record only.
func (s *Shelf) replay() error {
	base := 0
	for i, segment := range s.journal.segments {
		err := scan(segment.path, func(l *lines, line []byte, err error) error {
			var e entryLine
			if err != nil || json.Unmarshal(line, &e) != nil || e.Device == "" && e.mark == (mark{}) {
				return nil
			}
			if e.Base {
				s.index, base = newIndex(s.index.limits), i
			}
			s.index.apply(key{e.Hub, e.Device}, e.mark, place{e.ID, segment, l.offset, l.end - l.offset})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.journal.discard(base)
}

// Keep stores a record under its Hub and Device and returns when it is on disk. Evicted is the number of
// records that had to go for it. Errors are as those of Store.Put but for ErrFull.
func (s *Shelf) Keep(ctx context.Context, r Record) (evicted int, err error) {
	if r.Device == "" {
		return 0, fault.Reject("keep message", "", "it has no device id")
	}
	line, err := prepare(r, s.now)
	if err != nil {
		return 0, err
	}
	if err := s.compact(ctx); err != nil {
		return 0, storeError("keep message", err)
	}
	gone := 0
	err = s.journal.append(ctx, line, func(at place) {
		s.mu.Lock()
		defer s.mu.Unlock()
		gone = s.index.apply(key{r.Hub, r.Device}, mark{}, at)
	})
	if err != nil {
		return 0, storeError("keep message", err)
	}
	return gone, nil
}

// Kept returns the records of a hub's device, oldest first; nil if there are none.
func (s *Shelf) Kept(hub, device string) ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var records []Record
	for _, e := range s.index.of(key{hub, device}) {
		line, err := e.at.read()
		if err != nil {
			return nil, fmt.Errorf("read kept messages: %w", err)
		}
		r, err := decode(line)
		if err != nil {
			return nil, fmt.Errorf("read kept messages: %w", err)
		}
		records = append(records, r)
	}
	return records, nil
}

// Devices returns the devices of a hub that have records, in no order.
func (s *Shelf) Devices(hub string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.devicesOf(hub)
}

// Forget removes the records of a hub's device whose ID is at most upTo: after they were replayed. When it
// returns they stay forgotten after a crash.
func (s *Shelf) Forget(ctx context.Context, hub, device string, upTo uint64) error {
	if device == "" {
		return nil // none is kept without a device
	}
	m := mark{Forget: device, Of: hub, UpTo: upTo}
	line, err := encode(markLine{mark: m})
	if err != nil {
		return err
	}
	return storeError("forget kept messages", s.journal.append(ctx, line, func(at place) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.index.apply(key{}, m, at)
	}))
}

// compact writes the journal anew when more than half of it is history, plus a segment so that a small
// one is left alone. Each byte that is kept is thereby rewritten about once, and disk use stays
// below twice the limit and some segments.
func (s *Shelf) compact(ctx context.Context) error {
	if !s.overgrown() {
		return nil
	}
	return s.journal.exclusively(ctx, func() error {
		if !s.overgrown() {
			return nil // somebody else has done it
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.journal.rewrite(s.index.places(), func(id uint64) ([]byte, error) {
			line, err := encode(markLine{mark: mark{Base: true}})
			return line.append(nil, id), err
		})
	})
}

func (s *Shelf) overgrown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.bytes.Load() > 2*s.index.live+s.journal.segment
}

// Close frees the folder.
func (s *Shelf) Close() error { return s.journal.close() }
