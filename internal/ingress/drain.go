//go:build !mutant_no_drain

package ingress

import "context"

// drain waits for what is in flight.
func (f *Flow) drain(ctx context.Context) {
	for _, p := range f.Partitions {
		select {
		case <-p.Pump.Tracker.Idle():
		case <-ctx.Done():
			f.Log.Warn("stopped with messages in flight; they come again at the next start",
				"event", "drain-timeout", "hub", f.HubThing, "partition", p.ID, "messages", p.Pump.Tracker.Counts().InFlight)
		}
	}
}
