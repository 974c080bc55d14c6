//go:build !mutant_settle_any_order

package delivery

// advance moves the watermark over the settled prefix.
func (t *Tracker) advance() {
	for t.head < t.next && t.account(t.head).settled {
		t.watermark, t.moved = t.account(t.head).at, true
		t.pass()
	}
}
