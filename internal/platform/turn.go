package platform

import (
	"context"
	"runtime/debug"
	"strings"
	"time"

	"azx/alwayson"
	"azx/internal/decode"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// item is a message of the lane's batch, translated.
type item struct {
	queued   *delivery.Queued
	from, to int   // its values, in the hand's values
	unfit    error // the first value that does not fit its property
	err      error // why its body cannot be read
}

func (it item) wanted() bool { return it.queued.Wanted == nil || it.queued.Wanted() }

// turn writes what waits for one Thing, as far as it fits in one request. The error is that of ctx.
func (h *hand) turn(ctx context.Context, ln *line) error {
	h.answer, ln.answer = ln.answer, nil
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
		h.endUnwritten(k.outcome, fresh)
		return nil
	}
	return h.write(ctx, ln.thing, k)
}

// usable reports whether anything can be written to a Thing: one that was just made has no properties yet.
func usable(k knowledge) bool { return k.table != nil && k.table.Len() > 0 }

// forgetBatch lets go of what the lane's reused memory refers to, and of memory that an unusual batch took.
func (h *hand) forgetBatch() {
	most := 4 * h.writer.cfg.MaxValues
	h.batch, h.left, h.items = recycle(h.batch, most), recycle(h.left, most), recycle(h.items, most)
	h.values.Recycle(most, 2*h.writer.cfg.MaxBytes)
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

// endUnwritten settles the batch with the outcome of its Thing, but for messages whose body cannot be read.
func (h *hand) endUnwritten(o delivery.Outcome, fresh bool) {
	readable := h.batch[:0]
	for _, q := range h.batch {
		if err := decode.Check(q.Message); err != nil {
			h.settle(q, undecodable(err))
		} else {
			readable = append(readable, q)
		}
	}
	clear(h.batch[len(readable):])
	h.batch = readable
	h.end(h.batch, o, fresh)
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
	h.sift(thing, k.table.Gateway(), 0)
	if err := h.leaveOld(ctx, thing); err != nil {
		return err
	}
	return h.deliver(ctx, thing, h.items, k.table)
}

// translate turns the lane's batch into its items and returns how many keys have no property.
func (h *hand) translate(t *mapping.Table) (unknown int) {
	h.dropItems()
	h.values.Cut(0)
	return h.addItems(t)
}

// addItems appends the batch to the items.
func (h *hand) addItems(t *mapping.Table) (unknown int) {
	h.touchBodies()
	for _, q := range h.batch {
		it := item{queued: q, from: h.values.Len()}
		unknown += h.encode(t, &it)
		it.to = h.values.Len()
		h.items = append(h.items, it)
	}
	return unknown
}

// encode appends the values of one message and returns how many keys have no property. A panic on what a device sent is that
// message's problem, not the end of the lane.
func (h *hand) encode(t *mapping.Table, it *item) (unknown int) {
	defer func() {
		if cause := recover(); cause != nil {
			h.values.Cut(it.from)
			it.err = fault.Panicked("read message", cause, debug.Stack())
		}
	}()
	unknown, it.unfit, it.err = t.Encode(it.queued.Telemetry, &h.values)
	return unknown
}

// sift settles the items from the one at from on that have nothing to write, or may not, and keeps the others.
func (h *hand) sift(thing, gateway string, from int) {
	kept := h.items[:from]
	var hub string // whose messages the last answer was for
	var allowed, asked bool
	for _, it := range h.items[from:] {
		if sender := hubOf(it.queued.Telemetry); !asked || sender != hub {
			hub, allowed, asked = sender, h.writer.mayWrite(thing, gateway, sender), true
		}
		switch {
		case it.err != nil:
			h.settle(it.queued, undecodable(it.err))
		case it.to > it.from && !allowed:
			h.settle(it.queued, notAllowed(thing, gateway, hub))
		case it.to > it.from:
			kept = append(kept, it)
		case it.unfit != nil:
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
	h.sift(thing, k.table.Gateway(), 0)
	if err := h.leaveOld(ctx, thing); err != nil {
		return err
	}
	return h.deliver(ctx, thing, h.items, nil)
}

// push sends the values of items, in their order.
func (h *hand) push(ctx context.Context, thing string, items []item) (alwayson.Response, verdict, error) {
	began := h.clock()
	resp, v, err := h.askWhileWanted(ctx, h.request(thing, items), h.parked, items, h.answerFor(items))
	if v == unwanted {
		return resp, v, err
	}
	if err == nil && h.parked && !v.isStuck() {
		h.unpark(thing)
	}
	if err == nil {
		h.trace(thing, items, began, v)
	}
	if err == nil && v == accepted {
		h.writer.cfg.Meter.Written(countValues(items))
	}
	return resp, v, err
}

// request makes the request that carries the values of items, in memory that is used again for the next one.
func (h *hand) request(thing string, items []item) alwayson.Request {
	h.body = alwayson.BeginPropertyPush(h.body[:0])
	for i := range items {
		h.body = appendRows(h.body, &h.values, items[i].from, items[i].to)
	}
	h.body = alwayson.EndPropertyPush(h.body)
	return alwayson.PropertyPush(thing, h.body)
}

func countValues(items []item) int {
	values := 0
	for i := range items {
		values += items[i].to - items[i].from
	}
	return values
}

// appendRows appends the rows of a push for the values in [from, to).
func appendRows(dst []byte, values *mapping.Values, from, to int) []byte {
	for i := from; i < to; i++ {
		property, value, at := values.At(i)
		dst = alwayson.AppendEncodedRow(dst, property, value, at)
	}
	return dst
}

// clock is the time for trace; the zero time if nobody traces.
func (h *hand) clock() time.Time {
	if h.writer.cfg.Tracer == nil {
		return time.Time{}
	}
	return time.Now()
}

// trace tells of the request that carried items.
func (h *hand) trace(thing string, items []item, began time.Time, v verdict) {
	if h.writer.cfg.Tracer == nil {
		return
	}
	messages := make([]*message.Message, 0, len(items))
	for i := range items {
		if m := items[i].queued.Message; m != nil {
			messages = append(messages, m)
		}
	}
	h.writer.cfg.Tracer.Wrote(thing, messages, countValues(items), began, v.String())
}

func (h *hand) accept(thing string, items []item) {
	h.touch(items)
	for i := range items {
		it := &items[i]
		h.last.remember(thing, &h.values, it.from, it.to)
		if written := h.writer.cfg.Written; written != nil {
			written(it.queued.Telemetry, &h.values, it.from, it.to-it.from)
		}
		if it.unfit != nil {
			it.queued.Settle(misfit(it))
		} else {
			it.queued.Settle(delivery.Outcome{})
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
	readings, _ := decode.Body(it.queued.Message) // it was read before
	for _, r := range readings {
		if strings.Contains(string(r.Key), mapping.ModuleSeparator) {
			reason = "module-key"
		}
	}
	return delivery.Outcome{Kind: delivery.Refused, Reason: reason, Err: it.unfit}
}

// undecodable is the outcome of a message whose body cannot be read.
func undecodable(err error) delivery.Outcome {
	return delivery.Outcome{Kind: delivery.Refused, Reason: delivery.Undecodable, Err: err}
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
