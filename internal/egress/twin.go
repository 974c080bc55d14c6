package egress

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// twinParts has the remote properties that show a twin, and how each is made of it.
var twinParts = map[string]func(known) infotable.Value{
	twinDesired:  func(k known) infotable.Value { return document(k.Desired) },
	twinReported: func(k known) infotable.Value { return document(k.Reported) },
	twinTags:     func(k known) infotable.Value { return document(k.Tags) },
	twinUpdated:  func(k known) infotable.Value { return infotable.DateTime(k.asOf.UnixMilli()) },
}

// document is a part of a twin as the hub has it; a part that it does not tell is empty.
func document(raw json.RawMessage) infotable.Value {
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	return infotable.Text(infotable.TypeJSON, string(raw))
}

// readTwin shows a part of a twin: the one known if it is young enough, else what the hub says. If the hub takes no more
// reads for now it is the one known all the same, and that is told: twinUpdated has its time.
func (d *Dispatcher) readTwin(ctx context.Context, j *job) (infotable.Value, error) {
	k, err := d.twins.read(ctx, j.target, look{at: time.Now().Add(-d.now().TwinMaxAge)})
	if errors.Is(err, ErrThrottled) {
		if last, ok := d.twins.last(j.target); ok {
			j.stale = true
			d.tellStale(j, last)
			k, err = last, nil
		}
	}
	if err != nil {
		return infotable.Nothing(), err
	}
	return twinParts[j.name](k), nil
}

func (d *Dispatcher) tellStale(j *job, k known) {
	if more, ok := d.twins.quiet.due(time.Now()); ok {
		d.Log.Warn("the hub takes no more reads of twins for now: an older one is shown", "event", "twin-stale",
			"thing", j.Thing, "age", time.Since(k.asOf).Round(time.Millisecond), "since_last_line", more)
	}
}

// writeTwin merges a JSON object into the desired properties or the tags of a twin.
func (d *Dispatcher) writeTwin(ctx context.Context, j *job) (infotable.Value, error) {
	var change TwinChange
	patch, err := patchOf(j)
	switch {
	case err != nil:
		return infotable.Nothing(), err
	case j.name == twinDesired:
		change.Desired = patch
	case j.name == twinTags:
		change.Tags = patch
	default:
		return infotable.Nothing(), fault.Reject(j.op, "write "+twinDesired+"; the device reports for itself", "%s is read-only", j.name)
	}
	k, ok := d.twins.last(j.target)
	if !ok || k.ETag == "" {
		if k, err = d.twins.read(ctx, j.target, d.twins.look()); err != nil {
			return infotable.Nothing(), err
		}
	}
	err = d.patch(ctx, j.target, change, k.ETag)
	if errors.Is(err, ErrChanged) {
		if k, err = d.twins.read(ctx, j.target, d.twins.look()); err == nil {
			err = d.patch(ctx, j.target, change, k.ETag)
		}
	}
	return infotable.Nothing(), err
}

// patchOf reads the object to merge; what the hub keeps itself ("$version" and the like) is left out of it, so that
// what was read can be written back.
func patchOf(j *job) (json.RawMessage, error) {
	raw, err := object(j.Value)
	if err != nil {
		return nil, fault.Reject(j.op, "write a JSON object: it is merged, and a null removes a key", "%w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fault.Reject(j.op, "", "%w", err)
	}
	for name := range members {
		if strings.HasPrefix(name, "$") {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

// patch changes a twin at the hub, and keeps what the hub made of it.
func (d *Dispatcher) patch(ctx context.Context, to message.Target, change TwinChange, etag string) error {
	look := d.twins.look()
	twin, err := d.Hub.PatchTwin(ctx, to, change, etag)
	if err == nil {
		d.twins.keep(to, twin, look)
	}
	return err
}
