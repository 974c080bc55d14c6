package app

import (
	"context"
	"log/slog"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/platform"
	"azx/internal/secret"
)

func newHubKeys(all []config.Change) bool {
	return changes(all, "connectionString", "eventHubsConnectionString")
}

// try signs in with new credentials, beside what goes on with the old ones. The error says that they are not taken. What
// begins anew finds out by itself.
func (r *reloader) try(ctx context.Context, next *config.Config, live []config.Change, begin map[int]bool) error {
	if changes(live, "platform.appKey") {
		if err := r.tryAppKey(ctx, next); err != nil {
			return err
		}
	}
	for i, h := range r.each {
		if h.carrier == nil || begin[i] || !newHubKeys(ofHub(live, i)) {
			continue
		}
		if err := h.carrier.tryKeys(ctx, &next.Hubs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reloader) tryAppKey(ctx context.Context, next *config.Config) error {
	cfg, err := r.linkConfig(func() secret.Source { return next.Platform.AppKey })
	if err == nil {
		err = platform.SignIn(ctx, cfg)
	}
	if err != nil {
		return &fault.Problem{Op: "try the new application key", Class: fault.ClassOf(err), Cause: err, Hint: fault.HintOf(err)}
	}
	return nil
}

// tryKeys signs in with new keys, beside what goes on with the old ones. The error says that they are not taken.
func (k *carrier) tryKeys(ctx context.Context, next *config.Hub) error {
	const op = "try the new connection strings"
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	own := newKeys(next)
	client, err := openService(service{Hub: next, Network: k.network, Identity: k.identity, Log: slog.New(slog.DiscardHandler)})
	if err == nil && client != nil {
		defer client.Close()
		err = client.CheckService(ctx)
		if err != nil && fault.ClassOf(err) == fault.Rejected {
			err = nil // a Basic tier has no twins, and says so to those whom it knows
		}
	}
	if err == nil {
		var e *events
		if e, err = openEvents(ctx, next, own, k.network, leastPrefetch); err == nil {
			e.close()
		}
	}
	if err != nil {
		return &fault.Problem{Op: op, Class: fault.ClassOf(err), Cause: err, Hint: fault.HintOf(err)}
	}
	return nil
}
