package checkpoint

import (
	"context"

	"azx/internal/delivery"
)

// Lease tells whether partitions may be written.
type Lease interface {
	// Held is nil while the lease of a partition is held and fresh, by the monotonic clock; else it says why it is not. It
	// does not block.
	Held(partition string) error
}

// Fence is a Store that saves nothing without a lease: whoever lost a partition, or slept too long to know, leaves its
// checkpoint to others.
type Fence struct {
	Store
	Lease Lease
}

// Save is Store's. The lease is looked at each time.
func (f Fence) Save(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := f.held(partition); err != nil {
		return err
	}
	return f.Store.Save(ctx, partition, at)
}

// Replace is Store's. The lease is looked at each time.
func (f Fence) Replace(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := f.held(partition); err != nil {
		return err
	}
	return f.Store.Replace(ctx, partition, at)
}

// SaveSnapshot is Store's. The lease is looked at each time.
func (f Fence) SaveSnapshot(ctx context.Context, partition string, data []byte) error {
	if err := f.held(partition); err != nil {
		return err
	}
	return f.Store.SaveSnapshot(ctx, partition, data)
}
