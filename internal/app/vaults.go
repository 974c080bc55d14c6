package app

import (
	"context"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
)

const (
	vaultWithin = 30 * time.Second // for all secrets together
	vaultEvery  = 5 * time.Minute  // between two looks for a newer version
)

// readVaults reads all secrets that a file refers to, and reports whether one has changed.
func (o outside) readVaults(ctx context.Context, cfg *config.Config) (changed bool, err error) {
	for _, secrets := range cfg.Vaults() {
		for _, r := range secrets.References() {
			if o.vault == nil {
				return changed, fault.Reject("read the secret "+r.String(), "restart the connector", "an identity that is new takes effect at the next start")
			}
			text, err := o.vault.Read(ctx, r)
			if err != nil {
				return changed, err
			}
			changed = secrets.Put(r, text) || changed
		}
	}
	return changed, nil
}

// awaitVaults reads what the file refers to in vaults before anything else is opened; it tries until ctx ends.
func (c *connector) awaitVaults(ctx context.Context) error {
	retry := fault.Backoff{Min: time.Second, Max: 30 * time.Second}
	for said := error(nil); ; {
		within, cancel := context.WithTimeout(ctx, vaultWithin)
		_, err := c.readVaults(within, c.Config)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.health.setStart(err)
		if !fault.Same(err, said) {
			c.Log.Warn("waiting for the vault", "event", "vault-unreachable", "error", err, "hint", fault.HintOf(err))
		}
		said = err
		if retry.Pause(ctx) != nil {
			return ctx.Err()
		}
	}
}

// lookAtVaults takes newer versions of the secrets, if there are any. With one that cannot be read, the former one stays.
func (r *reloader) lookAtVaults(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, vaultWithin)
	defer cancel()
	changed, err := r.readVaults(within, r.running)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && err.Error() != r.vaultSaid:
		r.vaultSaid = err.Error()
		r.Log.Warn("a vault cannot be read; the secrets of before stay", "event", "vault-unreachable", "error", err, "hint", fault.HintOf(err))
	case err == nil:
		r.vaultSaid = ""
	}
	if !changed {
		return
	}
	r.Log.Info("secrets of the vault have changed and are in effect", "event", "vault-changed", "hub", r.hubThings())
	for _, k := range r.carriers() {
		if k.twoWay != nil {
			k.twoWay.service.Renew()
		}
	}
}
