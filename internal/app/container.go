package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/lease"
	"azx/internal/observe"
)

// graceBeyondDrain is how much longer than messages drain leases are renewed at a stop: for the last checkpoint and the
// release of each partition.
const graceBeyondDrain = 10 * time.Second

// container names the container of the file, as it is reached from here.
func (o outside) container(cfg *config.Config) (checkpoint.Container, error) {
	b := &cfg.Checkpoint.Blob
	files, err := checked(dial.Files{CA: b.CAFile})
	c := checkpoint.Container{
		Name: b.Container, ConnectionString: b.ConnectionString, URL: b.URL, Dial: o.dialer.DialContext, TLS: files.Config,
	}
	if o.identity != nil && b.URL.IsSet() {
		c.Credential = o.identity
	}
	return c, err
}

// containerNow names it for verbs of a person.
func containerNow(ctx context.Context, cfg *config.Config) (checkpoint.Container, error) {
	o, err := openOutsideNow(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return checkpoint.Container{}, err
	}
	return o.container(cfg)
}

// placeOfCheckpoints names where they are, for people.
func placeOfCheckpoints(cfg *config.Config) string {
	if cfg.Checkpoint.Blob.IsSet() {
		return "container " + cfg.Checkpoint.Blob.Container
	}
	return cfg.Checkpoint.File
}

func settingOfCheckpoints(cfg *config.Config) string {
	if cfg.Checkpoint.Blob.IsSet() {
		return "checkpoint.blob"
	}
	return "checkpoint.file"
}

// openContainer opens the container for a hub's log, and takes part in sharing the hub's partitions through it.
func (k *carrier) openContainer(ctx context.Context, e *events, id checkpoint.Identity, options []checkpoint.Option) (positions, error) {
	where, err := k.container(k.Config)
	if err != nil {
		return positions{}, err
	}
	var blob *checkpoint.Blob
	var said error
	waiting := func(err error) {
		if !fault.Same(err, said) {
			k.Log.Warn("waiting for the container of the checkpoints", "event", "checkpoint-unreachable", "hub", k.thing,
				"error", err, "hint", fault.HintOf(err))
		}
		said = err
	}
	err = checkpoint.Until(ctx, waiting, func() (err error) {
		blob, err = checkpoint.OpenBlob(ctx, where, id, k.thing, options...)
		return err
	})
	if err != nil {
		return positions{}, err
	}
	ids := make([]string, len(e.partitions))
	for i, p := range e.partitions {
		ids[i] = p.ID
	}
	leases, err := lease.New(lease.Options{
		Store: blob, Hub: k.thing, ID: k.Config.Name + "/" + rand.Text(),
		Interval: k.Config.Checkpoint.Leases.Interval, Expiry: k.Config.Checkpoint.Leases.Expiry,
		Grace: drainTimeout + graceBeyondDrain, Meter: leaseMeter{k.meter, k.thing}, Log: k.Log,
	}, ids)
	if err != nil {
		return positions{}, errors.Join(err, blob.Close())
	}
	fence := checkpoint.Fence{Store: blob, Lease: leases}
	return positions{
		Checkpoints: fence, Leases: leases, snapshots: fence, leases: leases,
		failedOver: blob.FailedOver(), close: blob.Close,
	}, nil
}

// leaseMeter counts for one hub.
type leaseMeter struct {
	*observe.Metrics
	hub string
}

// LeaseGained is lease.Meter's.
func (m leaseMeter) LeaseGained(partition string, how lease.How) {
	m.Lease(m.hub, partition, "gained", string(how))
}

// LeaseLost is lease.Meter's.
func (m leaseMeter) LeaseLost(partition string, how lease.How) {
	m.Lease(m.hub, partition, "lost", string(how))
}

// LeaseFailed is lease.Meter's.
func (m leaseMeter) LeaseFailed(partition string) { m.LeaseStoreFailed(m.hub, partition) }
