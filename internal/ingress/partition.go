package ingress

import (
	"context"
	"fmt"
	"sync"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// Partition is one partition of a hub and its pump.
type Partition struct {
	ID    string
	Start delivery.Start // where to begin when nothing was received yet
	Pump  *Pump

	mu      sync.Mutex
	saved   delivery.Checkpoint // last one stored
	savedAt time.Time
	attempt int // which opening this is
	reading bool
	err     error
}

// SavedAt returns when a checkpoint was stored last; the zero time if none was yet.
func (p *Partition) SavedAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.savedAt
}

func (p *Partition) setSaved(at delivery.Checkpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved, p.savedAt = at, time.Now()
}

// State tells whether the partition is being read, and the last error if it is not.
func (p *Partition) State() (reading bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reading, p.err
}

// begin starts an attempt to read, which is not known to work yet.
func (p *Partition) begin() (attempt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempt++
	return p.attempt
}

// works notes that an attempt has read, or at least stood, for a while; it returns whether that is news.
func (p *Partition) works(attempt int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attempt != attempt || p.reading {
		return false
	}
	p.reading, p.err = true, nil
	return true
}

// failed notes that the attempt has ended; it returns whether that is news.
func (p *Partition) failed(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := p.reading || p.err == nil
	p.attempt++
	p.reading, p.err = false, err
	return news
}

// next is where reading goes on: behind what is already in flight.
func (p *Partition) next() delivery.Start {
	if last, ok := p.Pump.Tracker.Last(); ok {
		return delivery.Start{After: &last}
	}
	return p.Start
}

// keepOpen reads a partition until ctx ends, opening it again after every failure.
func (f *Flow) keepOpen(ctx context.Context, p *Partition) error {
	retry := fault.Backoff{Min: 200 * time.Millisecond, Max: 15 * time.Second}
	for {
		before, _ := p.Pump.Tracker.Last()
		err := f.read(ctx, p)
		if ctx.Err() != nil {
			p.failed(ctx.Err())
			return nil
		}
		if fault.ClassOf(err) == fault.Fatal {
			return err
		}
		f.Meter.ReceiveFailed(f.HubThing, p.ID)
		if p.failed(err) {
			f.Log.Warn("partition is not being read; trying again", "event", "partition-lost",
				"hub", f.HubThing, "partition", p.ID, "error", err, "hint", fault.HintOf(err))
			if f.Lost != nil {
				f.Lost(p.ID, err)
			}
		}
		if after, _ := p.Pump.Tracker.Last(); after != before {
			retry.Reset()
		}
		if retry.Pause(ctx) != nil {
			return nil
		}
	}
}

// steadyAfter is how long a partition has to stay open to count as read: a source connects when it first
// receives, and then waits for as long as there are no messages.
const steadyAfter = time.Second

// read opens the partition and pumps until it fails.
func (f *Flow) read(ctx context.Context, p *Partition) error {
	from := p.next()
	source, err := f.Hub.Open(ctx, p.ID, from)
	if err != nil {
		return fmt.Errorf("open partition %s: %w", p.ID, err)
	}
	defer source.Close()
	attempt := p.begin()
	steady := time.AfterFunc(steadyAfter, func() {
		if p.works(attempt) {
			f.Log.Info("reading partition", "event", "partition-open", "hub", f.HubThing, "partition", p.ID, "from", from.String())
		}
	})
	defer steady.Stop()
	return p.Pump.Run(ctx, source)
}
