package app

import (
	"context"
	"strings"
	"sync"
	"time"

	"azx/internal/fault"
	"azx/internal/message"
)

// Which hub a device Thing belongs to is asked of the platform, and remembered for a while: requests name the Thing only.
const (
	keepOwner  = time.Minute
	mostOwners = 20_000
	askWithin  = 5 * time.Second
)

// owners are the hubs of device Things.
type owners struct {
	mu sync.Mutex
	of map[string]owner
}

type owner struct {
	hubThing string
	until    time.Time
}

func (o *owners) note(thing, hubThing string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil || len(o.of) >= mostOwners {
		o.of = map[string]owner{}
	}
	o.of[thing] = owner{hubThing, time.Now().Add(keepOwner)}
}

// find returns the hub Thing; "" if it is not known.
func (o *owners) find(thing string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.of[thing]; time.Now().Before(known.until) {
		return known.hubThing
	}
	return ""
}

// forget drops what is known of a Thing, "" for all.
func (o *owners) forget(thing string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if thing == "" {
		o.of = nil
	}
	delete(o.of, thing)
}

// hubNamed returns the hub with a hub Thing; nil if there is none.
func (c *connector) hubNamed(thing string) *hubSide {
	for _, h := range c.hubs {
		if h.thing == thing {
			return h
		}
	}
	return nil
}

// hubKnown returns the hub that a Thing belongs to, as far as that is known without asking; nil if it is not.
func (c *connector) hubKnown(thing string) *hubSide {
	if len(c.hubs) == 1 {
		return c.hubs[0]
	}
	if h := c.hubNamed(thing); h != nil {
		return h
	}
	return c.hubNamed(c.owners.find(thing))
}

// hubOf returns the hub that a request is for: that of the Thing's gatewayThing.
func (c *connector) hubOf(ctx context.Context, r message.Request) (*hubSide, error) {
	if h := c.hubKnown(r.Thing); h != nil {
		return h, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	gateway, err := c.setup.Owner(ctx, r.Thing, c.azx())
	if err != nil {
		return nil, &fault.Problem{Op: operation(r), Cause: err, Hint: "try again in a moment"}
	}
	h := c.hubNamed(gateway)
	if h == nil {
		return nil, c.notOurs(r, gateway)
	}
	c.owners.note(r.Thing, h.thing)
	return h, nil
}

func (c *connector) notOurs(r message.Request, gateway string) error {
	names := make([]string, len(c.hubs))
	for i, h := range c.hubs {
		names[i] = h.thing
	}
	return fault.Reject(operation(r), "set gatewayThing of the Thing to one of "+strings.Join(names, ", ")+", and let the connector's user read it",
		"the connector does not know to which of its hubs the Thing belongs: its gatewayThing is %q", gateway)
}
