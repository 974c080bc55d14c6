package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/diagnose"
	"azx/internal/dial"
	"azx/internal/egress"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/platform"
)

// slowRoundTrip is from where on the platform is far: each lane has one request in flight.
const slowRoundTrip = 500 * time.Millisecond

// platformHop is the platform's server.
func (d *doctor) platformHop() hop {
	at, err := url.Parse(d.Config.Platform.URLs[0]) // as Load has checked
	if err != nil {
		at = &url.URL{}
	}
	h := hop{
		dialer:  func() *dial.Dialer { return d.dialer },
		host:    at.Hostname,
		setting: "platform.urls",
		unused:  func() (string, bool) { return "", false },
	}
	port := "80"
	if at.Scheme == "wss" {
		port = "443"
		p := &d.Config.Platform
		h.trust = func() (*tls.Config, error) {
			return dial.Files{CA: p.CAFile, Cert: p.CertFile, Key: p.KeyFile}.Config()
		}
	}
	if at.Port() != "" {
		port = at.Port()
	}
	h.address = func() string { return net.JoinHostPort(at.Hostname(), port) }
	return h
}

func (d *doctor) platformClock(ctx context.Context) (string, error) {
	ahead, err := d.platformHop().clock(ctx)
	if err != nil {
		return "", diagnose.Warning("", "the platform's clock is not known: %v", err)
	}
	text := "this machine's clock is " + apart(ahead) + " the platform's"
	if ahead.Abs() >= clockWarns {
		return "", diagnose.Warning("set both by NTP", "%s", text)
	}
	return text, nil
}

// applicationKey connects, which is how the platform is asked for what follows.
func (d *doctor) applicationKey(ctx context.Context) (string, error) {
	return "the platform accepts it", d.signIn(ctx, d.background)
}

func (d *doctor) roundTrip(ctx context.Context) (string, error) {
	const times = 3
	start := time.Now()
	for range times {
		if _, err := d.setup.Version(ctx); fault.ClassOf(err) == fault.Transient && err != nil {
			return "", err
		} // a refusal has come back, too
	}
	took := time.Since(start) / times
	text := fmt.Sprintf("a request takes %s", took.Round(100*time.Microsecond))
	if took > slowRoundTrip {
		return "", diagnose.Warning("run the connector near the platform; more lanes help throughput", "%s", text)
	}
	return text, nil
}

func (d *doctor) platformVersion(ctx context.Context) (string, error) {
	version, err := d.setup.Version(ctx)
	if err != nil && fault.ClassOf(err) == fault.Fatal { // the connector runs without this right
		return "", diagnose.Warning(fault.HintOf(err), "%v", err)
	}
	return version, err
}

func (d *doctor) extensionPackages(ctx context.Context) (string, error) {
	if !d.azx() {
		return fmt.Sprintf("not asked for (extensions: %s)", d.Config.Hubs[0].Extensions), nil
	}
	if err := d.checkPackages(ctx); err != nil {
		return "", err
	}
	versions, err := d.setup.Packages(ctx)
	text := ""
	for _, needed := range neededPackages {
		text += needed.name + " " + versions[needed.name] + " "
	}
	return text, err
}

func (d *hubDoctor) hubThing(ctx context.Context) (string, error) {
	if !d.azx() {
		return fmt.Sprintf("not asked (extensions: %s)", d.hub.Extensions), nil
	}
	found, err := d.findSettings(ctx)
	if err != nil {
		return "", err
	}
	d.found, d.hub = found, found.Hub
	d.keys.now.Store(found.Hub)
	if len(found.Warnings) > 0 {
		return "", diagnose.Warning("", "%s", found.Warnings.String())
	}
	own := 0
	for _, key := range config.HubKeys() {
		if d.hub.Origin(key) == config.OriginThing {
			own++
		}
	}
	return fmt.Sprintf("%s is there; %d settings come from it", d.thing, own), nil
}

func (d *hubDoctor) storageThings(ctx context.Context) (string, error) {
	if d.found.CheckpointThing == "" && d.found.FileThing == "" {
		return "none is named", nil
	}
	if err := d.checkStorage(ctx, d.found); err != nil {
		return "", err
	}
	return "", diagnose.Warning("clear the settings, or leave them for a later version",
		"the hub Thing names storage Things, and this version does not use them: checkpoints are in %s", placeOfCheckpoints(d.Config))
}

func (d *hubDoctor) routingGroup(ctx context.Context) (string, error) {
	name, mode := d.routing()
	binder, err := platform.NewBinder(platform.BinderConfig{
		Hub: d.thing, Group: name, Mode: mode, Socket: d.link.Client(), Timeout: d.Config.RequestTimeout,
	})
	if err == nil {
		err = binder.Resolve(ctx)
	}
	if err != nil {
		return "", err
	}
	if d.group = binder.State().Group; mode == platform.BindDevices {
		return "not bound: device Things are bound one by one", nil
	}
	return d.group, nil
}

// requests finds out whether requests of the platform get to a connector.
func (d *hubDoctor) requests(ctx context.Context) (string, error) {
	if !d.hub.HasService() {
		return "not carried: without connectionString or hostName the connector reads telemetry only", nil
	}
	took, err := d.setup.Ping(ctx, d.thing)
	switch {
	case err == nil:
		return d.throughDevices(ctx, fmt.Sprintf("a connector answers on %s within %s", d.thing, took.Round(100*time.Microsecond)))
	case fault.ClassOf(err) != fault.Rejected:
		return "", err
	case d.all.running != "":
		return "", &fault.Problem{Op: "find the connector", Class: fault.Rejected, Cause: fmt.Errorf("%s runs, and does not answer on %s", d.all.running, d.thing),
			Hint: "see requests bound in /readyz?verbose of its admin surface, and its log"}
	case !d.all.options.TwoWay:
		return "", diagnose.Skipped("no connector has bound the group; --two-way binds it for a moment and tries")
	}
	return d.bindAndPing(ctx)
}

// answerPing answers what bindAndPing has the platform call.
func answerPing(_ context.Context, r message.Request) (infotable.Value, error) {
	if r.Verb == message.VerbCall && r.Name == egress.ServicePing {
		return infotable.Nothing(), nil
	}
	return infotable.Value{}, &fault.Problem{Op: r.Verb.String() + " " + r.Name + " of " + r.Thing,
		Cause: errors.New("azx doctor has bound the group for a moment"), Hint: "try again when a connector runs"}
}

// bindAndPing binds the group while the platform calls Ping. Any other request that comes meanwhile is refused, as it would
// be with no connector at all.
func (d *hubDoctor) bindAndPing(ctx context.Context) (string, error) {
	if _, mode := d.routing(); mode == platform.BindDevices {
		return "", diagnose.Skipped("device Things are bound one by one, and the doctor binds none of them")
	}
	if err := d.setup.Bind(ctx, d.group); err != nil {
		return "", &fault.Problem{Op: "bind the routing group", Class: fault.Rejected, Cause: err,
			Hint: "is it a Thing that derives from RemoteThing, visible to the connector's user?"}
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = d.setup.Unbind(ctx, d.group) // it goes with the connection, too
	}()
	took, err := d.setup.Ping(ctx, d.thing)
	if err != nil {
		return "", &fault.Problem{Op: "have the platform call the connector", Class: fault.Rejected, Cause: err,
			Hint: "the platform sends nothing to who has bound the group: bind: devices"}
	}
	return d.throughDevices(ctx, fmt.Sprintf("bound for a moment: a call reached it within %s", took.Round(100*time.Microsecond)))
}

// throughDevices has a device Thing called, too, if the hub Thing names one.
func (d *hubDoctor) throughDevices(ctx context.Context, text string) (string, error) {
	things := d.setup.DeviceThings(ctx, d.thing, 3)
	if len(things) == 0 {
		return text + "; there is no device Thing yet to try", nil
	}
	for _, thing := range things {
		if _, err := d.setup.Ping(ctx, thing); err == nil {
			return text + "; so did one on " + thing, nil
		}
	}
	return "", diagnose.Warning("is gatewayThing of these Things the hub Thing, and are they enabled? else: bind: devices",
		"%s; calls on %v did not", text, things)
}
