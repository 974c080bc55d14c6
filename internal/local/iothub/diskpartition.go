package iothub

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// recentBytes is what the newest events of a partition may take in memory, where readers that keep up find them.
	recentBytes = 4 << 20
	// loadBytes is how many bytes of older events one poll reads from the file, and the event that goes beyond.
	loadBytes = 1 << 20
)

// diskPartition keeps the events of a partition in the log's file and the newest of them also in memory. The numbers of
// its events have no gaps, and their offsets and times ascend. So a bound of the retention, like any position, is found
// by halving; events before it are as good as gone and are removed from the file with later batches. The newest event
// stays in the file in any case: it carries numbers, offsets and times over a restart.
type diskPartition struct {
	log       *diskLog
	bucket    []byte
	retention Retention

	// Guarded by the log's turn.
	stored int64      // number of the first event in the file
	staged []appended // what the batch adds
	unsure bool       // the last batch failed, and may be in the file all the same

	mu     sync.Mutex // never taken inside a transaction
	first  int64      // number of the oldest event kept, or of the next one when none is
	oldest head       // of that event
	end    int64      // number of the next event
	newest head       // of the newest event ever
	recent []*Event   // the newest events: those before end
	bytes  int64      // of recent
	grown  chan struct{}
}

// load finds the partition's state in the file. An empty partition begins at base.
func (p *diskPartition) load(base int64) error {
	p.first, p.end, p.newest = base, base, head{offset: base * 1024}
	err := p.log.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(p.bucket).Cursor()
		first, record := c.First()
		if first == nil {
			return nil
		}
		var err error
		if p.oldest, err = readHead(record); err != nil {
			return err
		}
		last, record := c.Last()
		p.first, p.end = numberOf(first), numberOf(last)+1
		p.newest, err = readHead(record)
		return err
	})
	p.stored = p.first
	return err
}

func (p *diskPartition) append(e *Event, now time.Time) *batch {
	return p.log.commits.add(appended{to: p, event: e, head: head{size: int64(e.Size()) + eventOverhead, enqueued: now}})
}

// stage gives an event its number, offset and time. They are free again if the batch fails.
func (p *diskPartition) stage(a appended) {
	before := p.newest // like end, it is changed by the holder of the turn only
	if n := len(p.staged); n > 0 {
		before = p.staged[n-1].head
	}
	a.head.offset = before.offset + before.size
	if a.head.enqueued = a.head.enqueued.UTC().Round(0); a.head.enqueued.Before(before.enqueued) {
		a.head.enqueued = before.enqueued // enqueued times of a partition never go back, whatever the clock does
	}
	a.event.SequenceNumber = p.end + int64(len(p.staged))
	a.event.Offset = strconv.FormatInt(a.head.offset, 10)
	a.event.EnqueuedTime = a.head.enqueued
	p.staged = append(p.staged, a)
}

// store writes the staged events and removes events before until, which are not kept any more.
func (p *diskPartition) store(tx *bolt.Tx, until int64) error {
	b := tx.Bucket(p.bucket)
	b.FillPercent = 1 // events come in the order of their keys
	for p.unsure {
		key, _ := b.Cursor().Last()
		if key == nil || numberOf(key) < p.end {
			break
		}
		if err := b.Delete(key); err != nil { // of a batch whose senders were told that it failed
			return err
		}
	}
	for _, a := range p.staged {
		if err := b.Put(keyOf(a.event.SequenceNumber), appendRecord(nil, a.event, a.head)); err != nil {
			return err
		}
	}
	for n := p.stored; n < until; n++ {
		if err := b.Delete(keyOf(n)); err != nil {
			return err
		}
	}
	return nil
}

// removable is the number up to which the batch may remove events: some more than it adds.
func (p *diskPartition) removable() (until int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.trim(p.staged[len(p.staged)-1].head.enqueued)
	return max(p.stored, min(p.first, p.stored+int64(trimAtLeast+2*len(p.staged)))), err
}

// publish shows the staged events to readers.
func (p *diskPartition) publish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == p.end {
		p.oldest = p.staged[0].head
	}
	for _, a := range p.staged {
		p.recent = append(p.recent, a.event)
		p.bytes += a.head.size
	}
	p.end += int64(len(p.staged))
	p.newest = p.staged[len(p.staged)-1].head
	over := 0
	for p.bytes > recentBytes {
		p.bytes -= int64(p.recent[over].Size()) + eventOverhead
		over++
	}
	p.recent = slices.Delete(p.recent, 0, over)
	close(p.grown)
	p.grown = make(chan struct{})
}

// poll returns recent events from memory and older ones from the file.
func (p *diskPartition) poll(next int64, limit int, now time.Time) ([]*Event, int64, <-chan struct{}, error) {
	for {
		events, from, upTo, grown, err := p.pollRecent(next, max(limit, 1), now)
		if err != nil || len(events) > 0 || from == upTo {
			return events, from + int64(len(events)), grown, err
		}
		if events, err = p.read(from, upTo); err != nil || len(events) > 0 {
			return events, from + int64(len(events)), grown, err
		}
		next = upTo // they were removed meanwhile
	}
}

// pollRecent returns the events in memory from number next on, or which are to be read from the file instead.
func (p *diskPartition) pollRecent(next int64, limit int, now time.Time) (_ []*Event, from, upTo int64, grown <-chan struct{}, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.trim(now); err != nil {
		return nil, next, next, nil, err
	}
	next = max(next, p.first)
	if next >= p.end {
		return nil, next, next, p.grown, nil
	}
	begin := p.end - int64(len(p.recent))
	if next < begin {
		return nil, next, min(begin, next+int64(limit)), p.grown, nil
	}
	run := p.recent[next-begin:]
	return slices.Clone(run[:min(len(run), limit)]), next, next, p.grown, nil
}

// read reads the events from a number up to another from the file. It ends early after loadBytes, and is empty when all
// have been removed.
func (p *diskPartition) read(from, upTo int64) (events []*Event, err error) {
	err = p.log.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(p.bucket).Cursor()
		size := 0
		for key, record := c.Seek(keyOf(from)); key != nil && size < loadBytes; key, record = c.Next() {
			n := numberOf(key)
			if n >= upTo || len(events) == 0 && n != from {
				return nil
			}
			e, err := readRecord(record, n)
			if err != nil {
				return p.readError(n, err)
			}
			events = append(events, e)
			size += len(record)
		}
		return nil
	})
	return events, err
}

func (p *diskPartition) seek(from Position, now time.Time) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.trim(now); err != nil {
		return 0, err
	}
	switch from.kind {
	case fromLatest:
		return p.end, nil
	case fromSequence:
		return max(from.sequence, p.first), nil
	case fromOffset:
		offset, err := from.bytes(p.newest.offset + p.newest.size)
		if err != nil {
			return 0, err
		}
		n, _, err := p.find(func(_ int64, h head) bool { return h.offset > offset })
		return n, err
	case fromTime:
		n, _, err := p.find(func(_ int64, h head) bool { return h.enqueued.After(from.time) })
		return n, err
	default:
		return p.first, nil
	}
}

func (p *diskPartition) info(now time.Time) (PartitionInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.trim(now)
	info := PartitionInfo{
		BeginSequence:    p.first,
		LastSequence:     p.end - 1,
		LastOffset:       "-1",
		LastEnqueuedTime: p.newest.enqueued,
		Empty:            p.first == p.end,
	}
	if p.newest.size > 0 {
		info.LastOffset = strconv.FormatInt(p.newest.offset, 10)
	}
	return info, err
}

// trim moves first to the oldest event within the bounds. The caller holds mu.
func (p *diskPartition) trim(now time.Time) error {
	if p.first == p.end || !p.exceeds(p.first, p.oldest, now) {
		return nil
	}
	first, oldest, err := p.find(func(n int64, h head) bool { return !p.exceeds(n, h, now) })
	if err != nil {
		return err
	}
	p.first, p.oldest = first, oldest
	begin := p.end - int64(len(p.recent))
	for n := begin; n < first; n++ {
		p.bytes -= int64(p.recent[n-begin].Size()) + eventOverhead
	}
	p.recent = slices.Delete(p.recent, 0, int(max(first-begin, 0)))
	return nil
}

// clear is called with the log's turn.
func (p *diskPartition) clear() {
	p.stored, p.unsure = 0, false
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first, p.end, p.oldest, p.newest = 0, 0, head{}, head{}
	p.recent, p.bytes = nil, 0
}

func (p *diskPartition) exceeds(n int64, h head, now time.Time) bool {
	return p.newest.offset+p.newest.size-h.offset > p.retention.Bytes ||
		p.end-n > int64(p.retention.Events) ||
		now.Sub(h.enqueued) > p.retention.Age
}

// find returns the first kept event that matches, when all behind a match match too; end when none does.
func (p *diskPartition) find(match func(n int64, h head) bool) (n int64, found head, err error) {
	err = p.log.view(func(tx *bolt.Tx) (broken error) {
		b := tx.Bucket(p.bucket)
		at := func(n int64) head {
			h, err := readHead(b.Get(keyOf(n)))
			if err != nil {
				broken = p.readError(n, err)
			}
			return h
		}
		n = p.first + int64(sort.Search(int(p.end-p.first), func(i int) bool {
			n := p.first + int64(i)
			return match(n, at(n))
		}))
		if n < p.end {
			found = at(n)
		}
		return broken
	})
	return n, found, err
}

func (p *diskPartition) readError(n int64, err error) error {
	return fmt.Errorf("read %s: %s, sequence number %d: %w", p.log.path, p.bucket, n, err)
}
