package app

import (
	"context"
	"crypto/tls"

	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/platform"
)

// openPlatform sets up the connections and the writer on them; nothing is dialled before they run.
func (c *connector) openPlatform() error {
	trusted, err := roots(c.Config.Platform.CAFile)
	if err != nil {
		return err
	}
	c.link, err = platform.NewLink(platform.LinkConfig{
		URLs:     c.Config.Platform.URLs,
		AppKey:   func(context.Context) (string, error) { return c.Config.Platform.AppKey.Value() },
		TLS:      &tls.Config{RootCAs: trusted},
		Requests: c.request, Pinged: c.pinged, Reconnected: c.reconnected, Forget: c.forget,
		Log: c.Log,
	})
	if err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err, Hint: "platform.urls has the form ws://host:port/Thingworx/WS"}
	}
	sockets := c.link.Sockets()
	for i := range sockets {
		sockets[i] = tap(sockets[i])
	}
	c.events = platform.NewAnnouncer(c.link.Client(), c.meter, c.Log)
	writer := platform.WriterConfig{
		Sockets: sockets, Lanes: c.Config.Lanes, ReplyTimeout: c.Config.RequestTimeout,
		AzxExtension: c.hub.Extensions == config.ExtensionsAzx, AllowThings: c.hub.AllowThings,
		Learned: c.learned, Events: c.events, Backlog: c.aside, Meter: c.meter, Log: c.Log,
	}
	if c.hub.ConnectionString.IsSet() {
		writer.LastBytes = lastBytes
	}
	c.writer, err = platform.NewWriter(writer)
	if err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err}
	}
	return nil
}

// The link and the writer are made before the way out is, and tell it what they hear.

func (c *connector) request(ctx context.Context, r message.Request) (infotable.Value, error) {
	if c.twoWay == nil {
		return infotable.Value{}, fault.Reject(r.Verb.String()+" "+r.Name+" of "+r.Thing,
			"set hubs[0].connectionString in the connector's file", "the connector reads telemetry only")
	}
	return c.twoWay.egress.Handle(ctx, r)
}

func (c *connector) pinged(thing string) {
	if c.twoWay != nil {
		c.twoWay.binder.Pinged(thing)
	}
}

func (c *connector) reconnected() {
	if c.twoWay != nil {
		c.twoWay.binder.Recheck()
	}
}

func (c *connector) learned(thing, gateway string) {
	if c.twoWay != nil {
		c.twoWay.binder.Learned(thing, gateway)
	}
}

func (c *connector) forget(thing string) {
	c.writer.Forget(thing)
	if c.twoWay != nil {
		c.twoWay.things.Forget(thing)
	}
}
