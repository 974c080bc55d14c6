package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// ofHubThing answers requests to the hub Thing itself.
func (d *Dispatcher) ofHubThing(ctx context.Context, j *job) (infotable.Value, error) {
	switch {
	case j.Verb != message.VerbCall:
		return infotable.Nothing(), fault.Reject(j.op, "properties of devices are on their own Things", "a hub Thing has no remote properties")
	case j.Name == ServiceSendMessage:
		return d.sendMessage(ctx, j)
	case d.Services[j.Name] != nil:
		return d.Services[j.Name](ctx, j.Params)
	}
	return infotable.Nothing(), fault.Reject(j.op, "is the connector older than the extension?", "the connector has no service %q", short(j.Name, mostName))
}

// sendMessage sends all fields of a payload in one cloud-to-device message and returns its id.
func (d *Dispatcher) sendMessage(ctx context.Context, j *job) (infotable.Value, error) {
	thing, _ := j.Params.First("thingName").Text()
	device, ok := message.DeviceID(thing)
	if !ok || device == "" {
		return infotable.Nothing(), fault.Reject(j.op, "thingName is the name of a device's Thing", "no device id gives the Thing name %q", short(thing, mostName))
	}
	payload, err := object(j.Params.First("payload"))
	if err != nil {
		return infotable.Nothing(), fault.Reject(j.op, "give a table of one row, or a JSON object", "payload: %w", err)
	}
	if len(payload) > maxBody {
		return infotable.Nothing(), fault.Reject(j.op, "a message to a device has at most 64 KiB", "the payload takes %d bytes, more than %d", len(payload), maxBody)
	}
	properties, err := texts(j.Params.First("properties"))
	if err != nil {
		return infotable.Nothing(), fault.Reject(j.op, "give a table of one row, or a JSON object, with texts", "properties: %w", err)
	}
	id, err := d.send(ctx, device, payload, properties)
	if err != nil {
		return infotable.Nothing(), err
	}
	d.Meter.Sent(viaC2D, 1)
	return infotable.String(id), nil
}

// object makes a JSON object of a table with one row, or of JSON text that is one.
func object(v infotable.Value) (json.RawMessage, error) {
	if t, ok := v.Table(); ok {
		if t.Len() != 1 || len(t.Fields) == 0 {
			return nil, fmt.Errorf("the table has %d rows and %d columns, not one row", t.Len(), len(t.Fields))
		}
		return mapping.Params(t)
	}
	text, ok := v.Text()
	if !ok {
		return nil, errors.New("it is no object")
	}
	r, err := decode.Value([]byte(text))
	if err == nil && r.Kind != message.Object {
		err = fmt.Errorf("it is a JSON %s, not an object", r.Kind)
	}
	return json.RawMessage(r.Raw), err
}

// texts reads an object whose members are all text; of nothing at all, none.
func texts(v infotable.Value) (map[string]string, error) {
	if v.IsNothing() {
		return nil, nil
	}
	raw, err := object(v)
	if err != nil {
		return nil, err
	}
	var m map[string]string
	if json.Unmarshal(raw, &m) != nil {
		return nil, errors.New("not all members are text")
	}
	return m, nil
}
