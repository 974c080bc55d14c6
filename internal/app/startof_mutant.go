//go:build mutant_start_latest

package app

import "azx/internal/delivery"

// startOf plants a fault that tests have to find: without a checkpoint a partition begins at its end.
func (k *carrier) startOf(bool) delivery.Start { return delivery.Start{Latest: true} }
