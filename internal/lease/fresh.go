package lease

import (
	"sync/atomic"
	"time"
)

// freshness tells, without asking the store, whether the reader of a claim may go on: until a time by the monotonic clock
// that each renewal puts off, and each call that the store leaves unanswered or refuses. So a reader goes on while the store
// is away, and not once its process was stopped for so long that another connector may have the partition. A claim that has
// lapsed stays so: what the reader has left out since must be read again.
type freshness struct {
	since time.Time
	until atomic.Int64 // nanoseconds after since; 0 once it has lapsed
}

func newFreshness(until time.Time) *freshness {
	now := time.Now()
	f := &freshness{since: now}
	f.until.Store(max(0, int64(until.Sub(now))))
	return f
}

// holds is asked for each message.
func (f *freshness) holds() bool {
	for {
		until := f.until.Load()
		if int64(time.Since(f.since)) < until {
			return true
		}
		if until == 0 || f.until.CompareAndSwap(until, 0) {
			return false
		}
	}
}

// extend puts the end off, unless it has come.
func (f *freshness) extend(to time.Time) {
	for {
		until := f.until.Load()
		if !f.holds() || f.until.CompareAndSwap(until, max(until, int64(to.Sub(f.since)))) {
			return
		}
	}
}

// Fresh returns what tells whether messages of the partition, as it was acquired last, are still to be written: to be asked
// for each, right before. Once it says no it never says yes again, and the partition is lost.
func (m *Manager) Fresh(id string) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(id).fresh.holds
}

// trusted is how long a claim is believed without a word of the store.
func (m *Manager) trusted() time.Duration { return m.o.Expiry - m.o.Margin }

// awake puts off the end of what is held: the store does not answer, but this process has been there to ask it.
func (m *Manager) awake() {
	to := time.Now().Add(m.trusted())
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.all {
		if p.held {
			p.fresh.extend(to)
		}
	}
}

// lapse ends the reading of what is not fresh any more. It may be claimed again, like anything else.
func (m *Manager) lapse() {
	var lapsed []string
	m.mu.Lock()
	for _, id := range m.partitions {
		if p := m.of(id); p.held && !p.fresh.holds() {
			lapsed = append(lapsed, id)
		}
	}
	m.mu.Unlock()
	for _, id := range lapsed {
		m.end(id, Lapsed, ErrLapsed)
	}
}
