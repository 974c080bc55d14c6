//go:build mutant_drop_when_full

package ingress

import "context"

// untilStored plants a fault that tests have to find: what the disk does not take is settled all the same.
func (a *Aside) untilStored(ctx context.Context, store func() error) error {
	if err := store(); err != nil && ctx.Err() == nil {
		a.Log.Error("messages cannot be stored in quarantine", "event", "quarantine-failing", "error", err)
	}
	return ctx.Err()
}
