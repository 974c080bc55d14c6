//go:build !mutant_no_drain

package ingress

import "context"

// drain waits for what is in flight.
func (f *Flow) drain(ctx context.Context, h *hold) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.DrainTimeout)
	defer cancel()
	select {
	case <-h.pump.Tracker.Idle():
	case <-ctx.Done():
		h.pump.Tracker.Withdraw()
		f.Log.Warn("stopped with messages in flight; they come again",
			"event", "drain-timeout", "hub", f.HubThing, "partition", h.ID, "messages", h.pump.Tracker.Counts().InFlight)
	}
}
