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

// WithHubThings asks the platform for what the hub Things have, and returns the configuration with it, as the connector
// would use it. Warnings are settings that are not known. Nothing is changed on the platform.
func WithHubThings(ctx context.Context, cfg *config.Config) (*config.Config, config.Problems, error) {
	c := newConnector(Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	if !c.azx() {
		return nil, nil, &fault.Problem{Op: "ask the hub Thing", Class: fault.Fatal, Cause: errors.New("the hub has extensions: " + string(cfg.Hubs[0].Extensions)),
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
	var warnings config.Problems
	for _, h := range c.hubs {
		found, failed := h.findSettings(ctx)
		if err = failed; err != nil {
			break
		}
		cfg, warnings = cfg.WithHub(found.Hub), append(warnings, found.Warnings...)
	}
	group.Stop()
	return cfg, warnings, errors.Join(err, group.Wait())
}

func (h *hubSide) findSettings(ctx context.Context) (config.FromThing, error) {
	if err := h.link.Wait(ctx); err != nil {
		return config.FromThing{}, err
	}
	rows, err := h.askSettings(ctx)
	if err != nil {
		return config.FromThing{}, err
	}
	return h.file.Load().WithThing(rows)
}
