//go:build !mutant_log_secret

package app

import "context"

// tryHub opens the hub with the keys as they are now.
func (k *carrier) tryHub(ctx context.Context) (*events, error) {
	return openEvents(ctx, k.hub, k.keys, k.network, int64(prefetchBytes/len(k.hubs)))
}
