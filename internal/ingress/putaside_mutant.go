//go:build mutant_swallow_decode

package ingress

import "azx/internal/delivery"

// Quarantine plants a fault that tests have to find: what cannot be delivered is gone.
func (a *Aside) Quarantine(c *carried, _, reason string, _ error) { c.end(delivery.Skipped, reason) }
