package quarantine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"azx/internal/folder"
)

const (
	segmentSuffix = ".jsonl"
	maxID         = 1 << 53 // a higher number is not from us, and would leave no numbers to go on with
)

// errClosed is the use of a journal after close.
var errClosed = errors.New("the quarantine is closed")

// journal appends lines to segment files and says so only after they are synced. Callers that come
// while a sync runs wait together and share the next one: whoever gets the turn commits for all. So
// there is no goroutine to own, and a lone caller waits for nobody.
type journal struct {
	dir     string
	disk    disk
	segment int64 // bytes after which the next segment begins

	mu      sync.Mutex
	next    uint64 // id of the next line
	pending *batch
	closed  bool

	turn     chan struct{} // holds a token while somebody commits; guards what follows
	segments []*segment    // oldest first
	current  file          // the last segment, or nil to begin a new one
	lock     *folder.Lock

	bytes atomic.Int64 // size of all segments, for those who have not the turn
}

// segment is one file, named by a number.
type segment struct {
	first uint64 // as in its name; segments are in the order of it
	path  string
	size  int64
}

// place is where a line was put.
type place struct {
	id     uint64
	in     *segment
	offset int64
	length int64 // with its line feed
}

// batch is what is committed together.
type batch struct {
	first uint64
	buf   []byte
	lines []waiting
	done  chan struct{} // closed when err is set
	err   error
}

type waiting struct {
	at      place
	applied func(place) // called in the order of the journal, before the caller returns; may be nil
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// openJournal takes the folder, cuts a torn end off the last segment and finds the next id.
func openJournal(dir string, d disk, segmentSize int64) (*journal, error) {
	lock, err := take(dir)
	if err != nil {
		return nil, err
	}
	j := &journal{dir: dir, disk: d, segment: segmentSize,
		next: 1, pending: newBatch(), turn: make(chan struct{}, 1), lock: lock}
	if err := j.load(); err != nil {
		return nil, errors.Join(problem("open quarantine "+dir, err, ""), lock.Close())
	}
	return j, nil
}

func (j *journal) load() error {
	paths, err := segmentFiles(j.dir)
	if err != nil {
		return err
	}
	for i, path := range paths {
		first, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), segmentSuffix), 10, 64)
		if err != nil || first > maxID {
			return fmt.Errorf("%s is not one of its segments", path)
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		s := &segment{first: first, path: path, size: info.Size()}
		j.next = max(j.next, first)
		if i == len(paths)-1 {
			if err := j.repair(s); err != nil {
				return err
			}
		}
		j.segments = append(j.segments, s)
	}
	j.bytes.Store(j.size())
	return nil
}

// repair cuts the last segment behind its last sound line and goes on in it. What is cut was being
// written when the process or the machine died; nobody was told that it is stored.
func (j *journal) repair(s *segment) error {
	var sound int64
	err := scan(s.path, func(l *lines, line []byte, err error) error {
		var numbered struct {
			ID uint64 `json:"id"`
		}
		if err == nil && json.Unmarshal(line, &numbered) == nil && numbered.ID > 0 && numbered.ID <= maxID {
			sound, j.next = l.end, max(j.next, numbered.ID+1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f, err := j.disk.open(s.path)
	if err != nil {
		return err
	}
	if sound < s.size {
		if err := errors.Join(f.Truncate(sound), f.Sync()); err != nil {
			return errors.Join(err, f.Close())
		}
		s.size = sound
	}
	j.current = f
	return nil
}

// append stores a line and returns when it is on disk. If ctx ends first, the line may be stored or not.
func (j *journal) append(ctx context.Context, line unnumbered, applied func(place)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := j.enqueue(line, applied)
	if err != nil {
		return err
	}
	return j.stored(ctx, b)
}

// stored returns when a batch is on disk. If ctx ends first, it may be or not.
func (j *journal) stored(ctx context.Context, b *batch) error {
	select {
	case j.turn <- struct{}{}:
		// b is still pending, or was committed by whoever had the turn before.
		j.commit()
		<-j.turn
		return b.err
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *journal) enqueue(line unnumbered, applied func(place)) (*batch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, errClosed
	}
	b := j.pending
	if len(b.lines) == 0 {
		b.first = j.next
	}
	at := place{id: j.next, offset: int64(len(b.buf))}
	b.buf = line.append(b.buf, j.next)
	at.length = int64(len(b.buf)) - at.offset
	b.lines = append(b.lines, waiting{at, applied})
	j.next++
	return b, nil
}

// commit writes what is pending. The caller has the turn.
func (j *journal) commit() {
	j.mu.Lock()
	b := j.pending
	j.pending = newBatch()
	j.mu.Unlock()
	if len(b.lines) == 0 {
		return
	}
	b.err = j.write(b)
	if b.err == nil {
		for _, w := range b.lines {
			if w.applied != nil {
				w.applied(w.at)
			}
		}
	}
	close(b.done)
}

func (j *journal) write(b *batch) error {
	if err := j.rotate(b); err != nil {
		return err
	}
	s := j.segments[len(j.segments)-1]
	_, err := j.current.Write(b.buf)
	if err == nil {
		err = j.current.Sync()
	}
	if err != nil {
		return errors.Join(err, j.undo(s))
	}
	for i := range b.lines {
		b.lines[i].at.in = s
		b.lines[i].at.offset += s.size
	}
	s.size += int64(len(b.buf))
	j.bytes.Add(int64(len(b.buf)))
	return nil
}

// missing takes out of account the segments that somebody has taken away, and returns them, each with the first id of the
// one behind it. The caller has the turn.
func (j *journal) missing() (taken []*segment, next []uint64) {
	kept := j.segments[:0]
	for i, s := range j.segments {
		if _, err := os.Stat(s.path); err == nil || i == len(j.segments)-1 {
			kept = append(kept, s)
			continue
		}
		taken, next = append(taken, s), append(next, j.segments[i+1].first)
	}
	j.segments = kept
	j.bytes.Store(j.size())
	return taken, next
}

func (j *journal) size() int64 {
	var n int64
	for _, s := range j.segments {
		n += s.size
	}
	return n
}

// rotate begins a new segment if there is none to go on in or it would grow too large.
func (j *journal) rotate(b *batch) error {
	if j.current != nil {
		s := j.segments[len(j.segments)-1]
		if s.size == 0 || s.size+int64(len(b.buf)) <= j.segment {
			return nil
		}
		j.drop()
	}
	first := b.first
	if n := len(j.segments); n > 0 {
		first = max(first, j.segments[n-1].first+1)
	}
	path := filepath.Join(j.dir, segmentName(first))
	f, err := j.disk.open(path)
	if err != nil {
		return err
	}
	if err := j.disk.syncFolder(j.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	j.current = f
	j.segments = append(j.segments, &segment{first: first, path: path})
	return nil
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// undo takes back a write that failed, so that a retry does not follow half a line. If that cannot be
// done either, the segment is left as it is and a new one begins: readers pass a torn end over.
func (j *journal) undo(s *segment) error {
	err := errors.Join(j.current.Truncate(s.size), j.current.Sync())
	if err != nil {
		j.drop()
	}
	return err
}

// drop ends the current segment.
func (j *journal) drop() {
	_ = j.current.Close() // what was written to it is synced
	j.current = nil
}

// exclusively runs do while nobody commits, unless the journal is closed.
func (j *journal) exclusively(ctx context.Context, do func() error) error {
	select {
	case j.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-j.turn }()
	j.mu.Lock()
	closed := j.closed
	j.mu.Unlock()
	if closed {
		return errClosed
	}
	return do()
}

// close commits what is pending and frees the folder. A second close does nothing.
func (j *journal) close() error {
	j.turn <- struct{}{}
	defer func() { <-j.turn }()
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed {
		return nil
	}
	j.commit()
	var err error
	if j.current != nil {
		err = j.current.Close()
		j.current = nil
	}
	return errors.Join(err, j.lock.Close())
}
