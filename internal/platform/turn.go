package platform

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// item is a message of the lane's batch, translated.
type item struct {
	queued   *delivery.Queued
	from, to int   // its values, in the lane's writes
	err      error // the first value that does not fit its property
}

func (it item) wanted() bool { return it.queued.Wanted == nil || it.queued.Wanted() }

// turn writes what waits for one Thing, as far as it fits in one request. The error is that of ctx.
func (h *hand) turn(ctx context.Context, ln *line) error {
	if !h.carryPushes(ctx, ln) || h.holdForAct(ln) {
		return nil
	}
	k, known := h.tables.get(ln.thing)
	fresh := !known || !time.Now().Before(k.until)
	if fresh {
		existed := usable(k)
		var err error
		if k, err = h.learn(ctx, ln.thing); err != nil {
			return err
		}
		if backlog := h.writer.cfg.Backlog; backlog != nil && usable(k) && !existed {
			h.putBack(ln, backlog.Release(ln.thing))
		}
	}
	if h.holdForKeeper(ln, k) {
		return nil
	}
	h.take(ln)
	h.parked = k.parked
	defer h.forgetBatch()
	h.end(h.left, delivery.Outcome{Kind: delivery.Unwanted}, false)
	if k.table == nil {
		h.end(h.batch, k.outcome, fresh)
		return nil
	}
	return h.write(ctx, ln.thing, k)
}

// usable reports whether anything can be written to a Thing: one that was just made has no properties yet.
func usable(k knowledge) bool { return k.table != nil && k.table.Len() > 0 }

// forgetBatch lets go of what the lane's reused memory refers to, and of memory that an unusual batch took.
func (h *hand) forgetBatch() {
	most := 2 * h.writer.cfg.MaxValues
	h.batch, h.left, h.items = recycle(h.batch, most), recycle(h.left, most), recycle(h.items, most)
	h.writes = recycle(h.writes, most)
	if cap(h.body) > 2*h.writer.cfg.MaxBytes {
		h.body = nil
	}
}

// recycle clears a slice, and gives it up if it has room for more than most. What is behind its length has to be clear.
func recycle[T any](s []T, most int) []T {
	if cap(s) > most {
		return nil
	}
	clear(s)
	return s[:0]
}

// end settles messages with one outcome. fresh says that the platform has just been asked for their Thing.
func (h *hand) end(messages []*delivery.Queued, o delivery.Outcome, fresh bool) {
	if fresh && o.Kind == delivery.NoThing && len(messages) > 0 {
		h.writer.cfg.Events.noThing(messages[0].Telemetry)
	}
	for _, q := range messages {
		q.Settle(o)
	}
	h.ended(len(messages))
}

// write translates the batch, asks again if a key is unknown, and delivers.
func (h *hand) write(ctx context.Context, thing string, k knowledge) error {
	unknown := h.translate(k.table)
	if unknown > 0 && time.Since(k.asked) >= h.writer.cfg.AskAgain {
		var err error
		if k, err = h.learn(ctx, thing); err != nil {
			return err
		}
		if k.table == nil {
			h.endOrKeep(thing, k)
			return nil
		}
		unknown = h.translate(k.table)
	}
	if unknown > 0 {
		h.writer.cfg.Meter.UnknownKeys(unknown)
	}
	h.sift(thing, k.table.Gateway())
	if err := h.leaveOld(ctx, thing); err != nil {
		return err
	}
	return h.deliver(ctx, thing, h.items, k.table)
}

// translate turns the lane's batch into its items and returns how many keys have no property.
func (h *hand) translate(t *mapping.Table) (unknown int) {
	readings := 0
	for i := range h.batch {
		readings += h.batch[i].Readings.Len()
	}
	h.dropItems()
	clear(h.writes)
	h.writes = slices.Grow(h.writes[:0], readings)
	for _, q := range h.batch {
		from := len(h.writes)
		keys, err := h.mapOne(t, q.Telemetry)
		unknown += keys
		h.items = append(h.items, item{queued: q, from: from, to: len(h.writes), err: err})
	}
	return unknown
}

// mapOne appends the writes of one message. A panic on what a device sent is that message's problem, not the
// end of the lane.
func (h *hand) mapOne(t *mapping.Table, tel message.Telemetry) (unknown int, err error) {
	from := len(h.writes)
	defer func() {
		if cause := recover(); cause != nil {
			clear(h.writes[from:cap(h.writes)]) // what Map appended
			h.writes = h.writes[:from]
			err = fault.Panicked("map message", cause, debug.Stack())
		}
	}()
	writes, keys, err := t.Map(tel, h.writes)
	h.writes = writes
	return len(keys), err
}

// sift settles the items that have nothing to write, or may not, and keeps the others.
func (h *hand) sift(thing, gateway string) {
	kept := h.items[:0]
	var hub string // whose messages the last answer was for
	var allowed, asked bool
	for i := range h.items {
		it := h.items[i]
		if from := hubOf(it.queued.Telemetry); !asked || from != hub {
			hub, allowed, asked = from, h.writer.mayWrite(thing, gateway, from), true
		}
		switch {
		case it.to > it.from && !allowed:
			h.settle(it.queued, notAllowed(thing, gateway, hub))
		case it.to > it.from:
			kept = append(kept, it)
		case it.err != nil:
			h.settle(it.queued, misfit(&it))
		default:
			h.settle(it.queued, delivery.Outcome{Kind: delivery.Nothing, Reason: "no-property"})
		}
	}
	clear(h.items[len(kept):])
	h.items = kept
}

// deliver sends the items in one request and settles them. The first time that is rejected, tried being the
// table they were translated with, it learns the Thing anew and tries the translation of another table; after
// that it halves the items until those at fault stand alone.
func (h *hand) deliver(ctx context.Context, thing string, items []item, tried *mapping.Table) error {
	if len(items) == 0 {
		return nil
	}
	resp, v, err := h.push(ctx, thing, items)
	switch {
	case err != nil:
		return err
	case v == accepted:
		h.accept(thing, items)
		return nil
	case v == unwanted:
		h.reject(items, delivery.Outcome{Kind: delivery.Unwanted})
		return nil
	case v.isStuck():
		o := rejection(thing, resp)
		h.park(thing, o)
		h.reject(items, o)
		return nil
	case tried != nil:
		return h.relearn(ctx, thing, items, tried, resp)
	}
	return h.halve(ctx, thing, items, resp)
}

// halve goes on after items were rejected although the table is right.
func (h *hand) halve(ctx context.Context, thing string, items []item, resp alwayson.Response) error {
	half := len(items) / 2
	if half == 0 {
		h.reject(items, rejection(thing, resp))
		return nil
	}
	if err := h.deliver(ctx, thing, items[:half], nil); err != nil {
		return err
	}
	return h.deliver(ctx, thing, items[half:], nil)
}

// relearn goes on after the first rejection of items.
func (h *hand) relearn(ctx context.Context, thing string, items []item, tried *mapping.Table, resp alwayson.Response) error {
	h.tables.forget(thing)
	k, err := h.learn(ctx, thing)
	if err != nil {
		return err
	}
	if k.table != nil && k.table.Equal(tried) {
		return h.halve(ctx, thing, items, resp)
	}
	clear(h.batch)
	h.batch = h.batch[:0]
	for i := range items {
		h.batch = append(h.batch, items[i].queued)
	}
	if k.table == nil {
		h.endOrKeep(thing, k)
		return nil
	}
	h.translate(k.table)
	h.sift(thing, k.table.Gateway())
	if err := h.leaveOld(ctx, thing); err != nil {
		return err
	}
	return h.deliver(ctx, thing, h.items, nil)
}

// push sends the values of items, in their order.
func (h *hand) push(ctx context.Context, thing string, items []item) (alwayson.Response, verdict, error) {
	values := 0
	h.body = alwayson.BeginPropertyPush(h.body[:0])
	for i := range items {
		writes := h.writes[items[i].from:items[i].to]
		for at := range writes {
			w := &writes[at]
			h.body = alwayson.AppendPropertyRow(h.body, &alwayson.PropertyValue{Name: w.Property, Value: w.Value, TimeMs: w.Time})
		}
		values += len(writes)
	}
	h.body = alwayson.EndPropertyPush(h.body)
	began := h.clock()
	resp, v, err := h.askWhileWanted(ctx, alwayson.PropertyPush(thing, h.body), h.parked, items)
	if v == unwanted {
		return resp, v, err
	}
	if err == nil && h.parked && !v.isStuck() {
		h.unpark(thing)
	}
	if err == nil {
		h.trace(thing, items, values, began, v)
	}
	if err == nil && v == accepted {
		h.writer.cfg.Meter.Written(values)
	}
	return resp, v, err
}

// clock is the time for trace; the zero time if nobody traces.
func (h *hand) clock() time.Time {
	if h.writer.cfg.Tracer == nil {
		return time.Time{}
	}
	return time.Now()
}

// trace tells of the request that carried items.
func (h *hand) trace(thing string, items []item, values int, began time.Time, v verdict) {
	if h.writer.cfg.Tracer == nil {
		return
	}
	messages := make([]*message.Message, 0, len(items))
	for i := range items {
		if m := items[i].queued.Message; m != nil {
			messages = append(messages, m)
		}
	}
	h.writer.cfg.Tracer.Wrote(thing, messages, values, began, v.String())
}

func (h *hand) accept(thing string, items []item) {
	for i := range items {
		h.last.remember(thing, h.writes[items[i].from:items[i].to])
		if written := h.writer.cfg.Written; written != nil {
			written(items[i].queued.Telemetry, h.writes[items[i].from:items[i].to])
		}
		if items[i].err != nil {
			items[i].queued.Settle(misfit(&items[i]))
		} else {
			items[i].queued.Settle(delivery.Outcome{})
		}
	}
	h.ended(len(items))
}

func (h *hand) reject(items []item, o delivery.Outcome) {
	for i := range items {
		items[i].queued.Settle(o)
	}
	h.ended(len(items))
}

func hubOf(t message.Telemetry) string {
	if t.Message == nil {
		return ""
	}
	return t.Message.Hub
}

// misfit is the outcome of a message that holds a value which mapping refused.
func misfit(it *item) delivery.Outcome {
	reason := "wrong-type"
	for i := range it.queued.Readings.Len() {
		if strings.Contains(string(it.queued.Readings.Key(i)), mapping.ModuleSeparator) {
			reason = "module-key"
		}
	}
	return delivery.Outcome{Kind: delivery.Refused, Reason: reason, Err: it.err}
}

func notAllowed(thing, gateway, hub string) delivery.Outcome {
	o := delivery.Outcome{Kind: delivery.Refused, Reason: "not-allowed"}
	if gateway != "" && gateway != hub {
		o.Err = fault.Reject("write to Thing "+thing, "set the Thing's gatewayThing to "+hub,
			"the Thing belongs to %q, the message came from %q", gateway, hub)
		return o
	}
	o.Err = fault.Reject("write to Thing "+thing,
		"set the Thing's gatewayThing to the hub's Thing, or name the Thing in allowThings (never a Thing of the system)",
		"devices of %q may not write to this Thing", hub)
	return o
}
