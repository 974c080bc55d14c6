package iothub

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrPosition means a reader asked for a position that is no position.
var ErrPosition = errors.New("bad position")

// Position is where a reader starts in a partition. The zero Position is the oldest event kept.
type Position struct {
	kind      positionKind
	sequence  int64
	offset    string
	inclusive bool // of the offset
	time      time.Time
}

type positionKind uint8

const (
	fromEarliest positionKind = iota
	fromLatest
	fromOffset
	fromSequence
	fromTime
)

// Earliest starts at the oldest event kept.
func Earliest() Position { return Position{} }

// Latest starts with the next event that comes in.
func Latest() Position { return Position{kind: fromLatest} }

// AfterOffset starts after the event with this offset. "-1" is Earliest and "@latest" is Latest, as the Event Hubs
// clients write them (read, tried).
func AfterOffset(offset string) Position {
	switch offset {
	case "-1":
		return Earliest()
	case "@latest":
		return Latest()
	}
	return Position{kind: fromOffset, offset: offset}
}

// AtOffset starts with the event that has this offset, or the first one after it.
func AtOffset(offset string) Position {
	p := AfterOffset(offset)
	p.inclusive = true
	return p
}

// AtSequence starts with the event that has this sequence number.
func AtSequence(number int64) Position { return Position{kind: fromSequence, sequence: number} }

// AfterSequence starts after the event with this sequence number.
func AfterSequence(number int64) Position { return AtSequence(number + 1) }

// AfterEnqueuedTime starts with the first event enqueued after t.
func AfterEnqueuedTime(t time.Time) Position { return Position{kind: fromTime, time: t} }

// String names the position for logs and errors.
func (p Position) String() string {
	switch p.kind {
	case fromLatest:
		return "latest"
	case fromOffset:
		return "offset " + strconv.Quote(p.offset)
	case fromSequence:
		return fmt.Sprintf("sequence number %d", p.sequence)
	case fromTime:
		return "enqueued after " + p.time.UTC().Format(time.RFC3339Nano)
	default:
		return "earliest"
	}
}

// bytes is the offset behind which a fromOffset position is. End is the offset of the next event: a hub refuses what is not
// below it, and tells the last offset that it has (read: what users of Event Hubs report).
func (p Position) bytes(end int64) (int64, error) {
	n, err := strconv.ParseInt(p.offset, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: offset %q is none of this event hub's", ErrPosition, p.offset)
	case n >= end:
		return 0, fmt.Errorf("%w: offset %d is beyond the end of the partition, %d", ErrPosition, n, end)
	case p.inclusive:
		n--
	}
	return n, nil
}
