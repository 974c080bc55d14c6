package hub

import (
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/internal/delivery"
)

// Position is where in a partition to begin. The zero value is the earliest message the hub still has:
// the one that loses nothing.
type Position struct {
	kind     kind
	offset   string
	sequence int64
	time     time.Time
}

type kind uint8

const (
	earliest kind = iota
	latest
	after
	at
	from
)

// Earliest begins with the oldest message the hub still has.
func Earliest() Position { return Position{} }

// Latest begins with the messages that arrive from now on.
func Latest() Position { return Position{kind: latest} }

// After begins with the message behind a checkpoint.
func After(c delivery.Checkpoint) Position { return Position{kind: after, offset: c.Offset} }

// At begins with the first message that the hub took at or after a time.
func At(t time.Time) Position { return Position{kind: at, time: t.UTC()} }

// From begins with the message of a sequence number, or the next one there is.
func From(sequence int64) Position { return Position{kind: from, sequence: sequence} }

// String is "earliest", "latest", "after offset 37344", "from sequence 41" or "at 2026-11-22T20:00:00Z".
func (p Position) String() string {
	switch p.kind {
	case latest:
		return "latest"
	case after:
		return "after offset " + p.offset
	case from:
		return fmt.Sprintf("from sequence %d", p.sequence)
	case at:
		return "at " + p.time.Format(time.RFC3339)
	}
	return "earliest"
}

func (p Position) start() azeventhubs.StartPosition {
	yes := true
	switch p.kind {
	case latest:
		return azeventhubs.StartPosition{Latest: &yes}
	case after:
		return azeventhubs.StartPosition{Offset: &p.offset}
	case from:
		return azeventhubs.StartPosition{SequenceNumber: &p.sequence, Inclusive: true}
	case at:
		return azeventhubs.StartPosition{EnqueuedTime: &p.time, Inclusive: true}
	}
	return azeventhubs.StartPosition{Earliest: &yes}
}
