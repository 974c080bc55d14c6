package app

import (
	"context"
	"errors"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// answerer carries out a request of the platform.
type answerer func(ctx context.Context, r message.Request) (infotable.Value, error)

// request brings a request of the platform to whom it is for: the connector's own Thing, or the hub of the Thing that it
// names. The link runs before the hubs are served.
func (c *connector) request(ctx context.Context, r message.Request) (infotable.Value, error) {
	switch {
	case c.answers != nil:
		return c.answers(ctx, r)
	case c.adapter != nil && r.Thing == c.adapter.State().Thing:
		return c.adapter.Handle(ctx, r)
	}
	h, err := c.hubOf(ctx, r)
	if err != nil {
		return infotable.Value{}, err
	}
	return h.request(ctx, r)
}

// request carries out what is for the hub or its devices.
func (h *hubSide) request(ctx context.Context, r message.Request) (infotable.Value, error) {
	k := h.carried.Load()
	switch {
	case k == nil:
		return infotable.Value{}, h.notServed(operation(r))
	case r.Thing == h.thing && r.Verb == message.VerbCall && r.Name == serviceTestConnection:
		return k.testConnection(ctx)
	case k.twoWay == nil:
		return infotable.Value{}, fault.Reject(operation(r), "set connectionString of the hub in the connector's file or on the hub Thing", "the connector reads telemetry only")
	}
	return k.twoWay.egress.Handle(ctx, r)
}

// notServed says why there is nobody to carry out a request.
func (h *hubSide) notServed(op string) error {
	err := h.trouble()
	if err == nil || errors.Is(err, errStarting) {
		return &fault.Problem{Op: op, Cause: errStarting, Hint: "try again in a moment"}
	}
	return &fault.Problem{Op: op, Cause: errNotServed, Hint: "see /readyz?verbose and the log of the connector"}
}

var errNotServed = errors.New("the hub of this Thing is not served now")

func operation(r message.Request) string { return r.Verb.String() + " " + r.Name + " of " + r.Thing }

func (c *connector) pinged(thing string) {
	for _, k := range c.carriers() {
		if k.twoWay != nil {
			k.twoWay.binder.Pinged(thing)
		}
	}
}

func (c *connector) reconnected() {
	c.wantSettings()
	if c.adapter != nil {
		c.adapter.Wake()
	}
}

// learned hears from the lanes which hub a Thing belongs to.
func (k *carrier) learned(thing, gateway string) {
	if len(k.hubs) > 1 && (gateway == "" || gateway == k.thing) { // the only hub has them all
		k.owners.note(thing, k.thing)
	}
	if k.twoWay != nil {
		k.twoWay.binder.Learned(thing, gateway)
	}
}

// forget drops what is known of a Thing.
func (c *connector) forget(thing string) {
	c.owners.forget(thing)
	for _, k := range c.carriers() {
		k.writer.Forget(thing)
		if k.twoWay != nil {
			k.twoWay.things.Forget(thing)
		}
	}
}

// forgetThings drops what the platform said of a Thing, "" for all.
func (c *connector) forgetThings(thing string) {
	if thing != "" {
		c.forget(thing)
		return
	}
	c.owners.forget("")
	for _, k := range c.carriers() {
		k.writer.ForgetAll()
		if k.twoWay != nil {
			k.twoWay.things.ForgetAll()
		}
	}
}
