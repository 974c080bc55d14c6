package app

import (
	"context"
	"encoding/json"
	"errors"

	"azx/internal/config"
	"azx/internal/devices"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/mapping"
	"azx/internal/platform"
)

// openLife makes what follows the devices of the hub as they come and go. There is none without this project's packages.
func (k *carrier) openLife() error {
	if !k.azx() {
		return nil
	}
	rules, err := devices.ParseRules(k.hub.Lifecycle.Rules)
	if err != nil {
		return &fault.Problem{Op: "read lifecycle.rules of hub " + k.thing, Class: fault.Fatal, Cause: err}
	}
	if k.hub.Follows() && !k.hub.HasService() {
		return &fault.Problem{Op: "open hub " + k.thing, Class: fault.Fatal, Cause: errors.New("lifecycle or onUnknownThing change Things, and the hub cannot be asked for its devices"),
			Hint: "set connectionString or hostName, or leave lifecycle and onUnknownThing: create out"}
	}
	k.life = &devices.Life{
		Hub: k.thing, Registry: twins{k}, Things: lifeThings{k.setup}, Rules: rules,
		Create: k.hub.Lifecycle.OnCreate == config.CreatedCreate, Disable: k.hub.Lifecycle.OnDelete == config.DeletedDisable,
		Adopt: k.hub.Lifecycle.OnMoved == config.MovedAdopt, Declare: bool(k.hub.Lifecycle.Declare),
		Name: k.aside.Translator.Names.Thing, Others: k.otherLives, Changed: k.thingChanged, Meter: k.meter.Egress(k.thing), Log: k.Log,
	}
	return nil
}

// followLife has the writer ask about Things that are missing or another hub's.
func (k *carrier) followLife(w *platform.WriterConfig) {
	if k.life == nil {
		return
	}
	w.Moved = k.life.Moved
	if k.hub.OnUnknownThing == config.UnknownCreate {
		w.Missing = k.life.Missing
	}
}

// otherLives are those of the other hubs; nil for one that is not served at present, or cannot be asked.
func (k *carrier) otherLives() map[string]*devices.Life {
	lives := map[string]*devices.Life{}
	for _, h := range k.hubs {
		if h == k.hubSide {
			continue
		}
		lives[h.thing] = nil
		if other := h.carried.Load(); other != nil && other.twoWay != nil {
			lives[h.thing] = other.life
		}
	}
	return lives
}

// thingChanged drops what is known of a Thing, for all hubs.
func (k *carrier) thingChanged(thing string) {
	k.owners.forget(thing)
	for _, h := range k.hubs {
		if c := h.carried.Load(); c != nil {
			c.writer.Forget(thing)
			if c.twoWay != nil {
				c.twoWay.things.Forget(thing)
			}
		}
	}
}

// twins are a hub's devices as devices.Registry: reading a twin takes no more than the right to connect services.
type twins struct{ *carrier }

// Look is devices.Registry's.
func (t twins) Look(ctx context.Context, id string) (devices.Device, bool, error) {
	twin, err := t.twoWay.service.Twin(ctx, iothub.Target{Device: id})
	if errors.Is(err, iothub.ErrNotFound) {
		return devices.Device{}, false, nil
	}
	if err != nil {
		return devices.Device{}, false, err
	}
	return devices.Device{ID: id, Edge: twin.Capabilities != nil && twin.Capabilities.IoTEdge,
		Tags: twin.Tags, Desired: twin.Properties.Desired, Report: twin.Properties.Reported}, true, nil
}

// lifeThings is the platform as devices.LifeThings.
type lifeThings struct{ setup *platform.Setup }

// Owner is devices.LifeThings'.
func (l lifeThings) Owner(ctx context.Context, name string) (hub string, there bool, err error) {
	hub, there, err = l.setup.Gateway(ctx, name)
	if err == nil && there {
		there, err = l.setup.Enabled(ctx, name)
	}
	return hub, there, err
}

// Make is devices.LifeThings'.
func (l lifeThings) Make(ctx context.Context, t devices.Thing, again bool) error {
	make := l.setup.NewThing
	if again {
		make = l.setup.MakeThing
	}
	if err := make(ctx, t.Name, t.Template, t.Hub); err != nil {
		return err
	}
	return deviceThings(l).fill(ctx, t)
}

// Enable is devices.LifeThings'.
func (l lifeThings) Enable(ctx context.Context, name string) (bool, error) {
	return l.setup.Enable(ctx, name)
}

// Disable is devices.LifeThings'.
func (l lifeThings) Disable(ctx context.Context, name string) error {
	return l.setup.Disable(ctx, name)
}

// Adopt is devices.LifeThings'.
func (l lifeThings) Adopt(ctx context.Context, name, hub string) error {
	return l.setup.SetGateway(ctx, name, hub)
}

// Declare is devices.LifeThings'.
func (l lifeThings) Declare(ctx context.Context, t devices.Thing, properties []mapping.Property, dry bool) ([]mapping.Property, error) {
	return l.setup.Declare(ctx, t.Name, properties, dry)
}

// Tell is devices.LifeThings'.
func (l lifeThings) Tell(ctx context.Context, e devices.LifeEvent) error {
	twin := "{}"
	if json.Valid(e.Twin) {
		twin = string(e.Twin)
	}
	return l.setup.TellLife(ctx, e.Device, e.Status, twin)
}
