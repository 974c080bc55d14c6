//go:build !mutant_unbounded

package ingress

import (
	"context"

	"golang.org/x/sync/semaphore"
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

// Take waits until size bytes are free, or ctx ends. Before it waits it calls hurry, so that what is in flight makes room. A
// message larger than the whole budget takes all of it.
func (b *Budget) Take(ctx context.Context, size int, hurry func()) error {
	n := min(int64(size), b.limit)
	if b.free.TryAcquire(n) {
		return nil
	}
	hurry()
	return b.free.Acquire(ctx, n)
}

// Give returns what Take took.
func (b *Budget) Give(size int) { b.free.Release(min(int64(size), b.limit)) }
