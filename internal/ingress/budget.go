//go:build !mutant_unbounded

package ingress

import (
	"context"

	"golang.org/x/sync/semaphore"

	"azx/internal/message"
)

// Budget bounds the bytes in flight over all partitions. When it is used up, pumps stop reading.
type Budget struct {
	limit int64
	free  *semaphore.Weighted
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget {
	return &Budget{limit: limit, free: semaphore.NewWeighted(limit)}
}

// Take waits until there is room for a message, or ctx ends, and for what it shares with others if none of them is in flight.
// Before it waits it calls hurry, so that what is in flight makes room. A message that has no room in the whole budget takes
// all of it. size is what Give has to be told.
func (b *Budget) Take(ctx context.Context, m *message.Message, hurry func()) (size int, err error) {
	shared := m.Shared.Hold()
	all := min(int64(m.Size()+shared), b.limit)
	if !b.free.TryAcquire(all) {
		hurry()
		if err := b.free.Acquire(ctx, all); err != nil {
			if left := m.Shared.Drop(); shared == 0 { // those that took it have ended meanwhile
				b.free.Release(int64(left))
			}
			return 0, err
		}
	}
	return int(all) - shared, nil
}

// Give returns what Take took.
func (b *Budget) Give(m *message.Message, size int) { b.free.Release(int64(size + m.Shared.Drop())) }
