package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/platform"
	"azx/internal/secret"
	"azx/internal/supervise"
)

// hubThingWithin is how long a platform may take to let us in and to answer.
const hubThingWithin = 30 * time.Second

// WithHubThing asks the platform for what the hub Thing has, and returns the configuration with it, as the connector would
// use it. Warnings are settings that are not known. Nothing is changed on the platform.
func WithHubThing(ctx context.Context, cfg *config.Config) (*config.Config, config.Problems, error) {
	c := &connector{Options: Options{Config: cfg, Log: slog.New(slog.DiscardHandler)}, file: &cfg.Hubs[0]}
	if !c.azx() {
		return nil, nil, &fault.Problem{Op: "ask the hub Thing", Class: fault.Fatal, Cause: errors.New("the hub has extensions: " + string(c.file.Extensions)),
			Hint: "only the hub Thing of this project's packages has settings: leave --hub-thing out"}
	}
	var err error
	if c.outside, err = openOutsideNow(ctx, cfg, c.Log); err != nil {
		return nil, nil, err
	}
	to, err := c.linkConfig(func() secret.Source { return cfg.Platform.AppKey })
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, hubThingWithin)
	defer cancel()
	if err = platform.SignIn(ctx, to); err != nil { // a Link would try on
		return nil, nil, err
	}
	to.Sockets = 1
	if c.link, err = platform.NewLink(to); err != nil {
		return nil, nil, &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err}
	}
	c.setup = platform.NewSetup(c.link.Client(), cfg.RequestTimeout, nil)
	group := supervise.New(ctx)
	group.Go("platform", c.link.Run)
	found, err := c.findSettings(ctx)
	group.Stop()
	if err = errors.Join(err, group.Wait()); err != nil {
		return nil, nil, err
	}
	return cfg.WithHub(found.Hub), found.Warnings, nil
}

func (c *connector) findSettings(ctx context.Context) (config.FromThing, error) {
	if err := c.link.Wait(ctx); err != nil {
		return config.FromThing{}, err
	}
	rows, err := c.askSettings(ctx)
	if err != nil {
		return config.FromThing{}, err
	}
	return c.file.WithThing(rows)
}
