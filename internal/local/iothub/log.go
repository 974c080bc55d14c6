package iothub

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"
)

// partition keeps the events of one partition. It is the seam to where events are kept: in memory or on disk.
type partition interface {
	// append puts the event behind all that were appended before. It has its number, offset and enqueued time, and
	// readers see it, once the batch is written; a nil batch is.
	append(e *Event, now time.Time) *batch
	// poll returns up to limit events from number next on, the number to go on with, and a channel that is closed
	// when the next event comes in.
	poll(next int64, limit int, now time.Time) (events []*Event, after int64, grown <-chan struct{}, err error)
	// seek turns a position into the number of the first event to read.
	seek(p Position, now time.Time) (int64, error)
	info(now time.Time) (PartitionInfo, error)
	// clear makes the partition a new one, after whoever keeps the events elsewhere has dropped them.
	clear()
}

// Retention bounds one partition's log. The oldest events go first; a zero field has its default.
type Retention struct {
	Bytes  int64         // of events with what they take besides; default 256 MiB, some 300 000 small events
	Events int           // default 1 000 000
	Age    time.Duration // default 24 hours
}

func (r Retention) orDefault() Retention {
	if r.Bytes <= 0 {
		r.Bytes = 256 << 20
	}
	if r.Events <= 0 {
		r.Events = 1_000_000
	}
	if r.Age <= 0 {
		r.Age = 24 * time.Hour
	}
	return r
}

// PartitionInfo is the state of a partition as Event Hubs reports it.
type PartitionInfo struct {
	// BeginSequence is the number of the oldest event kept, or of the next one when there is none.
	BeginSequence int64
	// LastSequence is the number of the newest event ever enqueued; one less than the first number when none was.
	LastSequence int64
	// LastOffset is the offset of that event, "-1" when there was none.
	LastOffset string
	// LastEnqueuedTime is when it was enqueued; zero when there was none.
	LastEnqueuedTime time.Time
	// Empty says that no event is kept.
	Empty bool
}

// Partitions is the number of partitions; they are named "0", "1" and so on.
func (h *Hub) Partitions() int { return len(h.partitions) }

// PartitionOf is the partition of all messages of a device and its modules: a hash (FNV-1a) of the device id.
func (h *Hub) PartitionOf(device string) int {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(device))
	return int(sum.Sum32() % uint32(len(h.partitions)))
}

// PartitionInfo describes one partition; ErrNotFound when there is none of that number.
func (h *Hub) PartitionInfo(partition int) (PartitionInfo, error) {
	p, err := h.partition(partition)
	if err != nil {
		return PartitionInfo{}, err
	}
	return p.info(h.clock())
}

// Seek turns a position into the number of the first event to read, for Poll and Read. A position before the oldest
// event kept is the oldest one; a number or a time after the newest waits for it, an offset is refused. Errors: ErrNotFound, ErrPosition.
func (h *Hub) Seek(partition int, from Position) (next int64, err error) {
	p, err := h.partition(partition)
	if err != nil {
		return 0, err
	}
	return p.seek(from, h.clock())
}

// Poll returns at once, with up to limit events from number next on and the number to go on with. When it returns none,
// wait for the channel, which is closed when the partition's next event comes in, and ask again.
func (h *Hub) Poll(partition int, next int64, limit int) (events []*Event, after int64, grown <-chan struct{}, err error) {
	p, err := h.partition(partition)
	if err != nil {
		return nil, next, nil, err
	}
	return p.poll(next, limit, h.clock())
}

// Read is Poll that waits for at least one event, or for the end of ctx.
func (h *Hub) Read(ctx context.Context, partition int, next int64, limit int) (events []*Event, after int64, err error) {
	for {
		events, after, grown, err := h.Poll(partition, next, limit)
		if err != nil || len(events) > 0 {
			return events, after, err
		}
		select {
		case <-ctx.Done():
			return nil, after, ctx.Err()
		case <-grown:
			next = after
		}
	}
}

func (h *Hub) partition(number int) (partition, error) {
	if number < 0 || number >= len(h.partitions) {
		return nil, fmt.Errorf("partition %d: %w: the hub has %d", number, ErrNotFound, len(h.partitions))
	}
	return h.partitions[number], nil
}
