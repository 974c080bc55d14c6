package app

import (
	"context"

	"azx/internal/dial"
	"azx/internal/fault"
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
