package ingress

import (
	"context"
	"fmt"
	"time"

	"azx/internal/fault"
)

// saveRegularly stores how far a partition has come until ctx ends.
func (f *Flow) saveRegularly(ctx context.Context, h *hold) error {
	tick := time.NewTicker(f.SaveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := f.save(ctx, h); ctx.Err() == nil {
			f.noteSave(h, err)
		}
	}
}

// saveLast stores how far a partition has come, with several tries if need be.
func (f *Flow) saveLast(ctx context.Context, h *hold) error {
	retry := fault.Backoff{Min: 100 * time.Millisecond, Max: time.Second}
	for {
		err := f.save(ctx, h)
		if err == nil || retry.Pause(ctx) != nil {
			return err
		}
	}
}

// save stores the watermark of a partition if it has moved.
func (f *Flow) save(ctx context.Context, h *hold) error {
	at, moved := h.unsaved()
	if !moved {
		return nil
	}
	if h.watched != nil {
		if err := h.watched.Save(ctx); err != nil {
			return fmt.Errorf("save what is known of devices before the checkpoint of partition %s: %w", h.ID, err)
		}
	}
	save, unknown := f.Checkpoints.Save, h.unknown.Load()
	if unknown != h.replaced {
		save = f.Checkpoints.Replace
	}
	if err := save(ctx, h.ID, at); err != nil {
		f.Meter.CheckpointFailed(f.HubThing, h.ID)
		return fmt.Errorf("save checkpoint of partition %s: %w", h.ID, err)
	}
	h.saved, h.replaced = at, unknown
	h.savedNow()
	return nil
}

// noteSave tells once that checkpoints cannot be saved, and once that all can again.
func (f *Flow) noteSave(h *hold, err error) {
	f.mu.Lock()
	before := len(f.unsaved)
	if err == nil {
		delete(f.unsaved, h.ID)
	} else {
		if f.unsaved == nil {
			f.unsaved = map[string]bool{}
		}
		f.unsaved[h.ID] = true
	}
	after := len(f.unsaved)
	f.mu.Unlock()
	switch {
	case before == 0 && after > 0:
		f.Log.Error("checkpoints cannot be saved; messages go on and would be repeated after a restart",
			"event", "checkpoint-failing", "hub", f.HubThing, "error", err, "hint", fault.HintOf(err))
		if f.Failed != nil {
			f.Failed(err)
		}
	case before > 0 && after == 0:
		f.Log.Info("checkpoints are saved again", "event", "checkpoint-ok", "hub", f.HubThing)
	}
}
