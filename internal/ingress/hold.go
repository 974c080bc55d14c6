package ingress

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/supervise"
)

// hold is a partition from when it was acquired to when it is given up or lost. It has an account of its own: what is
// still in flight from an earlier hold moves no checkpoint of this one.
type hold struct {
	*Partition
	pump    *Pump
	start   delivery.Start // where it began; of its own goroutine, and under mu of the Partition
	unknown atomic.Pointer[delivery.Checkpoint]
	waiting atomic.Bool // for messages
	watched Watched     // nil if nobody asks whether devices are alive; of its own goroutine

	saved    delivery.Checkpoint  // last one stored; of the goroutine that saves
	replaced *delivery.Checkpoint // the unknown position in whose place one was stored; likewise
}

// keep holds a partition whenever this connector may read it, until ctx ends.
func (f *Flow) keep(ctx context.Context, p *Partition) error {
	for {
		reading, err := f.Leases.Acquire(ctx, p.ID)
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err != nil:
			return fmt.Errorf("acquire: %w", err)
		}
		if err := f.hold(ctx, reading, p); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// hold reads a partition from its newest checkpoint on until reading ends. If ctx has ended then, it gives the partition
// up once nothing is in flight any more; else the partition is lost, and what has not been sent is left to its new reader.
func (f *Flow) hold(ctx, reading context.Context, p *Partition) error {
	h := p.begin(f.Pump, f.Leases.Fresh(p.ID))
	defer f.end(h)
	saving := supervise.New(context.WithoutCancel(ctx))
	err := f.load(reading, h)
	if err == nil && reading.Err() == nil {
		f.watch(reading, h)
		saving.Go("checkpoints", func(ctx context.Context) error { return f.saveRegularly(ctx, h) })
		saved, stop := context.WithCancel(reading)
		defer context.AfterFunc(saving.Context(), stop)() // nothing is read that is not saved
		err = f.keepOpen(saved, h)
		stop()
	}
	lost := reading.Err() != nil && context.Cause(reading) != context.Cause(ctx)
	if lost {
		h.pump.Tracker.Withdraw()
		saving.Stop()
	}
	f.drain(ctx, h)
	f.unwatch(ctx, h, lost)
	saving.Stop()
	err = errors.Join(err, saving.Wait())
	if lost {
		return err
	}
	return errors.Join(err, f.leave(ctx, h))
}

// load finds out where the partition begins. It waits for a store that fails: nothing else says where.
func (f *Flow) load(ctx context.Context, h *hold) error {
	retry := fault.Backoff{Min: 200 * time.Millisecond, Max: 15 * time.Second}
	for {
		at, found, err := f.Checkpoints.Load(ctx, h.ID)
		if err == nil {
			h.startAt(at, found)
			return nil
		}
		err = fmt.Errorf("load checkpoint of partition %s: %w", h.ID, err)
		if class := fault.ClassOf(err); ctx.Err() == nil && (class == fault.Fatal || class == fault.Rejected) {
			return err
		}
		f.notRead(ctx, h, err)
		if retry.Pause(ctx) != nil {
			return nil
		}
	}
}

// lastCalls is how long the last checkpoint of a partition is tried, and then its release.
const lastCalls = 3 * time.Second

// leave saves the last checkpoint and gives the partition up.
func (f *Flow) leave(ctx context.Context, h *hold) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCalls)
	defer cancel()
	err := f.saveLast(ctx, h)
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCalls)
	defer cancel()
	_ = f.Leases.Release(releasing, h.ID) // those who keep leases tell; it expires anyway
	return err
}
