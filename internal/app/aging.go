package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"azx/internal/folder"
	"azx/internal/quarantine"
)

// agingInterval is the time between two looks for records that are too old.
const agingInterval = 10 * time.Minute

// ageQuarantine removes records that are older than the operator wants to keep them, until ctx ends. Without such a limit
// nothing is removed.
func (c *connector) ageQuarantine(ctx context.Context) error {
	limit := c.Config.Quarantine.MaxAge
	if limit == 0 {
		return nil
	}
	pace := time.NewTicker(agingInterval)
	defer pace.Stop()
	for {
		gone, err := c.expire(ctx, time.Now().Add(-limit))
		for _, reason := range slices.Sorted(maps.Keys(gone)) {
			c.Log.Warn("messages of the quarantine were too old and have been removed", "event", "quarantine-expired",
				"reason", reason, "messages", gone[reason], "maxAge", limit)
		}
		if err != nil && ctx.Err() == nil {
			c.Log.Error("messages of the quarantine that are too old could not be removed", "event", "quarantine-expiry-failing", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
}

// expire removes the records that were put aside before a time, and tells how many there were of each reason.
func (c *connector) expire(ctx context.Context, before time.Time) (gone map[string]int, err error) {
	gone = map[string]int{}
	for records := range batches(c.dead.List, func(r quarantine.Record) bool { return r.Time.Before(before) }) {
		done := make([]bool, len(records))
		at := map[uint64]int{}
		for i, r := range records {
			at[r.ID] = i
		}
		_, err = settleAll(ctx, records, func(ctx context.Context, r quarantine.Record) (settled bool, err error) {
			settled, err = c.dead.Settle(ctx, r, quarantine.Expired)
			done[at[r.ID]] = settled
			return settled, err
		})
		for i, r := range records {
			if done[i] {
				gone[r.Reason]++
				c.meter.Expired(r.Hub, r.Reason)
			}
		}
		if err != nil {
			return gone, err
		}
	}
	return gone, c.dead.Reclaim(ctx)
}

// tellVolatile warns of a quarantine that does not outlive the machine.
func (c *connector) tellVolatile() {
	if kind := c.volatileQuarantine(); kind != "" {
		c.Log.Warn("the quarantine is in memory, and the checkpoints are not: a restart of the machine loses what was put aside",
			"event", "quarantine-volatile", "dir", c.Config.Quarantine.Dir, "fileSystem", kind, "hint", volatileHint)
	}
}

const volatileHint = "set quarantine.dir to a folder on a disk or volume that stays"

// volatileQuarantine names the file system of a quarantine that does not outlive the machine while the checkpoints do: they
// would have passed what is gone. "" if it is none.
func (c *connector) volatileQuarantine() string {
	if c.Config.Checkpoint.Blob.Container == "" {
		return ""
	}
	at, err := folder.Existing(c.Config.Quarantine.Dir)
	if err != nil {
		return ""
	}
	kind, _ := folder.Volatile(at) // what is not known is not told
	return kind
}
