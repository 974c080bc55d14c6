package ingress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

// keepOpen reads a partition until ctx ends, opening it again after every failure.
func (f *Flow) keepOpen(ctx context.Context, h *hold) error {
	retry := fault.Backoff{Min: 200 * time.Millisecond, Max: 15 * time.Second}
	for {
		before, _ := h.pump.Tracker.Last()
		err := f.read(ctx, h)
		if ctx.Err() != nil {
			h.failed(ctx.Err())
			return nil
		}
		if fault.ClassOf(err) == fault.Fatal {
			return err
		}
		switch {
		case errors.Is(err, delivery.ErrStolen):
			f.Leases.Doubt()
		case errors.Is(err, delivery.ErrPosition):
			f.goByTime(h, err)
		}
		f.notRead(ctx, h, err)
		if after, _ := h.pump.Tracker.Last(); after != before {
			retry.Reset()
		}
		if retry.Pause(ctx) != nil {
			return nil
		}
	}
}

// notRead notes why a partition is not read, and tells it once.
func (f *Flow) notRead(ctx context.Context, h *hold, err error) {
	news := h.failed(err)
	if ctx.Err() != nil {
		return // that is why
	}
	f.Meter.ReceiveFailed(f.HubThing, h.ID)
	if !news {
		return
	}
	f.Log.Warn("partition is not being read; trying again", "event", "partition-lost",
		"hub", f.HubThing, "partition", h.ID, "error", err, "hint", fault.HintOf(err))
	if f.Lost != nil {
		f.Lost(h.ID, err)
	}
}

// steadyAfter is how long a partition has to stay open to count as read: a source connects when it first
// receives, and then waits for as long as there are no messages.
const steadyAfter = time.Second

// read opens the partition and pumps until it fails.
func (f *Flow) read(ctx context.Context, h *hold) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	from := h.next()
	source, err := f.Hub.Open(ctx, h.ID, from)
	if err != nil {
		return fmt.Errorf("open partition %s: %w", h.ID, err)
	}
	defer source.Close()
	attempt := h.attempting(cut)
	steady := time.AfterFunc(steadyAfter, func() {
		if h.works(attempt) {
			f.Log.Info("reading partition", "event", "partition-open", "hub", f.HubThing, "partition", h.ID, "from", from.String())
		}
	})
	defer steady.Stop()
	last, known := h.last()
	err = h.pump.Run(ctx, &watched{Source: source, flow: f, hold: h, last: last.Sequence, known: known})
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

// last is the message behind which reading goes on: the last that is in flight or has been; false if there is none.
func (h *hold) last() (delivery.Checkpoint, bool) {
	if last, ok := h.pump.Tracker.Last(); ok {
		return last, true
	}
	if h.start.After != nil {
		return *h.start.After, true
	}
	return delivery.Checkpoint{}, false
}

// next is where reading goes on. From a position that the hub does not know it goes on by the time of that message, which
// may repeat some; the earliest message if that is not known either. It is never the latest, which would pass some over.
func (h *hold) next() delivery.Start {
	last, ok := h.last()
	unknown := h.unknown.Load()
	switch {
	case !ok:
		return h.start
	case unknown != nil && *unknown == last:
		return delivery.Start{From: last.Enqueued}
	}
	return delivery.Start{After: &last}
}

// goByTime has reading go on by time: the hub does not know where it ended.
func (f *Flow) goByTime(h *hold, err error) {
	last, ok := h.last()
	if unknown := h.unknown.Load(); !ok || unknown != nil && *unknown == last {
		return // it was told, or was not the reason
	}
	h.unknown.Store(&last)
	f.Meter.PositionUnknown(f.HubThing, h.ID)
	f.Log.Error("the hub does not know where reading ended; going on by the time of that message, which may repeat some",
		"event", "position-unknown", "hub", f.HubThing, "partition", h.ID, "sequence", last.Sequence, "from", h.next().String(),
		"error", err, "hint", fault.HintOf(err))
}

// watched sees messages come: whether any are waited for, and whether there are some that the hub no longer had.
type watched struct {
	Source
	flow  *Flow
	hold  *hold
	last  int64 // sequence of the last message
	known bool  // there is one
}

// Receive is Source's.
func (w *watched) Receive(ctx context.Context) ([]*message.Message, error) {
	w.hold.waiting.Store(true)
	batch, err := w.Source.Receive(ctx)
	w.hold.waiting.Store(false)
	if err != nil || len(batch) == 0 {
		return batch, err
	}
	if missed := batch[0].Sequence - w.last - 1; w.known && missed > 0 {
		w.flow.missed(w.hold, batch[0], missed)
	}
	w.last, w.known = batch[len(batch)-1].Sequence, true
	return batch, nil
}

// missed tells of messages that the hub did not have any more: the numbers of a partition have no gaps.
func (f *Flow) missed(h *hold, next *message.Message, messages int64) {
	f.Meter.Missed(f.HubThing, h.ID, messages)
	f.Log.Error("messages are missing: the hub did not keep them until they were read", "event", "messages-missed",
		"hub", f.HubThing, "partition", h.ID, "messages", messages, "next", next.Sequence, "enqueued", next.Enqueued,
		"hint", "the hub keeps messages for its retention time: make it longer than the longest outage")
}
