//go:build !mutant_start_latest

package app

import "azx/internal/delivery"

// startOf is where a partition without a checkpoint begins: where the file or the command line says; after a failover with
// the first message there is, since what came before it was read or is lost.
func (k *carrier) startOf(failedOver bool) delivery.Start {
	if failedOver {
		return delivery.Start{}
	}
	start, said := k.Starts.Of(k.thing)
	if !said {
		start = k.hub.Start
	}
	return delivery.Start{Latest: start.Latest, From: start.At}
}
