//go:build mutant_ack_early

package app

import (
	"bytes"
	"context"

	"azx/alwayson"
	"azx/internal/platform"
	"azx/internal/supervise"
)

// tap plants a fault that tests have to find: a write counts as done as soon as it is on its way.
func tap(s platform.Socket) platform.Socket { return early{s, supervise.New(context.Background())} }

type early struct {
	platform.Socket
	going *supervise.Group
}

// Call is platform.Socket's.
func (e early) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	if r.Target != "UpdateSubscribedPropertyValues" {
		return e.Socket.Call(ctx, r)
	}
	r.RawParams = bytes.Clone(r.RawParams)
	e.going.Go("write", func(ctx context.Context) error {
		_, _ = e.Socket.Call(ctx, r)
		return nil
	})
	return alwayson.Done(), nil
}
