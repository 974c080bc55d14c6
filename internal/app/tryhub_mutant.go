//go:build mutant_log_secret

package app

import "context"

// tryHub plants a fault that tests have to find: the log tells the connection string.
func (k *carrier) tryHub(ctx context.Context) (*events, error) {
	text, err := k.hub.ConnectionString.Value()
	k.Log.Info("opening the hub", "event", "uses", "hub", text, "error", err)
	return openEvents(ctx, k.hub, k.keys, k.network, prefetchBytes)
}
