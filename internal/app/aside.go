package app

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"

	"azx/internal/ingress"
	"azx/internal/message"
	"azx/internal/quarantine"
	"azx/internal/supervise"
)

// maxPuts is how many records share a sync of the disk.
const maxPuts = 256

// openQuarantine takes the two folders of messages put aside.
func (c *connector) openQuarantine() (err error) {
	dir := c.Config.Quarantine.Dir
	if c.dead, err = quarantine.OpenStore(filepath.Join(dir, deadFolder), quarantine.Limits{
		Total: int64(c.Config.Quarantine.Limit), EachReason: int64(c.Config.Quarantine.LimitPerReason),
	}); err != nil {
		return err
	}
	if c.kept, err = quarantine.OpenShelf(filepath.Join(dir, "kept"), quarantine.ShelfLimits{}); err != nil {
		return err
	}
	c.tellVolatile()
	return nil
}

// openAside makes what puts messages of the hub aside, into those folders.
func (k *carrier) openAside() {
	translator := &ingress.Translator{
		Names: &ingress.Names{}, Stamp: ingress.Stamp{Field: k.hub.TimeField}, Meter: k.meter,
	}
	kept := shelf{k.kept, k.thing}
	k.aside = ingress.NewAside(deadLetters{k.dead}, kept, ingress.UnknownThing(k.hub.OnUnknownThing), translator, k.meter, k.Log)
	k.aside.Told, k.aside.Failed = k.tellPutAside, k.tellInternal
	k.trip = ingress.NewTrip(k.Config.Quarantine.PauseAfter, k.Log.With("hub", k.thing), k.tellInternal)
}

func (c *connector) closeQuarantine() error {
	var err error
	if c.dead != nil {
		err = c.dead.Close()
	}
	if c.kept != nil {
		err = errors.Join(err, c.kept.Close())
	}
	return err
}

// deadLetters is a quarantine.Store as ingress.Quarantine.
type deadLetters struct{ store *quarantine.Store }

// Put is ingress.Quarantine's.
func (d deadLetters) Put(ctx context.Context, dead []ingress.Dead) (stored int, err error) {
	for chunk := range slices.Chunk(dead, maxPuts) {
		records := make([]quarantine.Record, len(chunk))
		for i := range chunk {
			records[i] = record(chunk[i])
		}
		n, err := d.store.PutAll(ctx, records)
		if stored += n; err != nil {
			return stored, err
		}
	}
	return stored, nil
}

// shelf is a quarantine.Shelf, which goes by devices of all hubs, as ingress.Shelf, which goes by Things of one.
type shelf struct {
	*quarantine.Shelf
	hub string // the hub Thing
}

// Keep is ingress.Shelf's.
func (s shelf) Keep(ctx context.Context, dead []ingress.Dead) (int, error) {
	var evicted atomic.Int64
	// The messages of one device keep their order: each round takes the first that is left of every device.
	for len(dead) > 0 {
		var round, rest []ingress.Dead
		taken := map[string]bool{}
		for _, d := range dead {
			if taken[d.DeviceID] {
				rest = append(rest, d)
				continue
			}
			taken[d.DeviceID] = true
			round = append(round, d)
		}
		err := together(ctx, round, func(ctx context.Context, one ingress.Dead) error {
			n, err := s.Shelf.Keep(ctx, record(one))
			evicted.Add(int64(n))
			return err
		})
		if err != nil {
			return int(evicted.Load()), err
		}
		dead = rest
	}
	return int(evicted.Load()), nil
}

// Kept is ingress.Shelf's.
func (s shelf) Kept(thing string) ([]ingress.Kept, error) {
	device, ok := message.DeviceID(thing)
	if !ok {
		return nil, nil
	}
	records, err := s.Shelf.Kept(s.hub, device)
	kept := make([]ingress.Kept, len(records))
	for i, r := range records {
		kept[i] = ingress.Kept{Message: r.Message(), ID: r.ID}
	}
	return kept, err
}

// Forget is ingress.Shelf's.
func (s shelf) Forget(ctx context.Context, thing string, upTo uint64) error {
	device, _ := message.DeviceID(thing)
	return s.Shelf.Forget(ctx, s.hub, device, upTo)
}

// keptThings are Things that do not exist, and have messages of this hub that wait for them.
func (h *hubSide) keptThings() []string {
	things := h.kept.Devices(h.thing)
	for i, device := range things {
		things[i] = message.ThingName(device)
	}
	return things
}

func record(d ingress.Dead) quarantine.Record {
	r := quarantine.FromMessage(d.Message, d.Reason, d.Stage, d.Err)
	r.Thing = d.Thing
	return r
}

// together stores many records at the same time, so that they share a sync.
func together(ctx context.Context, dead []ingress.Dead, store func(context.Context, ingress.Dead) error) error {
	for chunk := range slices.Chunk(dead, maxPuts) {
		group := supervise.New(ctx)
		for _, d := range chunk {
			group.Go("store", func(ctx context.Context) error { return store(ctx, d) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if ctx.Err() != nil { // a group keeps silent about a stop
			return ctx.Err()
		}
	}
	return nil
}
