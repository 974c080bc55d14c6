package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/access"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

// askAgain is the least time between two questions where the events of a hub are.
const askAgain = 10 * time.Second

// errMoved is why the events of a hub are not read on where they were.
var errMoved = errors.New("the hub has failed over: its events are at another endpoint")

// watched tells the events of every failure after which they may be elsewhere: the endpoint of before a failover does not
// know the event hub, refuses the key, or is not there at all.
type watched struct {
	source
	events *events
}

// Receive is ingress.Source's.
func (w watched) Receive(ctx context.Context) ([]*message.Message, error) {
	batch, err := w.source.Receive(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, delivery.ErrStolen) && !errors.Is(err, delivery.ErrPosition) {
		select {
		case w.events.doubts <- struct{}{}:
		default:
		}
	}
	return batch, err
}

// watchEndpoint asks again, after failures, where the events are. The error is errMoved once they are elsewhere.
func (e *events) watchEndpoint(ctx context.Context, where func(context.Context) (access.Endpoint, error)) error {
	for {
		select {
		case <-e.doubts:
		case <-ctx.Done():
			return nil
		}
		now, err := where(ctx)
		if err == nil && (now.Host != e.endpoint.Host || now.EventHub != e.endpoint.EventHub) {
			return fmt.Errorf("%w: %s at %s", errMoved, now.EventHub, now.Host)
		} // receivers tell what else is wrong
		rest := fault.Backoff{Min: askAgain, Max: askAgain}
		if rest.Pause(ctx) != nil {
			return nil
		}
	}
}
