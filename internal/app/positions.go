package app

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/lease"
)

// hubsFolder is where, in the folder of checkpoints, each hub of several has its own.
const hubsFolder = "hubs"

// checkpointFolder is where a hub has its checkpoints: the folder that the file names, if it is the only one and has been
// so, else one of its own in that.
func checkpointFolder(cfg *config.Config, hubThing string) string {
	own := filepath.Join(cfg.Checkpoint.File, hubsFolder, url.PathEscape(hubThing))
	if _, err := os.Stat(own); len(cfg.Hubs) == 1 && err != nil {
		return cfg.Checkpoint.File
	}
	return own
}

// hasFolder reports whether there is the hub's folder of checkpoints.
func hasFolder(cfg *config.Config, hubThing string) bool {
	_, err := os.Stat(checkpointFolder(cfg, hubThing))
	return !errors.Is(err, fs.ErrNotExist)
}

// readCheckpoints returns what is stored for a hub, without taking the folder. A hub that has no folder of its own yet
// begins with what it left where it was the only one.
func readCheckpoints(ctx context.Context, cfg *config.Config, hubThing string) (checkpoint.Identity, []checkpoint.Stored, error) {
	if cfg.Checkpoint.Blob.IsSet() {
		where, err := containerNow(ctx, cfg)
		if err != nil {
			return checkpoint.Identity{}, nil, err
		}
		return checkpoint.ReadContainer(ctx, where, hubThing)
	}
	if !hasFolder(cfg, hubThing) {
		return checkpoint.Read(cfg.Checkpoint.File)
	}
	return checkpoint.Read(checkpointFolder(cfg, hubThing))
}

// positions are the checkpoints of a hub's partitions, and who may read each of them.
type positions struct {
	ingress.Checkpoints
	ingress.Leases
	snapshots
	leases     *lease.Manager // nil with a folder, which is this connector's alone
	failedOver bool           // the newest checkpoints are those of the log that the hub had before a failover
	close      func() error
}

// openCheckpoints opens what has the checkpoints of this hub's log: the folder or the container. After a failover of the hub
// those of before stay as they are. A container that cannot be reached is waited for.
func (k *carrier) openCheckpoints(ctx context.Context, e *events) (positions, error) {
	var options []checkpoint.Option
	if _, said := k.Starts.Of(k.thing); said {
		options = append(options, checkpoint.AllowNewIdentity())
	}
	if _, named, err := k.keys.named(); err == nil && !named {
		options = append(options, checkpoint.AllowFailover())
	}
	id := identity(e.service, e.endpoint, k.hub.ConsumerGroup)
	if k.Config.Checkpoint.Blob.IsSet() {
		return k.openContainer(ctx, e, id, options)
	}
	f, err := openFolder(k.Config, k.thing, id, k.Config.Name, options...)
	if err != nil {
		return positions{}, err
	}
	return positions{Checkpoints: f, Leases: ingress.Alone{}, snapshots: f, failedOver: f.FailedOver(), close: f.Close}, nil
}

// openFolder takes a hub's folder for a log. The first time that it is one of several, the hub begins with what it left where
// it was the only one.
func openFolder(cfg *config.Config, hubThing string, id checkpoint.Identity, holder string, options ...checkpoint.Option) (*checkpoint.File, error) {
	dir := checkpointFolder(cfg, hubThing)
	if dir != cfg.Checkpoint.File && !hasFolder(cfg, hubThing) {
		if err := adopt(cfg.Checkpoint.File, dir, id, holder); err != nil {
			return nil, err
		}
	}
	return checkpoint.OpenFile(dir, id, holder, options...)
}

// adopt makes a folder with the checkpoints that another one has of a hub: all of them or, if anything fails, no folder.
func adopt(from, dir string, id checkpoint.Identity, holder string) (err error) {
	whole := dir + ".new"
	defer func() {
		if err != nil {
			err = &fault.Problem{Op: "open checkpoints " + dir, Class: fault.Fatal, Cause: err, Hint: "the folder of checkpoint.file must be writable"}
		}
	}()
	last, stored, err := checkpoint.Read(from)
	if err != nil {
		return err
	}
	if last.Hub == id.Hub {
		id = last // also if the consumer group has changed meanwhile, which is to be noticed
	}
	if err := errors.Join(os.RemoveAll(whole), os.MkdirAll(filepath.Dir(whole), 0o700)); err != nil {
		return err
	}
	f, err := checkpoint.OpenFile(whole, id, holder)
	if err != nil {
		return err
	}
	for _, s := range stored {
		for partition, at := range s.At {
			if s.Identity == id.String() && err == nil {
				err = f.Set(partition, at)
			}
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(whole, dir)
}

// nextOf is where a connector would go on, by partition. The checkpoints are read and stay as they are.
func (k *carrier) nextOf(ctx context.Context, e *events) (map[string]delivery.Start, error) {
	_, stored, err := readCheckpoints(ctx, k.Config, k.thing)
	if err != nil {
		return nil, err
	}
	id := identity(e.service, e.endpoint, k.hub.ConsumerGroup).String()
	starts := map[string]delivery.Start{}
	for _, p := range e.partitions {
		start, said := k.Starts.Of(k.thing)
		if !said {
			start = k.hub.Start
		}
		starts[p.ID] = delivery.Start{Latest: start.Latest, From: start.At}
		for _, s := range stored {
			if at, has := s.At[p.ID]; has && s.Identity == id && !said {
				starts[p.ID] = delivery.Start{After: &at}
			}
		}
	}
	return starts, nil
}
