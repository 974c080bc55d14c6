package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync/atomic"
	"time"

	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

const (
	changeQueues = 4                // changes of one twin stay in one of them, in their order
	changesEach  = 1024             // that wait in each
	maxChanges   = 8 << 20          // bytes of all that wait
	pushWithin   = 15 * time.Second // for the platform to take something
)

// changes are the events of changed twins that wait to be heard.
type changes struct {
	seed   maphash.Seed
	queues [changeQueues]chan *message.Message
	bytes  atomic.Int64
	quiet  quiet
}

func (c *changes) init() {
	c.seed = maphash.MakeSeed()
	for i := range c.queues {
		c.queues[i] = make(chan *message.Message, changesEach)
	}
}

// add returns false if there is no room.
func (c *changes) add(of message.Target, m *message.Message) bool {
	if c.bytes.Add(alone(m)) <= maxChanges {
		select {
		case c.queues[maphash.String(c.seed, of.Device)%changeQueues] <- m:
			return true
		default:
		}
	}
	c.bytes.Add(-alone(m))
	return false
}

// Changed hears what the hub tells of a changed twin, and returns at once. The Thing's twin properties follow, if it has
// any. What there is no room for is left out: the twin is then read again when somebody asks for it.
func (d *Dispatcher) Changed(m *message.Message) {
	of := changedTwin(m)
	if !d.changes.add(of, m) {
		d.twins.suspect(of)
		d.Meter.TwinEvent("overflow")
	}
}

// changedTwin returns whose twin an event is about. The hub sets the ids as those of the sender, and names them in
// properties (read: iot-hub-non-telemetry-event-schema.md).
func changedTwin(m *message.Message) message.Target {
	of := message.Target{Device: m.DeviceID, Module: m.ModuleID}
	if of.Device == "" {
		of = message.Target{Device: m.Properties["deviceId"], Module: m.Properties["moduleId"]}
	} else if of.Module == "" {
		of.Module = m.Properties["moduleId"]
	}
	return of
}

// hearChanges works off a queue until ctx ends.
func (d *Dispatcher) hearChanges(ctx context.Context, queue <-chan *message.Message) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-queue:
			d.changes.bytes.Add(-alone(m))
			d.Meter.TwinEvent(d.hear(ctx, m))
		}
	}
}

// hear brings one change to the Thing and returns what became of it.
func (d *Dispatcher) hear(ctx context.Context, m *message.Message) string {
	ctx, cancel := context.WithTimeout(ctx, pushWithin)
	defer cancel()
	of := changedTwin(m)
	var e twinEvent
	if err := json.Unmarshal(m.Body, &e); err != nil || of.Device == "" {
		d.twins.suspect(of)
		return "undecodable"
	}
	e.whole = m.Properties["opType"] == "replaceTwin"
	result, err := d.guarded(ctx, of, e, m.Enqueued)
	if err != nil {
		d.twins.suspect(of)
		if more, ok := d.changes.quiet.due(time.Now()); ok {
			d.Log.Warn("a changed twin was not brought to its Thing", "event", "twin-not-pushed", "device", of.Device,
				"module", of.Module, "error", err, "hint", fault.HintOf(err), "since_last_line", more)
		}
		return "failed"
	}
	return result
}

// guarded lets a panic be the end of one change and no more.
func (d *Dispatcher) guarded(ctx context.Context, of message.Target, e twinEvent, at time.Time) (result string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Panicked("follow a twin", cause, debug.Stack())
		}
	}()
	return d.follow(ctx, of, e, at)
}

// follow makes the twin known what the event says it is, and pushes it to the Thing's twin properties.
func (d *Dispatcher) follow(ctx context.Context, of message.Target, e twinEvent, at time.Time) (string, error) {
	thing := message.ThingName(of.Device)
	names, err := d.twinProperties(ctx, thing, of)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		d.twins.suspect(of)
		return "unwanted", nil
	}
	k, ok := d.twins.apply(of, e, at)
	if !ok {
		if k, err = d.twins.read(ctx, of, d.twins.look()); err != nil {
			return "", err
		}
	}
	if k.pushed > 0 && k.pushed >= k.Version {
		return "old", nil
	}
	next := !e.whole && e.Version == k.Version && k.pushed > 0 && k.pushed == k.Version-1 // the platform has all but this
	var writes []message.Write
	for part, edgeName := range names {
		if e.touches(part) || !next {
			writes = append(writes, message.Write{Property: edgeName, Value: twinParts[part](k), Time: k.asOf.UnixMilli()})
		}
	}
	if err := d.Things.Push(ctx, thing, writes); err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	d.twins.pushed(of, k.Version)
	return "pushed", nil
}

// twinProperties returns the remote names of those twin properties that the Thing has.
func (d *Dispatcher) twinProperties(ctx context.Context, thing string, of message.Target) (map[string]string, error) {
	names := map[string]string{}
	for part := range twinParts {
		edgeName := part
		if of.Module != "" {
			edgeName = of.Module + mapping.ModuleSeparator + part
		}
		_, has, err := d.Things.Property(ctx, thing, edgeName)
		if err != nil {
			return nil, fmt.Errorf("ask for %s: %w", edgeName, err)
		}
		if has {
			names[part] = edgeName
		}
	}
	return names, nil
}

// alone is the memory of a message, in bytes, with all that it shares with others: they may be gone.
func alone(m *message.Message) int64 {
	if m.Shared != nil {
		return int64(m.Shared.Size)
	}
	return int64(m.Size())
}
