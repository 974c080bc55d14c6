package ingress

import (
	"context"
	"errors"
	"sync"
	"time"

	"azx/internal/delivery"
)

// Partition is one partition of a hub, held or not.
type Partition struct {
	ID    string
	Start delivery.Start // where to begin without a checkpoint

	mu      sync.Mutex
	now     *hold               // nil while it is not held
	before  []*delivery.Tracker // of earlier holds, with messages still in flight
	past    delivery.Counts     // of earlier holds with none
	savedAt time.Time
	attempt int // which opening this is
	reading bool
	err     error
	cut     context.CancelCauseFunc // ends the opening
}

// View is a partition as of now.
type View struct {
	Counts  delivery.Counts   // of all that was received since the process began
	Held    bool              // this connector may read it; if not, what follows says nothing
	Reading bool              // it stands open
	Err     error             // why it does not, if that is known
	Waiting bool              // for messages
	SavedAt time.Time         // when a checkpoint was stored last; zero if none was yet
	Start   delivery.Start    // where it began when it was acquired
	Since   delivery.Snapshot // its account since then
}

// Received is the sequence of the last message that came, else of the one behind which reading began: -1 if that was the
// earliest. It is not known if reading began at a time, or with the latest, and none has come.
func (v View) Received() (sequence int64, known bool) {
	switch {
	case v.Since.Received > 0:
		return v.Since.Last.Sequence, true
	case v.Start.After != nil:
		return v.Start.After.Sequence, true
	}
	return -1, v.Start == delivery.Start{}
}

// View returns the partition as of now.
func (p *Partition) View() View {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fold()
	v := View{Counts: p.past}
	for _, t := range p.before {
		v.Counts = v.Counts.Plus(t.Counts())
	}
	if p.now == nil {
		return v
	}
	v.Held, v.Reading, v.Err, v.Waiting = true, p.reading, p.err, p.now.waiting.Load()
	v.SavedAt, v.Start, v.Since = p.savedAt, p.now.start, p.now.pump.Tracker.Snapshot()
	v.Counts = v.Counts.Plus(v.Since.Counts)
	return v
}

// fold adds up the accounts of earlier holds that have come to their end. The caller has mu.
func (p *Partition) fold() {
	open := p.before[:0]
	for _, t := range p.before {
		if c := t.Counts(); c.InFlight == 0 {
			p.past = p.past.Plus(c)
		} else {
			open = append(open, t)
		}
	}
	clear(p.before[len(open):])
	p.before = open
}

// begin starts to hold the partition; fresh is that of Leases.
func (p *Partition) begin(pump Pump, fresh func() bool) *hold {
	pump.Tracker, pump.Fresh = delivery.NewTracker(), fresh
	h := &hold{Partition: p, pump: &pump}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.savedAt = h, time.Time{}
	p.reading, p.err = false, nil
	return h
}

// end notes that a partition is not held any more.
func (f *Flow) end(h *hold) {
	h.mu.Lock()
	h.now, h.reading = nil, false
	h.before = append(h.before, h.pump.Tracker)
	h.fold()
	h.mu.Unlock()
	f.mu.Lock()
	delete(f.unsaved, h.ID)
	f.mu.Unlock()
}

func (h *hold) startAt(at delivery.Checkpoint, found bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.start = h.Start
	if found {
		h.start, h.saved = delivery.Start{After: &at}, at
	}
}

func (h *hold) savedNow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.savedAt = time.Now()
}

// attempting starts an attempt to read, which is not known to work yet; cut ends it.
func (p *Partition) attempting(cut context.CancelCauseFunc) (attempt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempt++
	p.cut = cut
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
	p.reading, p.err, p.cut = false, err, nil
	return news
}

var errStalled = errors.New("it was silent although the hub has messages")

// Reopen has a partition opened again that is silent although the hub has messages for it.
func (f *Flow) Reopen(p *Partition) {
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	if cut == nil {
		return // it is being opened
	}
	f.Meter.Stalled(f.HubThing, p.ID)
	f.Log.Warn("partition is silent although the hub has messages for it; opening it again", "event", "partition-stalled",
		"hub", f.HubThing, "partition", p.ID)
	cut(errStalled)
}
