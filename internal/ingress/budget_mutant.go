//go:build mutant_unbounded

package ingress

import (
	"context"

	"azx/internal/message"
)

// Budget plants a fault that tests have to find: nothing bounds what is in flight.
type Budget struct{}

// NewBudget returns one that takes no notice of its limit.
func NewBudget(int64) *Budget { return &Budget{} }

// Take never waits.
func (b *Budget) Take(ctx context.Context, _ *message.Shared, _ func()) error { return ctx.Err() }

// Give has nothing to give back.
func (b *Budget) Give(*message.Shared) {}
