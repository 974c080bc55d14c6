//go:build !mutant_checkpoint_received

package ingress

import "azx/internal/delivery"

// unsaved returns the watermark if it has moved since the last checkpoint.
func (h *hold) unsaved() (at delivery.Checkpoint, moved bool) {
	at, ok := h.pump.Tracker.Watermark()
	return at, ok && at != h.saved
}
