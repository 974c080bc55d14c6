//go:build mutant_log_secret

package app

import "context"

// tryHub plants a fault that tests have to find: the log tells the connection string.
func (c *connector) tryHub(ctx context.Context) (*events, error) {
	text, err := c.hub.ConnectionString.Value()
	c.Log.Info("opening the hub", "event", "uses", "hub", text, "error", err)
	return openEvents(ctx, c.hub, c.keys, c.network)
}
