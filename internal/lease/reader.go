package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// partition is what the Manager knows of one partition.
type partition struct {
	record  delivery.Ownership      // as last written or seen
	lost    context.CancelCauseFunc // ends the reading; nil: nobody waits for it or reads it
	granted chan struct{}           // closed once it may be read
	held    bool                    // the record was ours when it was last seen
	proven  time.Time               // when the request of the last successful renewal was sent, monotonic
	fresh   *freshness              // of the claim that is held, or was last
	level   int64
}

// Acquire waits until this connector may read a partition. The context it returns ends with ctx, or, with ErrTaken or ErrLapsed
// as its cause, when another connector has the partition, or may have. The reader then stops; if ctx has ended it drains, saves the last
// checkpoint, and calls Release: until then the lease is renewed. A partition has one reader at a time, and is claimed
// only while one waits for it: so nothing is owned and not read. The error is that of ctx.
func (m *Manager) Acquire(ctx context.Context, id string) (context.Context, error) {
	reading, lost := context.WithCancelCause(ctx)
	granted := make(chan struct{})
	m.mu.Lock()
	p := m.of(id)
	if p.lost != nil {
		m.mu.Unlock()
		lost(nil)
		return nil, fmt.Errorf("acquire partition %s: it has a reader", id)
	}
	p.lost, p.granted = lost, granted
	m.mu.Unlock()
	m.soon()
	select {
	case <-granted:
		return reading, nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.held {
		return reading, nil // in the same moment; the reader finds ctx ended, and gives it up
	}
	p.lost = nil
	lost(ctx.Err())
	return nil, ctx.Err()
}

// Held returns nil if a checkpoint of the partition may be written now: the last renewal that succeeded was sent less
// than the expiry ago, minus the margin. It is the fence: to be called right before each write. While the store cannot be
// reached the partition is read on, and only this fails: nobody else can claim it either.
func (m *Manager) Held(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(id)
	var cause error
	switch age := time.Since(p.proven); {
	case !p.held:
		cause = ErrNotHeld
	case age >= m.o.Expiry-m.o.Margin:
		cause = fmt.Errorf("%w: it was renewed %s ago", ErrNotHeld, age.Round(time.Millisecond))
	default:
		return nil
	}
	return &fault.Problem{Op: "use partition " + id, Class: fault.Transient, Cause: cause,
		Hint: "nothing is lost: what is not in a checkpoint is read again; can the store of leases be reached?"}
}

// Level is the owner level with which the partition is to be opened; 0 if it is not held. See the function Level.
func (m *Manager) Level(id string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.of(id); p.held {
		return p.level
	}
	return 0
}

// Doubt has the Manager look soon whether a partition is still ours: its link was cut, perhaps by a new owner.
func (m *Manager) Doubt() { m.soon() }

// Release gives a partition up, so that another connector may take it at once; ctx bounds how long that is tried. It is
// for the end, after the last checkpoint; of a partition that is not held it does nothing.
func (m *Manager) Release(ctx context.Context, id string) error {
	defer m.soon() // Run may be waiting for it
	retry := fault.Backoff{Min: 100 * time.Millisecond, Max: 2 * time.Second}
	for {
		err := m.giveUp(ctx, id)
		if err == nil {
			return nil
		}
		if retry.Pause(ctx) != nil {
			m.end(id, Dropped, context.Cause(ctx))
			return fmt.Errorf("release partition %s: %w", id, err)
		}
	}
}

var errChanged = errors.New("its record has changed")

func (m *Manager) giveUp(ctx context.Context, id string) error {
	if err := m.take(ctx); err != nil {
		return err
	}
	defer m.give()
	m.mu.Lock()
	p := m.of(id)
	held, version := p.held, p.record.Version
	m.mu.Unlock()
	if !held {
		return nil
	}
	_, ok, err := m.write(ctx, delivery.Ownership{Partition: id, Version: version})
	switch {
	case err != nil:
		return err
	case ok:
		m.end(id, Released, nil)
		return nil
	}
	if _, err := m.look(ctx); err != nil { // perhaps the answer to a renewal was lost
		return err
	}
	if m.holds(id) {
		return errChanged
	}
	return nil
}

// State is a partition as this connector sees it.
type State struct {
	Owner  string        // of the record when it was last seen; "" if nobody's
	Held   bool          // this connector reads it
	Age    time.Duration // since its last renewal, if Held
	Proven bool          // checkpoints may be written
}

// States returns what is known of every partition, by its id.
func (m *Manager) States() map[string]State {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]State{}
	for _, id := range m.partitions {
		p := m.of(id)
		s := State{Owner: p.record.Owner, Held: p.held}
		if p.held {
			s.Age = time.Since(p.proven)
			s.Proven = s.Age < m.o.Expiry-m.o.Margin
		}
		all[id] = s
	}
	return all
}
