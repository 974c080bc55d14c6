//go:build mutant_settle_any_order

package delivery

// advance plants a fault that tests have to find: the watermark is at the newest settled message, whatever is open before.
func (t *Tracker) advance() {
	for _, r := range t.open {
		if r.settled && r.at.Sequence >= t.watermark.Sequence {
			t.watermark, t.moved = r.at, true
		}
	}
	for t.counts.InFlight == 0 && len(t.open) > 0 {
		t.open = nil
	}
}
