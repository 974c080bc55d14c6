//go:build !mutant_checkpoint_received

package ingress

import "azx/internal/delivery"

// unsaved returns the watermark if it has moved since the last checkpoint.
func (p *Partition) unsaved() (at delivery.Checkpoint, moved bool) {
	at, ok := p.Pump.Tracker.Watermark()
	p.mu.Lock()
	defer p.mu.Unlock()
	return at, ok && at != p.saved
}
