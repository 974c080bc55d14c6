// Package delivery keeps account of every message between the hub and its end: it hands out one
// receipt a message and knows up to where a partition is wholly settled.
package delivery

import (
	"sync"
	"sync/atomic"
	"time"
)

// Checkpoint is a position in a partition: everything up to and including it is settled.
type Checkpoint struct {
	Sequence int64     `json:"sequence"`
	Offset   string    `json:"offset"`
	Enqueued time.Time `json:"enqueued"` // enqueued time of that message, UTC
}

// Result is how a message ended.
type Result uint8

const (
	// Delivered: the platform acknowledged its values.
	Delivered Result = iota
	// Quarantined: stored with its original bytes.
	Quarantined
	// Skipped: left out by a rule, and counted.
	Skipped
	// Withdrawn: left to the next reader of the partition. No checkpoint passes it.
	Withdrawn
)

// String names the result as metrics do.
func (r Result) String() string {
	return [...]string{"delivered", "quarantined", "skipped", "withdrawn"}[r]
}

// Counts is a consistent account of one partition:
// Received = Delivered + Quarantined + Skipped + Withdrawn + InFlight.
type Counts struct {
	Received, Delivered, Quarantined, Skipped, Withdrawn, InFlight int64
}

// Plus returns the account of two together.
func (c Counts) Plus(other Counts) Counts {
	return Counts{
		Received: c.Received + other.Received, Delivered: c.Delivered + other.Delivered, Quarantined: c.Quarantined + other.Quarantined,
		Skipped: c.Skipped + other.Skipped, Withdrawn: c.Withdrawn + other.Withdrawn, InFlight: c.InFlight + other.InFlight,
	}
}

// Tracker is the account of one partition. Messages begin in the order of the partition and settle
// in any order; the watermark is the last message of the longest settled prefix.
type Tracker struct {
	withdrawn atomic.Bool

	mu        sync.Mutex
	open      []*Receipt // begun and not yet behind the watermark, oldest at head
	shelf     []Receipt  // room for the next ones: many small pieces of memory cost more than a few
	head      int
	last      Checkpoint // of the message that began last
	watermark Checkpoint
	moved     bool // watermark was set since the start
	counts    Counts
	idle      chan struct{} // closed while nothing is in flight
}

// NewTracker returns the account of a partition in which nothing has happened yet.
func NewTracker() *Tracker {
	idle := make(chan struct{})
	close(idle)
	return &Tracker{idle: idle}
}

// shelfSize is how many receipts share a piece of memory, which one that stays open keeps.
const shelfSize = 8

// Receipt stands for one message until it is settled.
type Receipt struct {
	tracker *Tracker
	at      Checkpoint
	ended   bool
	settled bool // ended, and a checkpoint may pass it
}

// Begin opens the account of the partition's next message.
func (t *Tracker) Begin(at Checkpoint) *Receipt {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts.InFlight == 0 {
		t.idle = make(chan struct{})
	}
	t.counts.Received++
	t.counts.InFlight++
	t.last = at
	if len(t.shelf) == 0 {
		t.shelf = make([]Receipt, shelfSize)
	}
	r := &t.shelf[0]
	t.shelf = t.shelf[1:]
	r.tracker, r.at = t, at
	t.open = append(t.open, r)
	return r
}

// Settle ends the message's account with its result. Only the first call counts; the return value
// tells whether this was it.
func (r *Receipt) Settle(result Result) bool {
	t := r.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.ended {
		return false
	}
	r.ended, r.settled = true, result != Withdrawn
	t.count(result)
	t.advance()
	return true
}

func (t *Tracker) count(result Result) {
	switch result {
	case Delivered:
		t.counts.Delivered++
	case Quarantined:
		t.counts.Quarantined++
	case Skipped:
		t.counts.Skipped++
	case Withdrawn:
		t.counts.Withdrawn++
	}
	t.counts.InFlight--
	if t.counts.InFlight == 0 {
		close(t.idle)
	}
}

// Withdraw leaves what is in flight to the next reader of the partition: what has not been sent yet is not wanted any more.
func (t *Tracker) Withdraw() { t.withdrawn.Store(true) }

// Wanted reports whether messages are still to be carried; see Withdraw.
func (t *Tracker) Wanted() bool { return !t.withdrawn.Load() }

// Watermark returns the position up to which every message is settled; false if none is yet.
func (t *Tracker) Watermark() (Checkpoint, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.watermark, t.moved
}

// Last returns the position of the message that began last; false if none has.
func (t *Tracker) Last() (Checkpoint, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, t.counts.Received > 0
}

// Oldest returns the position of the oldest message in flight; false if there is none.
func (t *Tracker) Oldest() (Checkpoint, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == len(t.open) {
		return Checkpoint{}, false
	}
	return t.open[t.head].at, true
}

// Counts returns the account as of now.
func (t *Tracker) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Snapshot is what a Tracker knows at one instant: its numbers and positions belong together.
type Snapshot struct {
	Counts
	Last      Checkpoint // of the message that began last, if any was received
	Oldest    Checkpoint // of the oldest message in flight, if any is
	Watermark Checkpoint // everything up to here is settled, if Moved
	Moved     bool
}

// Snapshot returns the account and its positions as of now.
func (t *Tracker) Snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Snapshot{Counts: t.counts, Last: t.last, Watermark: t.watermark, Moved: t.moved}
	if t.head < len(t.open) {
		s.Oldest = t.open[t.head].at
	}
	return s
}

// Idle returns a channel that is closed once nothing is in flight any more.
func (t *Tracker) Idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.idle
}
