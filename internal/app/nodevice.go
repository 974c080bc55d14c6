package app

import (
	"context"
	"errors"

	"azx/internal/config"
	"azx/internal/egress"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/message"
)

// A Thing that was made in Composer is met when the platform asks something of its device first: the hub answers that it has
// none. By choice the device is made then, and the call repeated.

// egressHub is the service side for requests of the platform.
func (k *carrier) egressHub(service *iothub.Client) egress.Hub {
	if k.hub.Lifecycle.OnNoDevice != config.NoDeviceCreate {
		return serviceSide{service}
	}
	return deviceMaker{Hub: serviceSide{service}, create: func(ctx context.Context, device string) error {
		return k.makeDevice(ctx, service, device)
	}}
}

// makeDevice makes the device of a Thing that is this hub's.
func (k *carrier) makeDevice(ctx context.Context, service *iothub.Client, device string) error {
	op, thing := "make device "+device, message.ThingName(device)
	gateway, err := k.setup.Owner(ctx, thing, k.azx())
	switch {
	case err != nil:
		return err
	case gateway != k.thing:
		return fault.Reject(op, "set gatewayThing of the Thing to "+k.thing, "the gatewayThing of Thing %s is %q", thing, gateway)
	}
	_, err = service.Create(ctx, iothub.Identity{DeviceID: device, Status: "enabled"})
	switch {
	case errors.Is(err, iothub.ErrExists):
		return nil
	case err != nil:
		return &fault.Problem{Op: op, Class: fault.ClassOf(err), Cause: err, Hint: "lifecycle.onNoDevice: create takes a policy with RegistryWrite; " + fault.HintOf(err)}
	}
	k.Log.Info("a device was made for a Thing", "event", "device-made", "hub", k.thing, "device", device, "thing", thing)
	return nil
}

// deviceMaker makes devices that the hub does not have. A module is nobody's to make.
type deviceMaker struct {
	egress.Hub
	create func(ctx context.Context, device string) error
}

// again carries out a call, and once more if its device was missing and could be made. Without that the error is why not.
func (m deviceMaker) again(ctx context.Context, t message.Target, call func() error) error {
	err := call()
	if t.Module != "" || !errors.As(err, new(absent)) {
		return err
	}
	if err := m.create(ctx, t.Device); err != nil {
		return err
	}
	return call()
}

// Send is egress.Hub's.
func (m deviceMaker) Send(ctx context.Context, sent egress.Message) error {
	return m.again(ctx, message.Target{Device: sent.Device}, func() error { return m.Hub.Send(ctx, sent) })
}

// Call is egress.Hub's.
func (m deviceMaker) Call(ctx context.Context, t message.Target, method egress.Method) (answer egress.Answer, err error) {
	err = m.again(ctx, t, func() (err error) {
		answer, err = m.Hub.Call(ctx, t, method)
		return err
	})
	return answer, err
}

// Twin is egress.Hub's.
func (m deviceMaker) Twin(ctx context.Context, t message.Target) (twin egress.Twin, err error) {
	err = m.again(ctx, t, func() (err error) {
		twin, err = m.Hub.Twin(ctx, t)
		return err
	})
	return twin, err
}

// PatchTwin is egress.Hub's.
func (m deviceMaker) PatchTwin(ctx context.Context, t message.Target, change egress.TwinChange, etag string) (twin egress.Twin, err error) {
	err = m.again(ctx, t, func() (err error) {
		twin, err = m.Hub.PatchTwin(ctx, t, change, etag)
		return err
	})
	return twin, err
}
