package faults

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF12AStoreOfCheckpointsThatFailsHoldsNothingUp has the storage account refuse one request, then all of a kind for longer
// than leases last, then answer nothing at all. Messages flow all the while. Where only leases cannot be renewed, checkpoints
// could still be written, and nobody else would: they are not.
func TestF12AStoreOfCheckpointsThatFailsHoldsNothingUp(t *testing.T) {
	r, c, _ := start(t, rig.Options{Connectors: 2, Shared: true})
	for _, one := range r.Connectors {
		one.Run()
	}
	evenly(r, 2, 4)
	load := r.Load(300)
	r.Grows(recovery, 300)

	var once atomic.Bool
	c.Store.Set(func(*http.Request, []byte) int {
		if once.CompareAndSwap(false, true) {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	r.Grows(recovery, 300)
	trouble := map[string]rig.Hook{
		"nothing can be listed": refusing(http.StatusServiceUnavailable, rig.Lists),
		"no checkpoint can be written": refusing(http.StatusTooManyRequests, func(r *http.Request) bool {
			return rig.WritesOf(r, "checkpoint")
		}),
		"no lease can be renewed": refusing(http.StatusServiceUnavailable, func(r *http.Request) bool {
			return rig.WritesOf(r, "ownership")
		}),
		"everything is refused": refusing(http.StatusServiceUnavailable, func(*http.Request) bool { return true }),
	}
	for what, hook := range trouble {
		t.Log(what)
		for _, one := range r.Connectors {
			one.Store.Set(hook)
		}
		r.Pass(scale(rig.LeaseExpiry+2*time.Second, time.Minute))
		r.Grows(recovery, 300)
		for _, one := range r.Connectors {
			one.Store.Set(nil)
		}
		r.Grows(recovery, 300)
	}
	for _, one := range r.Connectors {
		one.Blob.Set(rig.Weather{Hole: rig.Both})
	}
	c.Until(2*recovery, "it says that checkpoints cannot be saved", func() error { return c.Logged("event=checkpoint-failing") })
	r.Grows(recovery, 300)
	for _, one := range r.Connectors {
		one.Blob.Cut()
		one.Blob.Clear()
	}
	evenly(r, 2, 4)
	load.Stop()
	r.Verify(recovery)
	for _, one := range r.Connectors {
		one.End(0)
	}
	r.Judge()
}

// refusing answers requests of a kind with a status.
func refusing(status int, these func(*http.Request) bool) rig.Hook {
	return func(r *http.Request, _ []byte) int {
		if these(r) {
			return status
		}
		return 0
	}
}
