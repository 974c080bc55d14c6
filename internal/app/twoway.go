package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/config"
	"azx/internal/egress"
	"azx/internal/iothub"
	"azx/internal/observe"
	"azx/internal/platform"
	"azx/internal/supervise"
)

// lastBytes bounds the memory of last values, which answer reads.
const lastBytes = 16 << 20

// twoWay is what carries the platform's requests to devices and modules.
type twoWay struct {
	service  *iothub.Client
	egress   *egress.Dispatcher
	binder   *platform.Binder
	things   *platform.Things
	resolved chan struct{} // closed once the routing group is known
}

// openTwoWay sets up the way out. There is none, and c.twoWay stays nil, without the hub's service side.
func (c *connector) openTwoWay() (err error) {
	t := &twoWay{resolved: make(chan struct{})}
	t.service, err = openService(service{
		Hub: c.hub, Network: c.network, Identity: c.identity, Current: c.keys.serviceNow, Ended: c.tellRefused, Feedback: c.outcomes, Metrics: c.meter, Log: c.Log,
	})
	if err != nil || t.service == nil {
		return err
	}
	if t.things, err = platform.NewThings(platform.ThingsConfig{
		Writer: c.writer, AzxExtension: c.azx(), Timeout: c.Config.RequestTimeout,
	}); err != nil {
		return err
	}
	live := settings(c.hub)
	if t.egress, err = egress.New(egress.Config{
		Hub: serviceSide{t.service}, Things: t.things, HubThing: c.hub.Thing, Feedback: bool(c.hub.Feedback),
		WriteVia: live.WriteVia, WriteWindow: live.WriteWindow, TTL: live.TTL, Methods: live.Methods, TwinMaxAge: live.TwinMaxAge,
		Meter: c.meter.Egress(c.hub.Thing), Log: c.Log,
	}); err != nil {
		return err
	}
	group, mode := c.routing()
	if t.binder, err = platform.NewBinder(platform.BinderConfig{
		Hub: c.hub.Thing, Group: group, Mode: mode, Socket: c.link.Client(),
		Timeout: c.Config.RequestTimeout, Ignored: c.meter.Egress(c.hub.Thing).FellBack, Log: c.Log,
	}); err != nil {
		return err
	}
	c.meter.WatchBinding(c.hub.Thing, t.binding)
	c.twoWay = t
	return nil
}

// routing is what the file says. Without an extension there is no hub Thing that could be asked for its group, or whose
// group could be bound: Things are bound one by one then, as ingress meets them, unless the file names a group.
func (c *connector) routing() (group string, mode platform.BindMode) {
	if c.hub.Extensions == config.ExtensionsNone && c.hub.RoutingGroup == "" {
		return c.hub.Thing, platform.BindDevices
	}
	return c.hub.RoutingGroup, platform.BindMode(c.hub.Bind)
}

// settings are those of a hub that may change while requests are carried.
func settings(h *config.Hub) egress.Settings {
	return egress.Settings{
		WriteVia: h.WriteVia, WriteWindow: h.WriteWindow, TTL: h.MessageTTL, Methods: methods(&h.Methods), TwinMaxAge: h.TwinMaxAge,
	}
}

func methods(m *config.Methods) egress.Methods {
	all := egress.Methods{Times: egress.Times{Connect: m.ConnectTimeout, Response: m.ResponseTimeout}, Services: map[string]egress.Times{}}
	for name, own := range m.Services {
		all.Services[name] = egress.Times{Connect: own.ConnectTimeout, Response: own.ResponseTimeout}
	}
	return all
}

// outcomes hands the hub's feedback to egress, which is there by the time that any comes.
func (c *connector) outcomes(ctx context.Context, batch []iothub.Feedback) error {
	records := make([]egress.Outcome, len(batch))
	for i, f := range batch {
		records[i] = egress.Outcome{
			Device: f.DeviceID, MessageID: f.MessageID, Status: f.Status, Description: f.Description, Time: f.Time.Time,
		}
	}
	err := c.twoWay.egress.Outcomes(ctx, records)
	if err == nil {
		c.tellOutcomes(records)
	}
	return err
}

// run carries requests until base stops; what is bound decides whether any come.
func (t *twoWay) run(base *supervise.Group) {
	base.Go("hub service", t.service.Run)
	base.Go("egress", t.egress.Run)
}

// bind keeps bound what makes requests come here until ctx ends. The error is a routing group that is none.
func (c *connector) bind(ctx context.Context) error {
	t := c.twoWay
	err := t.binder.Resolve(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	from := config.OriginThing
	if c.hub.RoutingGroup != "" || !c.azx() {
		from = c.hub.Origin("routingGroup")
	}
	c.say("routingGroup", t.binder.State().Group, from)
	close(t.resolved)
	return t.binder.Run(ctx)
}

// waitResolved returns once the routing group is known; at once without a way out.
func (t *twoWay) waitResolved(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.resolved:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the routing group: %w", ctx.Err())
	}
}

// check tells whether requests can come.
func (t *twoWay) check() error {
	s := t.binder.State()
	switch {
	case s.Err != nil:
		return s.Err
	case s.Since.IsZero():
		return errStarting
	}
	return nil
}

// binding is what metrics show of the bind.
func (t *twoWay) binding() observe.Binding {
	s := t.binder.State()
	b := observe.Binding{Mode: "devices", Names: s.Names}
	if s.ByGroup {
		b.Mode = "group"
	}
	if s.Since.IsZero() {
		b.Names = 0
	}
	return b
}

// drainRequests gives requests in flight the time to end, once nothing new comes.
func (c *connector) drainRequests(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := c.link.Drain(ctx); errors.Is(err, context.DeadlineExceeded) {
		c.Log.Warn("requests of the platform were still in flight at the end", "event", "requests-cut", "error", err)
	}
}

// pauseBeforeReady is between two looks at what is bound.
const pauseBeforeReady = 5 * time.Millisecond

// waitBound returns once requests come here, or it turned out that they do not for now.
func (t *twoWay) waitBound(ctx context.Context) error {
	look := time.NewTicker(pauseBeforeReady)
	defer look.Stop()
	for t != nil && errors.Is(t.check(), errStarting) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
