package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
)

// hubCheckpoints are those of one hub of a file.
type hubCheckpoints struct {
	cfg *config.Config
	hub *config.Hub
}

func (of CheckpointsOf) find() (hubCheckpoints, error) {
	h, err := findHub(of.Config, "the file", of.Hub)
	return hubCheckpoints{of.Config, h}, err
}

// stored finds the log that was named, or that which the folder was last opened with.
func (of CheckpointsOf) stored(ctx context.Context) (hubCheckpoints, checkpoint.Identity, error) {
	f, err := of.find()
	if err != nil {
		return f, checkpoint.Identity{}, err
	}
	current, _, err := readCheckpoints(ctx, f.cfg, f.hub.Thing)
	if err != nil || of.Log == "" {
		if err == nil && (current.Group == "" || len(f.cfg.Hubs) > 1 && !f.cfg.Checkpoint.Blob.IsSet() && !hasFolder(f.cfg, f.hub.Thing)) {
			err = fault.Reject("find the checkpoints", "name them with --log, as azx checkpoint show does", "no connector has used %s yet", placeOfCheckpoints(f.cfg))
		}
		return f, current, err
	}
	id, err := checkpoint.ParseIdentity(of.Log)
	if err != nil {
		return f, id, &fault.Problem{Op: "find the checkpoints", Class: fault.Rejected, Cause: err, Hint: "azx checkpoint show lists what there is"}
	}
	id.Hub = current.Hub
	return f, id, nil
}

// used finds the log that was named, or that which the connector would run with.
func (of CheckpointsOf) used(ctx context.Context) (hubCheckpoints, checkpoint.Identity, error) {
	if of.Log != "" {
		return of.stored(ctx)
	}
	f, err := of.find()
	if err != nil {
		return f, checkpoint.Identity{}, err
	}
	current, _, err := readCheckpoints(ctx, f.cfg, f.hub.Thing)
	if err != nil || strings.EqualFold(current.Group, f.hub.ConsumerGroup) && len(f.cfg.Hubs) == 1 {
		return f, current, err
	}
	if err := checkHub(f.hub, "or name the log with --log ENDPOINT/EVENT-HUB/GROUP"); err != nil {
		return f, current, err
	}
	out, err := openOutsideNow(ctx, f.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return f, current, err
	}
	network, err := openNetwork(f.hub, out.dialer, slog.New(slog.DiscardHandler))
	if err != nil {
		return f, current, err
	}
	endpoint, service, err := resolve(ctx, newKeys(f.hub), network)
	return f, identity(service, endpoint, f.hub.ConsumerGroup), err
}

// put stores checkpoints of one log. Those that are there stay, unless force is set.
func (f hubCheckpoints) put(ctx context.Context, op string, id checkpoint.Identity, all map[string]delivery.Checkpoint, force bool) ([]PartitionCheckpoint, error) {
	return partitionCheckpoints(all), f.change(ctx, id, func(f kept) error {
		if there := f.All(); len(there) > 0 && !force {
			return fault.Reject(op, "--force replaces them", "%s has checkpoints of %d partitions already", id, len(there))
		}
		for partition, at := range all {
			if err := f.Set(ctx, partition, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// kept are the checkpoints of one log, in a person's hands.
type kept interface {
	Set(ctx context.Context, partition string, at delivery.Checkpoint) error
	Clear(ctx context.Context, partition string) (bool, error)
	All() map[string]delivery.Checkpoint
	Close() error
}

// keptInFolder is a folder as kept.
type keptInFolder struct{ *checkpoint.File }

// Set is kept's.
func (k keptInFolder) Set(_ context.Context, partition string, at delivery.Checkpoint) error {
	return k.File.Set(partition, at)
}

// Clear is kept's.
func (k keptInFolder) Clear(_ context.Context, partition string) (bool, error) {
	return k.File.Clear(partition)
}

// open takes the hub's folder for a log, or opens the container.
func (f hubCheckpoints) open(ctx context.Context, id checkpoint.Identity) (kept, error) {
	if !f.cfg.Checkpoint.Blob.IsSet() {
		file, err := openFolder(f.cfg, f.hub.Thing, id, checkpointHolder, checkpoint.AllowNewIdentity())
		return keptInFolder{file}, err
	}
	where, err := containerNow(ctx, f.cfg)
	if err != nil {
		return nil, err
	}
	return checkpoint.OpenBlob(ctx, where, id, f.hub.Thing, checkpoint.AllowNewIdentity())
}

// change opens the hub's checkpoints of a log, changes them and gives them back.
func (f hubCheckpoints) change(ctx context.Context, id checkpoint.Identity, change func(kept) error) error {
	log, err := f.open(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(change(log), log.Close())
}
