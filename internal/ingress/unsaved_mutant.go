//go:build mutant_checkpoint_received

package ingress

import "azx/internal/delivery"

// unsaved plants a fault that tests have to find: checkpoints pass what was received, settled or not.
func (p *Partition) unsaved() (at delivery.Checkpoint, moved bool) {
	at, ok := p.Pump.Tracker.Last()
	p.mu.Lock()
	defer p.mu.Unlock()
	return at, ok && at != p.saved
}
