//go:build mutant_any_lane

package platform

import "math/rand/v2"

// laneOf plants a fault that tests have to find: messages of a Thing go to any lane, and overtake each other.
func (w *Writer) laneOf(string) *lane { return w.lanes[rand.IntN(len(w.lanes))] }
