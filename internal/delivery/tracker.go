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
	open      []account  // a ring of those from head to next, found by number; its length is a power of two
	head      int64      // number of the oldest message that is not behind the watermark
	next      int64      // number of the next message to begin
	last      Checkpoint // of the message that began last
	watermark Checkpoint
	moved     bool // watermark was set since the start
	counts    Counts
	idle      chan struct{} // closed when nothing is in flight any more; nil if nobody waits for that
}

// leastOpen is how many messages a Tracker has room for at least.
const leastOpen = 64

// NewTracker returns the account of a partition in which nothing has happened yet.
func NewTracker() *Tracker { return &Tracker{open: make([]account, leastOpen)} }

// account is what is known of a message that has begun.
type account struct {
	at      Checkpoint
	ended   bool
	settled bool // ended, and a checkpoint may pass it
}

// Receipt stands for one message until it is settled.
type Receipt struct {
	tracker *Tracker
	number  int64 // of the message, counted from the tracker's first
}

// Begin opens the account of the partition's next message.
func (t *Tracker) Begin(at Checkpoint) Receipt {
	t.mu.Lock()
	if t.next-t.head == int64(len(t.open)) {
		t.resize(2 * len(t.open))
	}
	r := Receipt{t, t.next}
	*t.account(t.next) = account{at: at}
	t.next++
	t.last = at
	t.counts.Received++
	t.counts.InFlight++
	t.mu.Unlock()
	return r
}

// account returns the place of a message's account.
func (t *Tracker) account(number int64) *account { return &t.open[int(number)&(len(t.open)-1)] }

// pass takes the oldest message's account away. Room that a burst took is given back.
func (t *Tracker) pass() {
	*t.account(t.head) = account{}
	t.head++
	if size := len(t.open); size > leastOpen && t.next-t.head < int64(size/8) {
		t.resize(size / 2)
	}
}

func (t *Tracker) resize(size int) {
	resized := make([]account, size)
	for n := t.head; n < t.next; n++ {
		resized[int(n)&(size-1)] = *t.account(n)
	}
	t.open = resized
}

// Settle ends the message's account with its result. Only the first call counts; the return value
// tells whether this was it.
func (r Receipt) Settle(result Result) bool {
	t := r.tracker
	t.mu.Lock()
	first := t.settle(r.number, result)
	t.mu.Unlock()
	return first
}

func (t *Tracker) settle(number int64, result Result) (first bool) {
	if number < t.head {
		return false
	}
	a := t.account(number)
	if a.ended {
		return false
	}
	a.ended, a.settled = true, result != Withdrawn
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
	if t.counts.InFlight == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
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
	if t.head == t.next {
		return Checkpoint{}, false
	}
	return t.account(t.head).at, true
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
	if t.head < t.next {
		s.Oldest = t.account(t.head).at
	}
	return s
}

// Idle returns a channel that is closed once nothing is in flight any more.
func (t *Tracker) Idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle != nil {
		return t.idle
	}
	idle := make(chan struct{})
	if t.counts.InFlight == 0 {
		close(idle)
	} else {
		t.idle = idle
	}
	return idle
}
