package ingress

import (
	"context"
	"time"
)

// Revisit asks again about Things that do not exist but have kept messages, so that those of a device that
// has fallen silent are written too. It asks about a few at a time, in rotation: the cost stays the same
// however many devices have no Thing.
type Revisit struct {
	Things func() []string    // with kept messages, in any order
	Visit  func(thing string) // asks the platform, in the Thing's lane
	Every  time.Duration
	Most   int // Things asked about each time
}

// Run asks until ctx ends.
func (r Revisit) Run(ctx context.Context) error {
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	var rest []string
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if len(rest) == 0 {
			rest = r.Things()
		}
		n := min(r.Most, len(rest))
		for _, thing := range rest[:n] {
			r.Visit(thing)
		}
		rest = rest[n:]
	}
}
