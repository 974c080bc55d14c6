//go:build mutant_cut_writes

package app

import (
	"context"

	"azx/alwayson"
	"azx/internal/platform"
)

// tap plants a fault that tests have to find: writes are answered as if the platform had taken them.
func tap(s platform.Socket) platform.Socket { return cut{s} }

type cut struct{ platform.Socket }

// Call is platform.Socket's.
func (c cut) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	if r.Target == "UpdateSubscribedPropertyValues" {
		return alwayson.Done(), nil
	}
	return c.Socket.Call(ctx, r)
}
