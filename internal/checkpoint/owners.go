package checkpoint

import (
	"context"
	"strconv"
	"sync"
	"time"

	"azx/internal/delivery"
)

// owners are the ownerships of a store that one process has: they last as long as it.
type owners struct {
	mu       sync.Mutex
	of       map[string]delivery.Ownership
	versions int
	closed   bool
}

// Ownerships is Store's.
func (o *owners) Ownerships(ctx context.Context) ([]delivery.Ownership, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]delivery.Ownership, 0, len(o.of))
	for _, one := range o.of {
		list = append(list, one)
	}
	return list, time.Now(), nil
}

// Claim is Store's.
func (o *owners) Claim(ctx context.Context, one delivery.Ownership) (delivery.Ownership, bool, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Ownership{}, false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return delivery.Ownership{}, false, ErrClosed
	case !validPartition(one.Partition):
		return delivery.Ownership{}, false, invalidPartition("claim", one.Partition)
	case o.of[one.Partition].Version != one.Version:
		return delivery.Ownership{}, false, nil
	}
	o.versions++
	one.Version, one.Renewed = strconv.Itoa(o.versions), time.Now()
	if o.of == nil {
		o.of = map[string]delivery.Ownership{}
	}
	o.of[one.Partition] = one
	return one, true, nil
}

// close ends the claiming.
func (o *owners) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}
