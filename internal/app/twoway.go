package app

import (
	"context"
	"errors"

	"azx/internal/config"
	"azx/internal/devices"
	"azx/internal/egress"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/observe"
	"azx/internal/platform"
	"azx/internal/supervise"
)

// lastBytes bounds the memory of last values, which answer reads, over all hubs.
const lastBytes = 16 << 20

// twoWay is what carries the platform's requests to devices and modules.
type twoWay struct {
	service *iothub.Client
	egress  *egress.Dispatcher
	binder  *platform.Binder
	things  *platform.Things
	watch   *devices.Watch // of jobs that were scheduled here
	imports *importer
}

// openTwoWay sets up the way out. There is none, and k.twoWay stays nil, without the hub's service side.
func (k *carrier) openTwoWay() (err error) {
	t := &twoWay{}
	t.service, err = openService(service{
		Hub: k.hub, Network: k.network, Identity: k.identity, Current: k.keys.serviceNow, Ended: k.tellRefused, Feedback: k.outcomes, Metrics: k.meter, Log: k.Log,
	})
	if err != nil {
		return err
	}
	if t.service == nil {
		k.groupSettled() // nothing is bound, so there is nothing to wait for
		return nil
	}
	if t.things, err = platform.NewThings(platform.ThingsConfig{
		Writer: k.writer, AzxExtension: k.azx(), Timeout: k.Config.RequestTimeout,
	}); err != nil {
		return err
	}
	t.watch = &devices.Watch{Hub: watchedJobs{t.service}, Over: k.tellJob, Mine: jobPrefix(k.Config.Name), Log: k.Log}
	t.imports = k.newImporter(t)
	live := settings(k.hub)
	if t.egress, err = egress.New(egress.Config{
		Hub: k.egressHub(t.service), Things: t.things, HubThing: k.thing, Services: k.hubServices(t), Feedback: bool(k.hub.Feedback),
		WriteVia: live.WriteVia, WriteWindow: live.WriteWindow, TTL: live.TTL, Methods: live.Methods, TwinMaxAge: live.TwinMaxAge,
		Meter: k.meter.Egress(k.thing), Log: k.Log,
	}); err != nil {
		return err
	}
	group, mode := k.routing()
	if t.binder, err = platform.NewBinder(platform.BinderConfig{
		Hub: k.thing, Group: group, Mode: mode, Socket: k.link.Client(),
		Timeout: k.Config.RequestTimeout, Ignored: k.meter.Egress(k.thing).FellBack, Log: k.Log,
	}); err != nil {
		return err
	}
	k.binding.Do(func() { k.meter.WatchBinding(k.thing, k.bindings) })
	k.twoWay = t
	return nil
}

// routing is what the file says. Without an extension there is no hub Thing that could be asked for its group, or whose
// group could be bound: Things are bound one by one then, as ingress meets them, unless the file names a group.
func (k *carrier) routing() (group string, mode platform.BindMode) {
	if k.hub.Extensions == config.ExtensionsNone && k.hub.RoutingGroup == "" {
		return k.thing, platform.BindDevices
	}
	return k.hub.RoutingGroup, platform.BindMode(k.hub.Bind)
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
func (k *carrier) outcomes(ctx context.Context, batch []iothub.Feedback) error {
	records := make([]egress.Outcome, len(batch))
	for i, f := range batch {
		records[i] = egress.Outcome{
			Device: f.DeviceID, MessageID: f.MessageID, Status: f.Status, Description: f.Description, Time: f.Time.Time,
		}
	}
	err := k.twoWay.egress.Outcomes(ctx, records)
	if err == nil {
		k.tellOutcomes(records)
	}
	return err
}

// run carries requests until base stops; what is bound decides whether any come.
func (t *twoWay) run(base *supervise.Group) {
	base.Go("hub service", t.service.Run)
	base.Go("egress", t.egress.Run)
	base.Go("jobs", t.watch.Run)
	base.Go("imports", t.imports.run)
}

// bind keeps bound what makes requests come here until ctx ends. The error is a routing group that is none.
func (k *carrier) bind(ctx context.Context) error {
	t := k.twoWay
	err := t.binder.Resolve(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return &startError{err}
	}
	name := t.binder.State().Group
	if other := k.start.claimGroup(name, k.thing); other != "" {
		return &startError{fault.Reject("bind the routing group of hub Thing "+k.thing, "give each hub Thing a routing group of its own",
			"the hub Thing %s has the same one, %q", other, name)}
	}
	from := config.OriginThing
	if k.hub.RoutingGroup != "" || !k.azx() {
		from = k.hub.Origin("routingGroup")
	}
	k.say(use{"routingGroup", name, from})
	k.groupSettled()
	return t.binder.Run(ctx)
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

// bindings is what metrics show of the bind.
func (h *hubSide) bindings() observe.Binding {
	k := h.carried.Load()
	if k == nil || k.twoWay == nil {
		return observe.Binding{}
	}
	s := k.twoWay.binder.State()
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
	c.drained.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, drainTimeout)
		defer cancel()
		if err := c.link.Drain(ctx); errors.Is(err, context.DeadlineExceeded) {
			c.Log.Warn("requests of the platform were still in flight at the end", "event", "requests-cut", "error", err)
		}
	})
}
