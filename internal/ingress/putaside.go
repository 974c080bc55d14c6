//go:build !mutant_swallow_decode

package ingress

import "azx/internal/delivery"

// Quarantine stores a message in quarantine and then settles it.
func (a *Aside) Quarantine(c *carried, stage, reason string, err error) {
	a.add(task{
		dead: Dead{Message: c.Message, Stage: stage, Reason: reason, Err: err},
		do:   quarantine,
		then: func() { c.end(delivery.Quarantined, reason) },
	})
}
