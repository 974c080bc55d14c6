package iothub

import (
	"sort"
	"strconv"
	"sync"
	"time"
)

// memoryPartition keeps the events of a partition in memory, for a hub without a folder.
type memoryPartition struct {
	retention Retention

	mu     sync.Mutex
	events []kept
	first  int64         // number of events[0], or of the next event when there is none
	offset int64         // of the next event, in bytes
	bytes  int64         // of the kept events
	grown  chan struct{} // closed and replaced when an event is appended

	last       time.Time // enqueued time of the newest event
	lastOffset string
}

type kept struct {
	event  *Event
	offset int64
	size   int64
}

// eventOverhead is what an event counts beyond its content, in bytes: about the memory it takes besides.
const eventOverhead = 768

func newMemoryPartition(retention Retention) *memoryPartition {
	return &memoryPartition{
		retention:  retention.orDefault(),
		grown:      make(chan struct{}),
		lastOffset: "-1",
	}
}

func (p *memoryPartition) append(e *Event, now time.Time) *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.last) {
		now = p.last // enqueued times of a partition never go back, whatever the clock does
	}
	k := kept{event: e, offset: p.offset, size: int64(e.Size()) + eventOverhead}
	e.SequenceNumber = p.end()
	e.Offset = strconv.FormatInt(k.offset, 10)
	e.EnqueuedTime = now
	p.events = append(p.events, k)
	p.offset += k.size
	p.bytes += k.size
	p.last, p.lastOffset = now, e.Offset
	p.trim(now)
	close(p.grown)
	p.grown = make(chan struct{})
	return nil
}

func (p *memoryPartition) poll(next int64, limit int, now time.Time) ([]*Event, int64, <-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trim(now)
	next = max(next, p.first)
	if next >= p.end() {
		return nil, next, p.grown, nil
	}
	run := p.events[next-p.first:]
	run = run[:min(len(run), max(limit, 1))]
	events := make([]*Event, len(run))
	for i, k := range run {
		events[i] = k.event
	}
	return events, next + int64(len(run)), p.grown, nil
}

func (p *memoryPartition) seek(from Position, now time.Time) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trim(now)
	switch from.kind {
	case fromLatest:
		return p.end(), nil
	case fromSequence:
		return max(from.sequence, p.first), nil
	case fromOffset:
		offset, err := from.bytes(p.offset)
		if err != nil {
			return 0, err
		}
		return p.firstWhere(func(k kept) bool { return k.offset > offset }), nil
	case fromTime:
		return p.firstWhere(func(k kept) bool { return k.event.EnqueuedTime.After(from.time) }), nil
	default:
		return p.first, nil
	}
}

func (p *memoryPartition) info(now time.Time) (PartitionInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trim(now)
	return PartitionInfo{
		BeginSequence:    p.first,
		LastSequence:     p.end() - 1,
		LastOffset:       p.lastOffset,
		LastEnqueuedTime: p.last,
		Empty:            len(p.events) == 0,
	}, nil
}

// end is the number the next event will have.
func (p *memoryPartition) end() int64 { return p.first + int64(len(p.events)) }

func (p *memoryPartition) firstWhere(match func(kept) bool) int64 {
	return p.first + int64(sort.Search(len(p.events), func(i int) bool { return match(p.events[i]) }))
}

// trim drops the oldest events that are over the bounds.
func (p *memoryPartition) trim(now time.Time) {
	over := 0
	for over < len(p.events) && p.exceeds(over, now) {
		p.bytes -= p.events[over].size
		over++
	}
	clear(p.events[:over]) // lets go of the events before the slice is copied
	p.events = p.events[over:]
	p.first += int64(over)
}

func (p *memoryPartition) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events, p.first, p.offset, p.bytes = nil, 0, 0, 0
	p.last, p.lastOffset = time.Time{}, "-1"
}

func (p *memoryPartition) exceeds(i int, now time.Time) bool {
	return p.bytes > p.retention.Bytes ||
		len(p.events)-i > p.retention.Events ||
		now.Sub(p.events[i].event.EnqueuedTime) > p.retention.Age
}
