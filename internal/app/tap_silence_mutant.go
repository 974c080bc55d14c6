//go:build mutant_trust_silence

package app

import (
	"context"

	"azx/alwayson"
	"azx/internal/platform"
)

// tap plants a fault that tests have to find: a write whose answer was lost counts as done.
func tap(s platform.Socket) platform.Socket { return silence{s} }

type silence struct{ platform.Socket }

// Call is platform.Socket's.
func (s silence) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	response, err := s.Socket.Call(ctx, r)
	if err != nil && r.Target == "UpdateSubscribedPropertyValues" {
		return alwayson.Done(), nil
	}
	return response, err
}
