package app

import (
	"context"
	"errors"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/dial"
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
	twoWay  *twoWay // nil if the platform's requests are not carried
}

// open makes what the settings of the hub decide.
func (k *carrier) open() (err error) {
	if k.network, err = openNetwork(k.hub, k.dialer, k.Log); err != nil {
		return err
	}
	k.openAside()
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

// flow finds the hub's events and carries them until ctx ends.
func (k *carrier) flow(ctx context.Context) error {
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
	store, err := k.openCheckpoints(events)
	if err != nil {
		return err
	}
	flow, err := k.newFlow(ctx, events, store)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	k.state.setFlow(flow)
	watch := supervise.New(ctx)
	watch.Go("heads", func(ctx context.Context) error { return k.watchHeads(ctx, events) })
	if err = flow.Run(ctx); errors.Is(err, hub.ErrNoConsumerGroup) {
		err = &HubError{err}
	}
	watch.Stop()
	return errors.Join(err, watch.Wait(), store.Close())
}

// newFlow gives each partition its pump, and the position where it begins.
func (k *carrier) newFlow(ctx context.Context, events *events, store checkpoint.Store) (*ingress.Flow, error) {
	flow := &ingress.Flow{
		Hub: events, HubThing: k.thing, Checkpoints: store, Meter: k.meter, Log: k.Log,
		SaveInterval: saveInterval, DrainTimeout: drainTimeout,
		Lost: func(_ string, err error) { k.tellRefused(err) }, Failed: k.tellInternal,
	}
	for _, part := range events.partitions {
		start, err := k.startOf(ctx, part, store)
		if err != nil {
			return nil, err
		}
		pump := &ingress.Pump{
			Tracker: delivery.NewTracker(), Budget: k.budget, Translator: k.aside.Translator,
			Writer: k.writer, Aside: k.aside, Tap: tapped{&k.tail}, Meter: k.meter,
		}
		if k.twoWay != nil {
			pump.Twins = k.twoWay.egress
		}
		flow.Partitions = append(flow.Partitions, &ingress.Partition{ID: part.ID, Start: start, Pump: pump})
	}
	return flow, nil
}
