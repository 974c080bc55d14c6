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

// Take waits until there is room for messages that share memory, or ctx ends. Before it waits it calls hurry, so that what is in
// flight makes room. What has no room in the whole budget takes all of it.
func (b *Budget) Take(ctx context.Context, s *message.Shared, hurry func()) error {
	size := b.size(s)
	if b.free.TryAcquire(size) {
		return nil
	}
	hurry()
	return b.free.Acquire(ctx, size)
}

// Give returns what Take took, once the last of the messages has ended.
func (b *Budget) Give(s *message.Shared) { b.free.Release(b.size(s)) }

func (b *Budget) size(s *message.Shared) int64 { return min(int64(s.Size), b.limit) }
