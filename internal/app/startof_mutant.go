//go:build mutant_start_latest

package app

import (
	"context"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
	"azx/internal/hub"
)

// startOf plants a fault that tests have to find: without a checkpoint a partition begins at its end.
func (k *carrier) startOf(ctx context.Context, part hub.Partition, store checkpoint.Store) (delivery.Start, error) {
	if at, found, err := store.Load(ctx, part.ID); found || err != nil {
		return delivery.Start{After: &at}, err
	}
	return delivery.Start{Latest: true}, nil
}
