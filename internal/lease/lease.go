// Package lease decides which partitions of a hub this connector reads, and proves that it still may.
//
// Connectors that share a consumer group keep one record a partition in a store that all of them reach. balance.go
// decides, from the records alone, what to claim; a Manager (manager.go) renews, claims and loses; whoever reads a
// partition asks for it with Acquire (reader.go), asks Held before each checkpoint, and Fresh before each message.
//
// Three things keep two connectors from harming each other, and none trusts a local clock. A record is judged by the
// clock of the store. What this process holds is judged by its monotonic clock, which runs on while the process is
// stopped. And the hub cuts the reader of an older claim: see Level.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// Store keeps one record a partition. Its methods may be called from many goroutines.
type Store interface {
	// Ownerships lists the records there are, and what the clock of the store says now.
	Ownerships(ctx context.Context) (list []delivery.Ownership, now time.Time, err error)
	// Claim writes a record, if the stored one still has its Version ("": if there is none), and returns it as stored;
	// false if somebody else was faster. An Owner of "" gives the partition up. After an error the record may be written.
	Claim(ctx context.Context, o delivery.Ownership) (delivery.Ownership, bool, error)
}

// How is by what a partition was gained, or why it was lost: fit for a metric label.
type How string

// The ways of a partition.
const (
	Free     How = "free"     // gained: nobody had it, or it was given up
	Expired  How = "expired"  // gained: its owner did not renew it in time
	Stolen   How = "stolen"   // gained: its owner had more than its share
	Ours     How = "ours"     // gained: the record was ours already, of a claim whose answer was lost
	Taken    How = "taken"    // lost: another connector has it
	Lapsed   How = "lapsed"   // lost: this process was stopped past the end of its lease
	Released How = "released" // lost: given up after the last checkpoint
	Dropped  How = "dropped"  // lost: given up, but the store did not hear of it; it expires
)

// Meter counts what happens to leases. Its methods must not block.
type Meter interface {
	LeaseGained(partition string, how How)
	LeaseLost(partition string, how How)
	// LeaseFailed counts a call to the store that failed: of the list if partition is "".
	LeaseFailed(partition string)
}

// Options say how leases are kept. Every field without another word is needed.
type Options struct {
	Store Store
	Hub   string // the hub Thing, for the log
	// ID is this process, as others see it: no other process has it, nor had an earlier run of this one.
	ID       string
	Interval time.Duration // between two renewals of a partition, and between two looks at the others
	Expiry   time.Duration // age at which a record is free for anyone: at least three times Interval, and the same everywhere
	// Margin is how long before its expiry a lease is not believed any more, 0 for 2 s: stores tell times in whole
	// seconds, and a checkpoint takes a moment to write.
	Margin time.Duration
	Jitter float64       // share of Interval by which rounds vary, 0 for 0.2
	Grace  time.Duration // how long after a stop leases are renewed for those who still drain: their drain timeout and a bit
	Random *rand.Rand    // nil: from the system
	Meter  Meter
	Log    *slog.Logger
}

func (o *Options) complete() error {
	if o.Margin == 0 {
		o.Margin = 2 * time.Second
	}
	if o.Jitter == 0 {
		o.Jitter = 0.2
	}
	if o.Random == nil {
		o.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	var cause error
	switch {
	case o.ID == "":
		cause = errors.New("the process has no id")
	case o.Interval <= 0 || o.Margin < 0 || o.Jitter < 0 || o.Jitter >= 1:
		cause = fmt.Errorf("interval %s, margin %s and jitter %g", o.Interval, o.Margin, o.Jitter)
	case o.Expiry < 3*o.Interval || o.Expiry-o.Margin < 2*o.Interval:
		cause = fmt.Errorf("an expiry of %s leaves no second try to an interval of %s", o.Expiry, o.Interval)
	default:
		return nil
	}
	return &fault.Problem{Op: "keep leases", Class: fault.Fatal, Cause: cause,
		Hint: "the expiry is at least three intervals, and two of them fit before it less the margin"}
}

// ErrTaken is why a partition is lost: another connector has it.
var ErrTaken = errors.New("another connector reads it")

// ErrLapsed is why a partition is lost of which nobody knows who has it.
var ErrLapsed = errors.New("this process was stopped for longer than its lease lasts")

// ErrNotHeld is why a checkpoint must not be written.
var ErrNotHeld = errors.New("the lease of the partition is not held")

// Level gives the owner level (epoch) with which the partition of a claim is opened at the hub: when the claim was
// made, in milliseconds by the clock of the store. The hub cuts a reader when one with the same or a higher level comes,
// and refuses one whose level is below that of the reader it has. With one level for all, the newest link wins: a reader
// that was stopped for a while, wakes and reconnects would cut the new owner, which would cut it, until one of them looks
// into the store. With a level that rises from claim to claim, whoever claimed last wins, in whatever order they connect.
// All openings of one claim have the same level, so that a new link cuts this process's own old one.
func Level(claim delivery.Ownership) int64 { return claim.Renewed.UnixMilli() }
