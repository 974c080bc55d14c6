package checkpoint

import (
	"context"
	"fmt"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// Pauses between two tries: they double, and are drawn at random.
const (
	retryMin = 200 * time.Millisecond
	retryMax = 15 * time.Second
)

// Retry is a Store that reads until it can: an error ends Load and Ownerships only if no repetition mends it. Save and Claim
// stay one try, because what they would write is out of date after a pause.
type Retry struct {
	Store
	// Waiting hears of each error that is followed by another try. It must not block, and may be nil.
	Waiting func(err error)
}

// Load is Store's.
func (r Retry) Load(ctx context.Context, partition string) (at delivery.Checkpoint, found bool, err error) {
	err = Until(ctx, r.Waiting, func() (err error) {
		at, found, err = r.Store.Load(ctx, partition)
		return err
	})
	return at, found, err
}

// Ownerships is Store's.
func (r Retry) Ownerships(ctx context.Context) (list []delivery.Ownership, now time.Time, err error) {
	err = Until(ctx, r.Waiting, func() (err error) {
		list, now, err = r.Store.Ownerships(ctx)
		return err
	})
	return list, now, err
}

// Until tries until it works, until an error is of class Fatal or Rejected, or until ctx ends: then the error is that of ctx,
// with the last one's text. waiting hears of each error that is followed by another try; it may be nil.
func Until(ctx context.Context, waiting func(error), try func() error) error {
	pause := fault.Backoff{Min: retryMin, Max: retryMax}
	for {
		err := try()
		if err == nil {
			return nil
		}
		if class := fault.ClassOf(err); class == fault.Fatal || class == fault.Rejected {
			return err
		}
		if waiting != nil && ctx.Err() == nil {
			waiting(err)
		}
		if ended := pause.Pause(ctx); ended != nil {
			return fmt.Errorf("%w; last: %v", ended, err)
		}
	}
}
