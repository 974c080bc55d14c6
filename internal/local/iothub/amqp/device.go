package amqp

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// The nodes of a device or module, behind its path (read: the device SDKs), in lower case.
const (
	nodeEvents      = "messages/events"
	nodeDeviceBound = "messages/devicebound"
	nodeTwin        = "twin"
	nodeMethods     = "methods/devicebound"
)

// parseDevicePath takes "devices/{d}[/modules/{m}]/{node}" apart. The words are compared without case.
func parseDevicePath(path string) (id iothub.ID, node string, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) < 3 || !strings.EqualFold(parts[0], "devices") {
		return iothub.ID{}, "", false
	}
	id.Device, parts = parts[1], parts[2:]
	if len(parts) > 2 && strings.EqualFold(parts[0], "modules") {
		id.Module, parts = parts[1], parts[2:]
	}
	return id, strings.ToLower(strings.Join(parts, "/")), true
}

// registered is the id as the registry has it: some SDKs escape it in addresses (read), and an id may have a percent sign.
func (c *client) registered(id iothub.ID) iothub.ID {
	if _, err := c.hub.Registry().Get(id); err == nil {
		return id
	}
	device, err := url.PathUnescape(id.Device)
	module, other := url.PathUnescape(id.Module)
	if err != nil || other != nil {
		return id
	}
	return iothub.ID{Device: device, Module: module}
}

// device is a device or module that has links on this connection. A connection may have many of them (read: the SDKs
// put several on one connection).
type device struct {
	client    *client
	principal iothub.Principal
	enter     func() error
	session   *iothub.Session // set by enter
	// desiredFrom is the first version of its desired properties of which it wants to hear.
	desiredFrom atomic.Int64

	users int // links that hold on to it; guarded by client.mu

	mu    sync.Mutex
	ended *amqp10.Error // why no more links may join
	links map[*amqp10.Link]struct{}
}

// serveDevice serves a link of a device or module, as long as a token allows it and the device is not connected anew
// elsewhere.
func (c *client) serveDevice(ctx context.Context, l *amqp10.Link, id iothub.ID, node string) error {
	resource := c.hub.Names().Host + "/" + id.Path()
	may := func() (time.Time, bool) {
		_, until, ok := c.principalOf(id, resource)
		return until, ok
	}
	principal, _, ok := c.principalOf(id, resource)
	if !ok {
		return amqp10.Errorf(amqp10.CondUnauthorized, "no valid token of the device has been put for %q", resource)
	}
	serve := deviceNode(l, id, node)
	if serve == nil {
		return amqp10.Errorf(amqp10.CondNotFound, "%q has no node %q in this direction", id, node)
	}
	if node == nodeDeviceBound { // before it counts as a connection
		if _, err := c.hub.Outbox(id); err != nil {
			return refusal(c.hub, err)
		}
	}
	d, leave, err := c.join(l, principal)
	if err != nil {
		return refusal(c.hub, err)
	}
	defer leave()
	c.watchToken(l, resource, may)
	if err = serve(d, ctx, l); err != nil && ctx.Err() == nil {
		return refusal(c.hub, err)
	}
	return err
}

// deviceNode finds what serves a node; nil: nothing does.
func deviceNode(l *amqp10.Link, id iothub.ID, node string) func(*device, context.Context, *amqp10.Link) error {
	switch {
	case node == nodeEvents && !l.Sends():
		return (*device).takeTelemetry
	case node == nodeEvents && id.Module != "": // where the Node SDK listens for the inputs of an edge module (read)
		return func(_ *device, ctx context.Context, l *amqp10.Link) error { return keepQuiet(ctx, l) }
	case node == nodeDeviceBound && l.Sends():
		return (*device).sendMessages
	case node == nodeTwin && l.Sends():
		return (*device).sendTwin
	case node == nodeTwin:
		return (*device).takeTwinRequests
	case node == nodeMethods && l.Sends():
		return (*device).sendMethods
	case node == nodeMethods:
		return (*device).takeMethodAnswers
	}
	return nil
}

// principalOf finds the claim by which the client may speak for a device or module: its own token, or that of a policy.
func (c *client) principalOf(id iothub.ID, resource string) (p iothub.Principal, until time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, have := range c.claims {
		its := have.principal.ID == id || have.principal.Policy != ""
		if !have.eventHub && its && have.principal.Can(iothub.DeviceConnect) && have.principal.Covers(resource) && have.principal.Expires.After(until) {
			p, until = have.principal, have.principal.Expires
		}
	}
	if p.ID != id { // a policy's token for more than this device
		p.ID, p.GenerationID = id, ""
		if identity, err := c.hub.Registry().Get(id); err == nil {
			p.GenerationID = identity.GenerationID
		}
	}
	return p, until, c.hub.Now().Before(until)
}

// join makes l a link of the device that p speaks for. The first one connects the device; the last to leave disconnects
// it. The error is one of the hub's core.
func (c *client) join(l *amqp10.Link, p iothub.Principal) (d *device, leave func(), err error) {
	c.mu.Lock()
	d = c.devices[p.ID]
	if d == nil || !d.open() {
		d = &device{client: c, principal: p, links: map[*amqp10.Link]struct{}{}}
		d.enter = sync.OnceValue(d.connect)
		c.devices[p.ID] = d
	}
	d.users++
	c.mu.Unlock()
	leave = func() { d.leave(l) }
	if err = d.enter(); err == nil {
		err = d.add(l)
	}
	if err != nil {
		leave()
	}
	return d, leave, err
}

// connect makes this the device's only connection.
func (d *device) connect() (err error) {
	d.session, err = d.client.hub.Enter(d.principal, d.kick)
	if err != nil {
		d.client.log.Info("AMQP device refused", "device", d.principal.ID, "reason", err)
		d.end(refusal(d.client.hub, err))
		return err
	}
	d.client.log.Info("AMQP device connected", "device", d.principal.ID)
	return nil
}

// kick ends the device's links for a reason of the hub, and for any other the whole connection.
func (d *device) kick(reason error) {
	d.client.log.Info("AMQP device is to go", "device", d.principal.ID, "reason", reason)
	switch {
	case errors.As(reason, new(*iothub.Error)):
		d.end(refusal(d.client.hub, reason))
	case errors.Is(reason, iothub.ErrDropped):
		d.client.hangUp()
	default:
		d.client.conn.Close(amqp10.Errorf(amqp10.CondConnectionForced, "%v", reason))
	}
}

func (d *device) end(e *amqp10.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = e
	for l := range d.links {
		l.Detach(e)
	}
}

func (d *device) open() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended == nil
}

func (d *device) add(l *amqp10.Link) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended != nil {
		return d.ended
	}
	d.links[l] = struct{}{}
	return nil
}

func (d *device) leave(l *amqp10.Link) {
	d.mu.Lock()
	delete(d.links, l)
	d.mu.Unlock()
	c := d.client
	c.mu.Lock()
	d.users--
	last := d.users == 0
	if last && c.devices[d.principal.ID] == d {
		delete(c.devices, d.principal.ID)
	}
	c.mu.Unlock()
	if last && d.session != nil {
		c.log.Info("AMQP device disconnected", "device", d.principal.ID)
		d.session.Leave()
	}
}

// watchToken ends a link when no token allows it any more. A token put meanwhile prolongs it.
func (c *client) watchToken(l *amqp10.Link, resource string, may func() (until time.Time, ok bool)) {
	c.watchers.Go("AMQP token", func(ctx context.Context) error {
		for {
			until, ok := may()
			if !ok {
				l.Detach(amqp10.Errorf(amqp10.CondUnauthorized, "the token for %q has expired", resource))
				return nil
			}
			timer := time.NewTimer(until.Sub(c.hub.Now()))
			select {
			case <-timer.C:
				continue
			case <-l.Done():
			case <-ctx.Done():
			}
			timer.Stop()
			return nil
		}
	})
}
