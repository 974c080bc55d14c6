package app

import (
	"cmp"
	"context"
	"errors"
	"time"

	"azx/internal/access"
	"azx/internal/config"
	"azx/internal/devices"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/ingress"
	"azx/internal/platform"
	"azx/internal/supervise"
)

// carrier carries the messages and requests of one hub, with the settings of the time when it was made, until the hub
// fails or is to begin anew.
type carrier struct {
	*hubSide
	hub     *config.Hub      // with what the hub Thing has
	rows    []config.Setting // what the hub Thing has
	network *dial.Network
	aside   *ingress.Aside
	writer  *platform.Writer
	trip    *ingress.Trip
	life    *devices.Life // nil if nobody follows devices that come and go
	twoWay  *twoWay       // nil if the platform's requests are not carried
}

// open makes what the settings of the hub decide.
func (k *carrier) open() (err error) {
	if k.network, err = openNetwork(k.hub, k.dialer, k.Log); err != nil {
		return err
	}
	k.openAside()
	if err := k.openLife(); err != nil {
		return err
	}
	if err := k.openWriter(); err != nil {
		return err
	}
	return k.openTwoWay()
}

// carry starts what is needed in any case, then what makes messages and requests come; it ends them the other way round.
// It returns nil when ctx has ended or the hub is to begin anew. It may be called once.
func (k *carrier) carry(ctx context.Context) error {
	lasting := supervise.New(context.WithoutCancel(ctx))
	lasting.Go("put aside", k.aside.Run)
	lasting.Go("writer", k.writer.Run)
	revisit := ingress.Revisit{Things: k.keptThings, Visit: k.writer.Visit, Every: 5 * time.Second, Most: 50}
	lasting.Go("revisit", revisit.Run)
	flowing := supervise.New(ctx)
	defer context.AfterFunc(lasting.Context(), flowing.Stop)() // what carries the flow has failed
	if k.twoWay != nil {
		k.twoWay.run(lasting)
		flowing.Go("bind", k.bind)
	}
	flowing.Go("begin anew", func(ctx context.Context) error {
		select {
		case <-k.anew:
			flowing.Stop()
		case <-ctx.Done():
		}
		return nil
	})
	k.carried.Store(k)
	defer k.carried.Store(nil)
	err := k.flow(flowing.Context())
	flowing.Stop()
	err = errors.Join(err, flowing.Wait())
	if ctx.Err() != nil {
		k.drainRequests(lasting.Context())
	}
	lasting.Stop()
	return errors.Join(err, lasting.Wait())
}

// flow carries the hub's events until ctx ends. After a failover of the hub it goes on where they are then; a consumer group
// that is missing there has to be made, and is waited for.
func (k *carrier) flow(ctx context.Context) error {
	pause := fault.Backoff{Min: time.Second, Max: 15 * time.Second}
	for moved := false; ; {
		err := k.once(ctx, moved)
		switch {
		case errors.Is(err, errMoved):
			moved = true
			k.Log.Warn("the hub's events are read elsewhere from now on", "event", "hub-moved", "hub", k.thing, "error", err)
			k.tellRefused(err)
		case moved && errors.Is(err, hub.ErrNoConsumerGroup):
			k.state.setHub(err)
			k.Log.Error("the hub lost its consumer group with the failover; waiting for it", "event", "hub-group-missing",
				"hub", k.thing, "error", err, "hint", fault.HintOf(err))
			if pause.Pause(ctx) != nil {
				return nil
			}
		default:
			return err
		}
	}
}

// once finds the hub's events and carries them until ctx ends, or the hub fails over. moved says that it has before.
func (k *carrier) once(ctx context.Context, moved bool) error {
	events, err := k.openHub(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped while waiting
		}
		return &HubError{err}
	}
	defer events.close()
	if k.waitGroups(ctx) != nil {
		return nil // stopped while waiting
	}
	kept, err := k.openCheckpoints(ctx, events)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped while waiting
		}
		return err
	}
	watch, err := k.newWatch(kept)
	if err != nil {
		return errors.Join(&HubError{err}, kept.close())
	}
	flow := k.newFlow(events, kept, moved || kept.failedOver)
	k.state.setFlow(flow, kept.leases)
	beside := supervise.New(ctx)
	if kept.leases != nil {
		events.levels = kept.leases
		beside.Go("leases", kept.leases.Run)
	}
	beside.Go("heads", func(ctx context.Context) error { return k.watchHeads(ctx, events, watch) })
	if watch != nil {
		flow.Watch = watch
		beside.Go("presence", watch.run)
		beside.Go("presence owed", watch.settle)
		for range askers {
			beside.Go("presence pings", watch.ask)
		}
	}
	beside.Go("endpoint", func(ctx context.Context) error {
		return events.watchEndpoint(ctx, func(ctx context.Context) (access.Endpoint, error) {
			endpoint, _, err := resolve(ctx, k.keys, k.network)
			return endpoint, err
		})
	})
	if err = flow.Run(beside.Context()); errors.Is(err, hub.ErrNoConsumerGroup) {
		err = &HubError{err}
	}
	beside.Stop()
	return errors.Join(err, beside.Wait(), kept.close())
}

// newFlow makes what carries the messages of the hub's partitions. The accounts of those that were read before go on.
func (k *carrier) newFlow(events *events, kept positions, failedOver bool) *ingress.Flow {
	flow := &ingress.Flow{
		Hub: events, HubThing: k.thing, Leases: kept, Checkpoints: kept, Meter: k.meter, Log: k.Log,
		SaveInterval: saveInterval, DrainTimeout: drainTimeout,
		Lost: func(_ string, err error) { k.tellRefused(err) }, Failed: k.tellInternal,
		Pump: ingress.Pump{
			Budget: k.budget, Translator: k.aside.Translator, Writer: k.writer, Aside: k.aside, Tap: tapped{&k.tail}, Meter: k.meter, Trip: k.trip,
		},
	}
	if k.twoWay != nil {
		flow.Pump.Twins = k.twoWay.egress
	}
	if k.life != nil {
		flow.Pump.Life = k.life
	}
	before := map[string]*ingress.Partition{}
	for _, p := range k.state.known() {
		before[p.ID] = p
	}
	for _, part := range events.partitions {
		p := cmp.Or(before[part.ID], &ingress.Partition{ID: part.ID})
		p.Start = k.startOf(failedOver)
		flow.Partitions = append(flow.Partitions, p)
	}
	return flow
}
