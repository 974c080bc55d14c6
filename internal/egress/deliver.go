package egress

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"azx/internal/fault"
	"azx/internal/message"
)

// deliver sends the writes of a device or module together, the way its Thing wants it. It returns the message's id if
// they went as a cloud-to-device message.
func (d *Dispatcher) deliver(ctx context.Context, to message.Target, together []*write) (id string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Panicked("write to "+to.String(), cause, debug.Stack())
		}
	}()
	via, err := d.via(ctx, to, together[0].thing)
	if err != nil {
		return "", err
	}
	method, byMethod := strings.CutPrefix(via, viaMethod)
	switch {
	case byMethod:
		_, err = d.invoke(ctx, to, Method{Name: method, Payload: body(together)}, d.now().Methods.Times)
		via = "method"
	case via == viaDesired:
		err = d.patch(ctx, to, TwinChange{Desired: body(together)}, "")
	default:
		id, err = d.send(ctx, to.Device, body(together), nil)
	}
	if err != nil {
		return "", err // the id of a message that nobody took is of no use
	}
	d.Meter.Sent(via, len(together))
	return id, nil
}

// via returns how writes travel. Modules take no cloud-to-device messages: theirs become desired properties.
func (d *Dispatcher) via(ctx context.Context, to message.Target, thing string) (string, error) {
	if to.Module != "" {
		return viaDesired, nil
	}
	via, err := d.Things.WriteVia(ctx, thing)
	if err != nil {
		return "", fmt.Errorf("ask how writes travel: %w", err)
	}
	if via == "" {
		return d.now().WriteVia, nil
	}
	return via, CheckWriteVia(via)
}

// send puts a JSON body into the device's queue and returns the message's id once the hub has accepted it.
func (d *Dispatcher) send(ctx context.Context, device string, body []byte, properties map[string]string) (id string, err error) {
	now := time.Now()
	m := Message{
		Device: device, ID: rand.Text(), ContentType: "application/json", ContentEncoding: "utf-8", Ack: "none",
		Properties: map[string]string{message.PropertyCreationTime: now.UTC().Format(timeFormat)}, Body: body,
	}
	for name, text := range properties {
		m.Properties[name] = text
	}
	if d.Feedback {
		m.Ack = "full"
	}
	if ttl := d.now().TTL; ttl > 0 {
		m.Expires = now.Add(ttl)
	}
	return m.ID, d.Hub.Send(ctx, m)
}

// timeFormat is that of times in properties of messages: UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"
