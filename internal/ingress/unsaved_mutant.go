//go:build mutant_checkpoint_received

package ingress

import "azx/internal/delivery"

// unsaved plants a fault that tests have to find: checkpoints pass what was received, settled or not.
func (h *hold) unsaved() (at delivery.Checkpoint, moved bool) {
	at, ok := h.pump.Tracker.Last()
	return at, ok && at != h.saved
}
