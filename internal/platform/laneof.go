//go:build !mutant_any_lane

package platform

import "hash/maphash"

// laneOf is the lane of a Thing: always the same one, so that order is kept.
func (w *Writer) laneOf(thing string) *lane {
	return w.lanes[maphash.String(w.seed, thing)%uint64(len(w.lanes))]
}
