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
	queued   delivery.Queued
	from, to int   // its values, in the lane's writes
	err      error // the first value that does not fit its property
}

// turn writes what waits for one Thing, as far as it fits in one request. The error is that of ctx.
func (l *lane) turn(ctx context.Context, ln *line) error {
	if !l.carryPushes(ctx, ln) || l.holdForAct(ln) {
		return nil
	}
	k, known := l.tables.get(ln.thing)
	fresh := !known || !time.Now().Before(k.until)
	if fresh {
		existed := usable(k)
		var err error
		if k, err = l.learn(ctx, ln.thing); err != nil {
			return err
		}
		if backlog := l.writer.cfg.Backlog; backlog != nil && usable(k) && !existed {
			l.putBack(ln, backlog.Release(ln.thing))
		}
	}
	if l.holdForKeeper(ln, k) {
		return nil
	}
	l.take(ln)
	l.parked = k.parked
	defer l.forgetBatch()
	l.end(l.left, delivery.Outcome{Kind: delivery.Unwanted}, false)
	if k.table == nil {
		l.end(l.batch, k.outcome, fresh)
		return nil
	}
	return l.write(ctx, ln.thing, k)
}

// usable reports whether anything can be written to a Thing: one that was just made has no properties yet.
func usable(k knowledge) bool { return k.table != nil && k.table.Len() > 0 }

// forgetBatch lets go of what the lane's reused memory refers to, and of memory that an unusual batch took.
func (l *lane) forgetBatch() {
	most := 2 * l.writer.cfg.MaxValues
	l.batch, l.left, l.items = recycle(l.batch, most), recycle(l.left, most), recycle(l.items, most)
	l.writes = recycle(l.writes, most)
	if cap(l.body) > 2*l.writer.cfg.MaxBytes {
		l.body = nil
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
func (l *lane) end(messages []delivery.Queued, o delivery.Outcome, fresh bool) {
	if fresh && o.Kind == delivery.NoThing && len(messages) > 0 {
		l.writer.cfg.Events.noThing(messages[0].Telemetry)
	}
	for i := range messages {
		l.settle(&messages[i], o)
	}
}

// write translates the batch, asks again if a key is unknown, and delivers.
func (l *lane) write(ctx context.Context, thing string, k knowledge) error {
	unknown := l.translate(k.table)
	if unknown > 0 && time.Since(k.asked) >= l.writer.cfg.AskAgain {
		var err error
		if k, err = l.learn(ctx, thing); err != nil {
			return err
		}
		if k.table == nil {
			l.endOrKeep(thing, k)
			return nil
		}
		unknown = l.translate(k.table)
	}
	if unknown > 0 {
		l.writer.cfg.Meter.UnknownKeys(unknown)
	}
	l.sift(thing, k.table.Gateway())
	if err := l.leaveOld(ctx, thing); err != nil {
		return err
	}
	return l.deliver(ctx, thing, l.items, k.table)
}

// translate turns the lane's batch into its items and returns how many keys have no property.
func (l *lane) translate(t *mapping.Table) (unknown int) {
	readings := 0
	for i := range l.batch {
		readings += len(l.batch[i].Telemetry.Readings)
	}
	l.dropItems()
	clear(l.writes)
	l.writes = slices.Grow(l.writes[:0], readings)
	for _, q := range l.batch {
		from := len(l.writes)
		keys, err := l.mapOne(t, q.Telemetry)
		unknown += keys
		l.items = append(l.items, item{queued: q, from: from, to: len(l.writes), err: err})
	}
	return unknown
}

// mapOne appends the writes of one message. A panic on what a device sent is that message's problem, not the
// end of the lane.
func (l *lane) mapOne(t *mapping.Table, tel message.Telemetry) (unknown int, err error) {
	from := len(l.writes)
	defer func() {
		if cause := recover(); cause != nil {
			clear(l.writes[from:cap(l.writes)]) // what Map appended
			l.writes = l.writes[:from]
			err = fault.Panicked("map message", cause, debug.Stack())
		}
	}()
	writes, keys, err := t.Map(tel, l.writes)
	l.writes = writes
	return len(keys), err
}

// sift settles the items that have nothing to write, or may not, and keeps the others.
func (l *lane) sift(thing, gateway string) {
	kept := l.items[:0]
	var hub string // whose messages the last answer was for
	var allowed, asked bool
	for i := range l.items {
		it := l.items[i]
		if from := hubOf(it.queued.Telemetry); !asked || from != hub {
			hub, allowed, asked = from, l.writer.mayWrite(thing, gateway, from), true
		}
		switch {
		case it.to > it.from && !allowed:
			l.settle(&it.queued, notAllowed(thing, gateway, hub))
		case it.to > it.from:
			kept = append(kept, it)
		case it.err != nil:
			l.settle(&it.queued, misfit(&it))
		default:
			l.settle(&it.queued, delivery.Outcome{Kind: delivery.Nothing, Reason: "no-property"})
		}
	}
	clear(l.items[len(kept):])
	l.items = kept
}

// deliver sends the items in one request and settles them. The first time that is rejected, tried being the
// table they were translated with, it learns the Thing anew and tries the translation of another table; after
// that it halves the items until those at fault stand alone.
func (l *lane) deliver(ctx context.Context, thing string, items []item, tried *mapping.Table) error {
	if len(items) == 0 {
		return nil
	}
	resp, v, err := l.push(ctx, thing, items)
	switch {
	case err != nil:
		return err
	case v == accepted:
		l.accept(thing, items)
		return nil
	case v.isStuck():
		o := rejection(thing, resp)
		l.park(thing, o)
		l.reject(items, o)
		return nil
	case tried != nil:
		return l.relearn(ctx, thing, items, tried, resp)
	}
	return l.halve(ctx, thing, items, resp)
}

// halve goes on after items were rejected although the table is right.
func (l *lane) halve(ctx context.Context, thing string, items []item, resp alwayson.Response) error {
	half := len(items) / 2
	if half == 0 {
		l.reject(items, rejection(thing, resp))
		return nil
	}
	if err := l.deliver(ctx, thing, items[:half], nil); err != nil {
		return err
	}
	return l.deliver(ctx, thing, items[half:], nil)
}

// relearn goes on after the first rejection of items.
func (l *lane) relearn(ctx context.Context, thing string, items []item, tried *mapping.Table, resp alwayson.Response) error {
	l.tables.forget(thing)
	k, err := l.learn(ctx, thing)
	if err != nil {
		return err
	}
	if k.table != nil && k.table.Equal(tried) {
		return l.halve(ctx, thing, items, resp)
	}
	clear(l.batch)
	l.batch = l.batch[:0]
	for i := range items {
		l.batch = append(l.batch, items[i].queued)
	}
	if k.table == nil {
		l.endOrKeep(thing, k)
		return nil
	}
	l.translate(k.table)
	l.sift(thing, k.table.Gateway())
	if err := l.leaveOld(ctx, thing); err != nil {
		return err
	}
	return l.deliver(ctx, thing, l.items, nil)
}

// push sends the values of items, in their order.
func (l *lane) push(ctx context.Context, thing string, items []item) (alwayson.Response, verdict, error) {
	values := 0
	l.body = alwayson.BeginPropertyPush(l.body[:0])
	for i := range items {
		writes := l.writes[items[i].from:items[i].to]
		for at := range writes {
			w := &writes[at]
			l.body = alwayson.AppendPropertyRow(l.body, &alwayson.PropertyValue{Name: w.Property, Value: w.Value, TimeMs: w.Time})
		}
		values += len(writes)
	}
	l.body = alwayson.EndPropertyPush(l.body)
	began := l.clock()
	resp, v, err := l.ask(ctx, alwayson.PropertyPush(thing, l.body), l.parked)
	if err == nil && l.parked && !v.isStuck() {
		l.unpark(thing)
	}
	if err == nil {
		l.trace(thing, items, values, began, v)
	}
	if err == nil && v == accepted {
		l.writer.cfg.Meter.Written(values)
	}
	return resp, v, err
}

// clock is the time for trace; the zero time if nobody traces.
func (l *lane) clock() time.Time {
	if l.writer.cfg.Tracer == nil {
		return time.Time{}
	}
	return time.Now()
}

// trace tells of the request that carried items.
func (l *lane) trace(thing string, items []item, values int, began time.Time, v verdict) {
	if l.writer.cfg.Tracer == nil {
		return
	}
	messages := make([]*message.Message, 0, len(items))
	for i := range items {
		if m := items[i].queued.Message; m != nil {
			messages = append(messages, m)
		}
	}
	l.writer.cfg.Tracer.Wrote(thing, messages, values, began, v.String())
}

func (l *lane) accept(thing string, items []item) {
	for i := range items {
		l.last.remember(thing, l.writes[items[i].from:items[i].to])
		if written := l.writer.cfg.Written; written != nil {
			written(items[i].queued.Telemetry, l.writes[items[i].from:items[i].to])
		}
		if items[i].err != nil {
			l.settle(&items[i].queued, misfit(&items[i]))
		} else {
			l.settle(&items[i].queued, delivery.Outcome{})
		}
	}
}

func (l *lane) reject(items []item, o delivery.Outcome) {
	for i := range items {
		l.settle(&items[i].queued, o)
	}
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
	for i := range it.queued.Telemetry.Readings {
		if strings.Contains(string(it.queued.Telemetry.Readings[i].Key), mapping.ModuleSeparator) {
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
