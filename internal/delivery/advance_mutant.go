//go:build mutant_settle_any_order

package delivery

// advance plants a fault that tests have to find: the watermark is at the newest settled message, whatever is open before.
func (t *Tracker) advance() {
	for n := t.head; n < t.next; n++ {
		if a := t.account(n); a.settled && a.at.Sequence >= t.watermark.Sequence {
			t.watermark, t.moved = a.at, true
		}
	}
	for t.counts.InFlight == 0 && t.head < t.next {
		t.pass()
	}
}
