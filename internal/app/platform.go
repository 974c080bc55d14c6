package app

import (
	"context"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/platform"
	"azx/internal/secret"
)

// openLink sets up the connections to the platform; nothing is dialled before they run.
func (c *connector) openLink() (err error) {
	c.appKey.Store(&c.Config.Platform.AppKey)
	cfg, err := c.linkConfig(func() secret.Source { return *c.appKey.Load() })
	if err != nil {
		return err
	}
	cfg.Requests, cfg.Failed, cfg.Pinged, cfg.Reconnected, cfg.Forget = c.request, c.tellFailed, c.pinged, c.reconnected, c.forget
	cfg.Log = c.Log
	if c.link, err = platform.NewLink(cfg); err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err, Hint: "platform.urls has the form ws://host:port/Thingworx/WS"}
	}
	c.events = platform.NewAnnouncer(c.link.Client(), c.meter, c.Log)
	c.setup = platform.NewSetup(c.link.Client(), c.Config.RequestTimeout, c.meter)
	return nil
}

// linkConfig says how the platform is reached, with the application key as it is at each dial.
func (c *connector) linkConfig(key func() secret.Source) (platform.LinkConfig, error) {
	p := &c.Config.Platform
	files, err := checked(dial.Files{CA: p.CAFile, Cert: p.CertFile, Key: p.KeyFile})
	return platform.LinkConfig{
		URLs:   p.URLs,
		AppKey: func(context.Context) (string, error) { return key().Value() },
		TLS:    files.Config,
		Dial:   c.dialer.DialContext,
	}, err
}

// openWriter makes what writes to Things over those connections.
func (c *connector) openWriter() (err error) {
	sockets := c.link.Sockets()
	for i := range sockets {
		sockets[i] = tap(sockets[i])
	}
	writer := c.writerConfig(sockets)
	writer.Learned, writer.Events, writer.Backlog, writer.Written = c.learned, c.events, c.aside, tapped{&c.tail}.Written
	if c.tracer != nil {
		writer.Tracer = c.tracer
	}
	if c.hub.HasService() {
		writer.LastBytes = lastBytes
	}
	c.writer, err = platform.NewWriter(writer)
	if err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err}
	}
	return nil
}

// writerConfig says what may be written, and where.
func (c *connector) writerConfig(sockets []platform.Socket) platform.WriterConfig {
	return platform.WriterConfig{
		Sockets: sockets, Lanes: c.Config.Lanes, ReplyTimeout: c.Config.RequestTimeout,
		AzxExtension: c.azx(), AllowThings: c.hub.AllowThings, DenyThings: append(platform.SystemThings(), literally(c.Config.Name)),
		Meter: c.meter, Log: c.Log,
	}
}

// literally is the pattern that matches a name and no other: no device writes to the connector's own Thing.
func literally(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// The link runs before the settings of the hub are known, and so before the writer and the way out are made.

// answerer carries out a request of the platform.
type answerer func(ctx context.Context, r message.Request) (infotable.Value, error)

func (c *connector) request(ctx context.Context, r message.Request) (infotable.Value, error) {
	op := r.Verb.String() + " " + r.Name + " of " + r.Thing
	switch {
	case c.answers != nil:
		return c.answers(ctx, r)
	case c.adapter != nil && r.Thing == c.adapter.State().Thing:
		return c.adapter.Handle(ctx, r)
	case !c.made.Load():
		return infotable.Value{}, &fault.Problem{Op: op, Cause: errStarting, Hint: "try again in a moment"}
	case r.Thing == c.hub.Thing && r.Verb == message.VerbCall && r.Name == serviceTestConnection:
		return c.testConnection(ctx)
	case c.twoWay == nil:
		return infotable.Value{}, fault.Reject(op, "set connectionString of the hub in the connector's file or on the hub Thing", "the connector reads telemetry only")
	}
	return c.twoWay.egress.Handle(ctx, r)
}

func (c *connector) pinged(thing string) {
	if c.carries() {
		c.twoWay.binder.Pinged(thing)
	}
}

func (c *connector) reconnected() {
	c.wantSettings()
	if c.adapter != nil {
		c.adapter.Wake()
	}
}

func (c *connector) learned(thing, gateway string) {
	if c.carries() {
		c.twoWay.binder.Learned(thing, gateway)
	}
}

func (c *connector) forget(thing string) {
	if c.made.Load() {
		c.writer.Forget(thing)
	}
	if c.carries() {
		c.twoWay.things.Forget(thing)
	}
}

// carries reports whether requests for devices are carried.
func (c *connector) carries() bool { return c.made.Load() && c.twoWay != nil }

// azx reports whether the platform has this project's packages.
func (c *connector) azx() bool { return c.file.Extensions == config.ExtensionsAzx }
