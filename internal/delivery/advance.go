//go:build !mutant_settle_any_order

package delivery

// advance moves the watermark over the settled prefix.
func (t *Tracker) advance() {
	for t.head < len(t.open) && t.open[t.head].settled {
		t.watermark, t.moved = t.open[t.head].at, true
		t.open[t.head] = nil
		t.head++
	}
	// Give the passed part back once it is the larger part, so that the queue costs what is in flight.
	if t.head > 64 && t.head > len(t.open)/2 {
		t.open = append(t.open[:0], t.open[t.head:]...)
		clear(t.open[len(t.open):cap(t.open)])
		t.head = 0
	}
}
