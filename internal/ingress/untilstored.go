//go:build !mutant_drop_when_full

package ingress

import (
	"context"
	"fmt"
	"time"

	"azx/internal/fault"
)

// untilStored stores until it works or ctx ends, and says once that it does not.
func (a *Aside) untilStored(ctx context.Context, store func() error) error {
	retry := fault.Backoff{Min: 100 * time.Millisecond, Max: 10 * time.Second}
	for {
		err := store()
		a.mu.Lock()
		changed := (err == nil) != (a.failing == nil)
		a.failing = err
		a.mu.Unlock()
		switch {
		case err == nil && changed:
			a.Log.Info("messages can be stored in quarantine again", "event", "quarantine-ok")
		case err != nil && changed:
			a.Log.Error("messages cannot be stored in quarantine; reading stops when the memory budget is used up",
				"event", "quarantine-failing", "error", err, "hint", fault.HintOf(err))
			if a.Failed != nil {
				a.Failed(fmt.Errorf("store messages in quarantine: %w", err))
			}
		}
		if err == nil {
			return nil
		}
		if err := retry.Pause(ctx); err != nil {
			return err
		}
	}
}
