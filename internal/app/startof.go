//go:build !mutant_start_latest

package app

import (
	"context"
	"fmt"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
	"azx/internal/hub"
)

// startOf is where a partition begins: behind its checkpoint, else where the file or the command line says.
func (k *carrier) startOf(ctx context.Context, part hub.Partition, store checkpoint.Store) (delivery.Start, error) {
	at, found, err := store.Load(ctx, part.ID)
	if err != nil {
		return delivery.Start{}, fmt.Errorf("load checkpoint of partition %s: %w", part.ID, err)
	}
	if found {
		return delivery.Start{After: &at}, nil
	}
	start, said := k.Starts.Of(k.thing)
	if !said {
		start = k.hub.Start
	}
	return delivery.Start{Latest: start.Latest, From: start.At}, nil
}
