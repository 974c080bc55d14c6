package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"azx/internal/delivery"
	"azx/internal/supervise"
)

// Hub opens the partitions of a hub.
type Hub interface {
	// Open returns the messages of a partition from a position on.
	Open(ctx context.Context, partition string, from delivery.Start) (Source, error)
}

// Checkpoints keeps how far each partition has come.
type Checkpoints interface {
	// Save returns once the checkpoint is durable.
	Save(ctx context.Context, partition string, at delivery.Checkpoint) error
}

// Meter counts what is not in the trackers.
type Meter interface {
	Ended(hub, partition string, result delivery.Result, reason string)
	Evicted(hub string, messages int) // kept messages that newer ones pushed out
	TimeReplaced(hub string)
	ReceiveFailed(hub, partition string)
	CheckpointFailed(hub, partition string)
}

// Flow carries the partitions of one hub: it keeps each one open, and saves checkpoints.
type Flow struct {
	Hub          Hub
	HubThing     string
	Partitions   []*Partition
	Checkpoints  Checkpoints
	SaveInterval time.Duration // between two checkpoints of a partition
	DrainTimeout time.Duration // how long a stop waits for what is in flight
	Meter        Meter
	Log          *slog.Logger
	// Lost hears why a partition is not read, once until it is again; Failed why checkpoints are not saved, likewise. They
	// must not block, and may be nil.
	Lost   func(partition string, err error)
	Failed func(err error)
}

// Run carries messages until ctx ends, or until a partition meets an error that no repetition mends. Before
// it returns it waits, within the drain timeout, for what is in flight, and saves the last checkpoints; so
// the writer has to outlive it.
func (f *Flow) Run(ctx context.Context) error {
	group := supervise.New(ctx)
	for _, p := range f.Partitions {
		group.Go("partition "+p.ID, func(ctx context.Context) error { return f.keepOpen(ctx, p) })
	}
	group.Go("checkpoints", f.saveRegularly)
	err := group.Wait()

	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.DrainTimeout)
	defer cancel()
	f.drain(closing)
	return errors.Join(err, f.save(context.WithoutCancel(ctx)))
}

func (f *Flow) saveRegularly(ctx context.Context) error {
	tick := time.NewTicker(f.SaveInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := f.save(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			f.Log.Error("checkpoints cannot be saved; messages go on and would be repeated after a restart",
				"event", "checkpoint-failing", "hub", f.HubThing, "error", err)
			if f.Failed != nil {
				f.Failed(err)
			}
		}
		if err == nil && failing {
			f.Log.Info("checkpoints are saved again", "event", "checkpoint-ok", "hub", f.HubThing)
		}
		failing = err != nil
	}
}

// save stores the watermark of every partition that moved.
func (f *Flow) save(ctx context.Context) error {
	var failed error
	for _, p := range f.Partitions {
		at, moved := p.unsaved()
		if !moved {
			continue
		}
		if err := f.Checkpoints.Save(ctx, p.ID, at); err != nil {
			f.Meter.CheckpointFailed(f.HubThing, p.ID)
			failed = errors.Join(failed, fmt.Errorf("save checkpoint of partition %s: %w", p.ID, err))
			continue
		}
		p.setSaved(at)
	}
	return failed
}
