package app

import (
	"context"
	"crypto/tls"

	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/platform"
)

// openPlatform sets up the connections and the writer on them; nothing is dialled before they run.
func (c *connector) openPlatform() error {
	trusted, err := roots(c.Config.Platform.CAFile)
	if err != nil {
		return err
	}
	c.link, err = platform.NewLink(platform.LinkConfig{
		URLs:   c.Config.Platform.URLs,
		AppKey: func(context.Context) (string, error) { return c.Config.Platform.AppKey.Value() },
		TLS:    &tls.Config{RootCAs: trusted},
		Forget: func(thing string) { c.writer.Forget(thing) },
		Log:    c.Log,
	})
	if err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err, Hint: "platform.urls has the form ws://host:port/Thingworx/WS"}
	}
	sockets := c.link.Sockets()
	for i := range sockets {
		sockets[i] = tap(sockets[i])
	}
	c.writer, err = platform.NewWriter(platform.WriterConfig{
		Sockets: sockets, Lanes: c.Config.Lanes, ReplyTimeout: c.Config.RequestTimeout,
		AzxExtension: c.hub.Extensions == config.ExtensionsAzx, AllowThings: c.hub.AllowThings,
		Backlog: c.aside, Meter: c.meter, Log: c.Log,
	})
	if err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err}
	}
	return nil
}
