package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// Manager keeps the leases of one hub's partitions. Its methods may be called from many goroutines.
type Manager struct {
	o     Options
	hurry chan struct{} // something has changed: look soon
	turn  chan struct{} // has one element while somebody speaks to the store, whose answers must not overtake each other

	mu         sync.Mutex
	partitions []string
	all        map[string]*partition

	// Of whoever has the turn.
	failing  map[string]time.Time // since when calls for a partition fail; "" for the list
	looked   time.Time            // when the last list was asked for, monotonic
	told     time.Time            // what the clock of the store was then
	patient  time.Time            // until when no record counts as expired, monotonic
	stealing time.Time            // when a partition was last taken from its owner
}

// New makes a Manager for the partitions of a hub. It does nothing until Run.
func New(o Options, partitions []string) (*Manager, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	return &Manager{
		o: o, hurry: make(chan struct{}, 1), turn: make(chan struct{}, 1), partitions: slices.Clone(partitions),
		all: map[string]*partition{}, failing: map[string]time.Time{},
	}, nil
}

// Grow adds those of the hub's partitions that are new: a hub gets more, never fewer.
func (m *Manager) Grow(partitions []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range partitions {
		if !slices.Contains(m.partitions, id) {
			m.partitions = append(m.partitions, id)
		}
	}
}

// Run keeps the leases until ctx ends, and then renews those that are held until they are released, for the time of
// Grace: give it the context of those who read. A store that fails ends nothing; the error is always nil.
func (m *Manager) Run(ctx context.Context) error {
	m.loop(ctx, func() bool { return true })
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.Grace)
	defer cancel()
	m.loop(draining, m.holdsAny)
	return nil
}

// loop makes rounds while there is more to do: one an interval, and sooner when something has changed.
func (m *Manager) loop(ctx context.Context, more func() bool) {
	due := time.Now().Add(m.jittered(m.o.Interval / 10)) // by then the readers have asked for their partitions
	for more() {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
			pause := m.o.Interval
			if m.round(ctx) {
				pause /= 10
			}
			due = time.Now().Add(m.jittered(pause))
		case <-m.hurry:
			if soon := time.Now().Add(m.jittered(m.o.Interval / 10)); soon.Before(due) {
				due = soon
			}
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (m *Manager) jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + m.o.Jitter*(2*m.o.Random.Float64()-1)))
}

// round looks at the records, renews what is held and claims what is due. It reports whether a free partition was
// gained, so that there may be more.
func (m *Manager) round(ctx context.Context) (more bool) {
	if m.take(ctx) != nil {
		return false
	}
	defer m.give()
	m.lapse()
	v, failed := m.look(ctx)
	if refused := m.renew(ctx); refused {
		// Somebody else has it, or the answer to an earlier renewal was lost and the record is newer than we knew.
		if v, failed = m.look(ctx); failed == nil {
			m.renew(ctx)
		}
	}
	if failed != nil {
		return false
	}
	return m.claim(ctx, v)
}

// look lists the records, and ends the reading of what others have.
func (m *Manager) look(ctx context.Context) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.Interval)
	defer cancel()
	sent := time.Now()
	list, now, err := m.o.Store.Ownerships(ctx)
	m.note("", err)
	if err != nil {
		return view{}, fmt.Errorf("list leases: %w", err)
	}
	if drift := now.Sub(m.told) - sent.Sub(m.looked); !m.looked.IsZero() && drift.Abs() > m.o.Expiry/2 {
		m.wait() // the clock of the store was set: ages mean nothing until everybody has renewed
	}
	m.looked, m.told = sent, now
	v := view{
		me: m.o.ID, records: map[string]delivery.Ownership{}, now: now, expiry: m.o.Expiry,
		steal:  m.stealing.IsZero() || sent.Sub(m.stealing) >= m.o.Interval/2,
		wanted: map[string]bool{},
	}
	for _, r := range list {
		v.records[r.Partition] = r
	}
	m.compare(&v)
	return v, nil
}

// compare brings what is known here and the records of a view together.
func (m *Manager) compare(v *view) {
	m.mu.Lock()
	v.partitions = slices.Clone(m.partitions)
	taken := map[string]string{}
	for _, id := range v.partitions {
		p := m.of(id)
		p.record = v.records[id] // without a Version if somebody deleted it: then the next renewal makes it anew
		v.wanted[id] = p.lost != nil && !p.held
		if p.held && p.record.Owner != m.o.ID && p.record.Owner != "" {
			taken[id] = p.record.Owner
		}
	}
	m.mu.Unlock()
	for id, by := range taken {
		m.end(id, Taken, fmt.Errorf("partition %s: %w: %s", id, ErrTaken, by))
	}
}

// renew renews what is held and was not renewed lately. It reports whether the store refused one.
func (m *Manager) renew(ctx context.Context) (refused bool) {
	for _, o := range m.due() {
		sent := time.Now()
		got, ok, err := m.write(ctx, o)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return refused // the others would wait as long for a store that does not answer
		case err != nil:
		case !ok:
			refused = true
		default:
			m.renewed(got, sent)
		}
	}
	return refused
}

// claim claims what the balance says.
func (m *Manager) claim(ctx context.Context, v view) (more bool) {
	v.patient = time.Now().Before(m.patient)
	d := v.plan(m.o.Random)
	for _, o := range d.claims {
		if d.want == 0 {
			break
		}
		sent := time.Now()
		got, ok, err := m.write(ctx, o)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil || !ok {
			continue
		}
		d.want--
		how := v.how(o.Partition)
		if how == Stolen {
			m.stealing = sent
		}
		more = more || how != Stolen
		m.gain(ctx, got, sent, how)
	}
	return more
}

func (v view) how(partition string) How {
	switch r := v.records[partition]; {
	case r.Owner == v.me:
		return Ours
	case r.Owner == "":
		return Free
	case v.free(r):
		return Expired
	}
	return Stolen
}

// gain hands a partition to the reader that waits for it.
func (m *Manager) gain(ctx context.Context, got delivery.Ownership, sent time.Time, how How) {
	m.mu.Lock()
	p := m.of(got.Partition)
	p.record = got
	if p.lost == nil { // the reader has gone in the meantime
		m.mu.Unlock()
		_, _, _ = m.write(ctx, delivery.Ownership{Partition: got.Partition, Version: got.Version}) // else it expires
		return
	}
	p.held, p.proven, p.level, p.fresh = true, sent, Level(got), newFreshness(sent.Add(m.trusted()))
	close(p.granted)
	m.mu.Unlock()
	m.o.Meter.LeaseGained(got.Partition, how)
	m.o.Log.Info("partition is ours", "event", "lease-gained", "hub", m.o.Hub, "partition", got.Partition, "how", string(how))
}

func (m *Manager) renewed(got delivery.Ownership, sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(got.Partition)
	p.record, p.proven = got, sent
	p.fresh.extend(sent.Add(m.trusted()))
}

// end ends the reading of a partition.
func (m *Manager) end(id string, how How, why error) {
	m.mu.Lock()
	p := m.of(id)
	held, lost := p.held, p.lost
	p.held, p.lost = false, nil
	m.mu.Unlock()
	if !held {
		return
	}
	lost(why)
	m.o.Meter.LeaseLost(id, how)
	if how == Released {
		m.o.Log.Info("partition is given up", "event", "lease-released", "hub", m.o.Hub, "partition", id)
		return
	}
	m.o.Log.Warn("partition is not ours any more", "event", "lease-lost", "hub", m.o.Hub, "partition", id,
		"how", string(how), "error", why)
}

// write writes a record, within the time of an interval.
func (m *Manager) write(ctx context.Context, o delivery.Ownership) (delivery.Ownership, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.Interval)
	defer cancel()
	got, ok, err := m.o.Store.Claim(ctx, o)
	m.note(o.Partition, err)
	return got, ok, err
}

// note hears how a call to the store ended: for a partition, or the list if it is "".
func (m *Manager) note(partition string, err error) {
	since, failing := m.failing[partition]
	if err != nil {
		m.awake()
		m.o.Meter.LeaseFailed(partition)
		if !failing {
			m.failing[partition] = time.Now()
			m.o.Log.Warn("the store of leases fails; what is read is read on, without checkpoints once a lease is too old",
				"event", "lease-store-failing", "hub", m.o.Hub, "partition", partition, "error", err, "hint", fault.HintOf(err))
		}
		return
	}
	if !failing {
		return
	}
	delete(m.failing, partition)
	m.o.Log.Info("the store of leases answers again", "event", "lease-store-ok", "hub", m.o.Hub, "partition", partition)
	if time.Since(since) > m.o.Expiry/2 {
		m.wait() // the others could not renew either: they come before their partitions count as free
	}
}

// wait has no record count as expired until every connector has had a round.
func (m *Manager) wait() { m.patient = time.Now().Add(5 * m.o.Interval / 2) }

// due returns the claims that renew what is held and was not renewed within the shortest pause between two rounds.
func (m *Manager) due() (due []delivery.Ownership) {
	least := time.Duration(float64(m.o.Interval) * (1 - m.o.Jitter))
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range m.partitions {
		if p := m.of(id); p.held && time.Since(p.proven) >= least {
			due = append(due, delivery.Ownership{Partition: id, Owner: m.o.ID, Version: p.record.Version})
		}
	}
	return due
}

func (m *Manager) holdsAny() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.partitions, func(id string) bool { return m.of(id).held })
}

func (m *Manager) holds(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(id).held
}

// of returns what is known of a partition. The caller has mu.
func (m *Manager) of(id string) *partition {
	p := m.all[id]
	if p == nil {
		p = &partition{}
		m.all[id] = p
	}
	return p
}

func (m *Manager) soon() {
	select {
	case m.hurry <- struct{}{}:
	default: // it will look anyway
	}
}

func (m *Manager) take(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) give() { <-m.turn }
