package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"azx/internal/config"
	"azx/internal/diagnose"
	"azx/internal/supervise"
)

// DoctorOptions say what the doctor looks at.
type DoctorOptions struct {
	Config   *config.Config
	Warnings config.Problems // of the file
	// TwoWay lets it bind the routing group for a moment, if no connector has, and have the platform call a Ping through
	// it. Without, nothing is changed anywhere.
	TwoWay bool
}

// checkWithin bounds one check. The service side of the hub tries again within it.
const checkWithin = 20 * time.Second

// Doctor looks at everything that the connector needs, and tells each finding at once. It may run beside a connector.
func Doctor(ctx context.Context, o DoctorOptions, tell func(diagnose.Finding)) ([]diagnose.Finding, error) {
	d := newDoctor(o, supervise.New(ctx))
	if err := d.openOutside(); err != nil {
		return nil, err
	}
	findings := diagnose.Run(ctx, d.checks(), checkWithin, tell)
	for _, h := range d.each {
		h.close()
	}
	d.background.Stop()
	return findings, errors.Join(ctx.Err(), d.background.Wait())
}

// doctor has what its checks have found out, for those behind them.
type doctor struct {
	*connector
	options    DoctorOptions
	background *supervise.Group // carries the connections to the platform
	each       []*hubDoctor
	running    string // the connector with this file that runs; "" if none was found
}

// hubDoctor is the part that looks at one hub.
type hubDoctor struct {
	*carrier
	all    *doctor
	found  config.FromThing // what the hub Thing has; its Hub is nil if that is not known
	group  string           // the routing group
	events *events          // the event endpoint
	looks  map[string]look  // what a reader without an owner level sees, by partition; nil if nothing can be seen
	peek   *peek            // how messages may be looked at; nil if they may not
}

func newDoctor(o DoctorOptions, background *supervise.Group) *doctor {
	d := &doctor{
		connector: newConnector(Options{Config: o.Config, Log: slog.New(slog.DiscardHandler)}), options: o, background: background,
	}
	d.answers = answerPing
	for _, h := range d.hubs {
		d.each = append(d.each, &hubDoctor{carrier: &carrier{hubSide: h, hub: h.file.Load()}, all: d})
	}
	return d
}

// checks is the list, in the order in which somebody would look: this machine, the platform, each hub, both together.
func (d *doctor) checks() []diagnose.Check {
	tw := d.platformHop()
	all := []diagnose.Check{
		check("configuration", d.configuration),
		check("identity", d.identitySignsIn),
		check("key vault", d.vaultsRead),
		check("checkpoint folder", d.checkpointFolder),
		check("quarantine folder", d.quarantineFolder),

		check("platform name", tw.name),
		check("platform port", tw.port, "platform name"),
		check("platform clock", d.platformClock, "platform port"),
		check("platform certificate", tw.certificate, "platform port"),
		check("application key", d.applicationKey, "platform certificate", "key vault"),
		check("application key expiry", d.keyExpiry, "application key"),
		check("round trip", d.roundTrip, "application key"),
		check("platform version", d.platformVersion, "application key"),
		check("extension packages", d.extensionPackages, "application key"),
	}
	for _, h := range d.each {
		all = append(all, h.named(h.thingChecks())...)
	}
	all = append(all, check("connector", d.connectorRuns))
	for _, h := range d.each {
		all = append(all, h.named(h.hubChecks())...)
	}
	return all
}

// thingChecks look at what the platform has of the hub.
func (d *hubDoctor) thingChecks() []diagnose.Check {
	return []diagnose.Check{
		check("hub Thing", d.hubThing, "extension packages"),
		check("storage Things", d.storageThings, "hub Thing"),
	}
}

// hubChecks look at the hub, and at both ends together.
func (d *hubDoctor) hubChecks() []diagnose.Check {
	https, amqps := d.httpsHop(), d.amqpsHop()
	return []diagnose.Check{
		check("hub settings", d.hubSettings, "key vault"),
		check("hub name", amqps.name, "hub settings"),
		check("hub HTTPS port", https.port, "hub name"),
		check("hub clock", d.hubClock, "hub HTTPS port"),
		check("hub HTTPS certificate", https.certificate, "hub HTTPS port"),
		check("hub AMQP port", amqps.port, "hub name"),
		check("hub AMQP certificate", amqps.certificate, "hub AMQP port"),
		check("registry right", d.registryRight, "hub HTTPS certificate", "hub clock"),
		check("service right and tier", d.serviceRight, "hub HTTPS certificate", "hub clock"),
		check("edge devices", d.edgeDevices, "registry right", "service right and tier"),
		check("event endpoint", d.eventEndpoint, "hub AMQP certificate", "hub clock"),
		check("consumer group", d.consumerGroup, "event endpoint"),
		check("checkpoints", d.checkpoints, "event endpoint"),
		check("retention", d.retention, "consumer group"),
		check("event sources", d.eventSources, "consumer group"),

		check("routing group", d.routingGroup, "hub Thing"),
		check("requests", d.requests, "routing group", "hub settings"),
	}
}

// named has the names of checks say which hub they are about, if there are several; some that they need are about all.
func (d *hubDoctor) named(checks []diagnose.Check) []diagnose.Check {
	of := d.suffix()
	ofAll := []string{"extension packages", "key vault"}
	for i := range checks {
		checks[i].Name += of
		for j, need := range checks[i].Needs {
			if !slices.Contains(ofAll, need) {
				checks[i].Needs[j] = need + of
			}
		}
	}
	return checks
}

// check is one entry of the list. needs are names of checks before it.
func check(name string, run func(context.Context) (string, error), needs ...string) diagnose.Check {
	return diagnose.Check{Name: name, Needs: needs, Run: run}
}

func (d *hubDoctor) close() {
	if d.peek != nil {
		d.peek.close()
	}
	if d.events != nil {
		d.events.close()
	}
}
