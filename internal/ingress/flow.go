package ingress

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"azx/internal/delivery"
	"azx/internal/supervise"
)

// Hub opens the partitions of a hub.
type Hub interface {
	// Open returns the messages of a partition from a position on. An error of it or of its Source that is
	// delivery.ErrPosition says that there is no such position; delivery.ErrStolen, that another reader was given it.
	Open(ctx context.Context, partition string, from delivery.Start) (Source, error)
}

// Leases say which partitions may be read. lease.Manager is one, Alone another.
type Leases interface {
	// Acquire waits until a partition may be read. The context it returns ends with ctx, or, with another cause, when the
	// partition is lost. The error is that of ctx.
	Acquire(ctx context.Context, partition string) (context.Context, error)
	// Fresh returns what tells whether messages of a partition that was acquired are still to be written; nil if they always
	// are. It is asked for each, and must not block. After a no the partition is lost.
	Fresh(partition string) func() bool
	// Doubt says that a partition may have been lost.
	Doubt()
	// Release gives a partition up, after its last checkpoint; of one that was lost it does nothing.
	Release(ctx context.Context, partition string) error
}

// Checkpoints keeps how far each partition has come. Each call is one try.
type Checkpoints interface {
	// Load returns the newest checkpoint of a partition; false if it has none.
	Load(ctx context.Context, partition string) (delivery.Checkpoint, bool, error)
	// Save returns once the checkpoint is durable. One before that which is stored is an error.
	Save(ctx context.Context, partition string, at delivery.Checkpoint) error
	// Replace is Save when the stored checkpoint means nothing to the hub: it may go backwards.
	Replace(ctx context.Context, partition string, at delivery.Checkpoint) error
}

// Meter counts what is not in the trackers.
type Meter interface {
	Ended(hub, partition string, result delivery.Result, reason string)
	Evicted(hub string, messages int) // kept messages that newer ones pushed out
	TimeReplaced(hub string)
	ReceiveFailed(hub, partition string)
	CheckpointFailed(hub, partition string)
	PositionUnknown(hub, partition string)        // reading went on by time
	Missed(hub, partition string, messages int64) // that the hub no longer had
	Stalled(hub, partition string)                // silent although the hub had messages
}

// Flow carries the partitions of one hub: each as long as this connector may read it (hold.go), opened again after every
// failure (open.go), with checkpoints behind what is settled (save.go).
type Flow struct {
	Hub          Hub
	HubThing     string
	Partitions   []*Partition
	Pump         Pump // what the pumps of all partitions have in common: all but the Tracker
	Leases       Leases
	Checkpoints  Checkpoints
	Watch        Watch         // nil if nobody asks whether devices are alive
	SaveInterval time.Duration // between two checkpoints of a partition
	DrainTimeout time.Duration // how long a stop waits for what is in flight
	Meter        Meter
	Log          *slog.Logger
	// Lost hears why a partition is not read, once until it is again; Failed why checkpoints are not saved, likewise. They
	// must not block, and may be nil.
	Lost   func(partition string, err error)
	Failed func(err error)

	mu      sync.Mutex
	unsaved map[string]bool // partitions whose checkpoints cannot be saved
}

// Run carries messages until ctx ends, or until a partition meets an error that no repetition mends. Before it returns,
// each partition waits, within the drain timeout, for what is in flight, saves its last checkpoint and is given up; so the
// writer has to outlive it.
func (f *Flow) Run(ctx context.Context) error {
	group := supervise.New(ctx)
	for _, p := range f.Partitions {
		group.Go("partition "+p.ID, func(ctx context.Context) error { return f.keep(ctx, p) })
	}
	return group.Wait()
}

// Alone are the leases of a hub that no other connector reads.
type Alone struct{}

// Acquire is Leases'. It does not wait.
func (Alone) Acquire(ctx context.Context, _ string) (context.Context, error) { return ctx, ctx.Err() }

// Fresh is Leases'.
func (Alone) Fresh(string) func() bool { return nil }

// Doubt is Leases'.
func (Alone) Doubt() {}

// Release is Leases'.
func (Alone) Release(context.Context, string) error { return nil }
