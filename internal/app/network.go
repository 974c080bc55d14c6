package app

import (
	"log/slog"

	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/fault"
)

// openDialer makes what opens all connections to other systems.
func openDialer(cfg *config.Config) (*dial.Dialer, error) {
	proxy, err := dial.NewProxy(cfg.Proxy, cfg.NoProxy)
	return &dial.Dialer{Proxy: proxy}, err
}

// openNetwork says how a hub is reached; all that speaks to the hub shares it.
func openNetwork(h *config.Hub, d *dial.Dialer, log *slog.Logger) (*dial.Network, error) {
	files, err := checked(dial.Files{CA: h.CAFile})
	n := &dial.Network{
		Transport: h.Transport, Dial: d.DialContext, TLS: files.Config,
		AMQPS: h.Endpoints.AMQPS, HTTPS: h.Endpoints.HTTPS, Log: log.With("hub", h.Thing),
	}
	if files.CA != "" {
		n.Own = files.Own
	}
	return n, err
}

// checked reads files once: what is wrong at the start does not get better.
func checked(f dial.Files) (dial.Files, error) {
	if _, err := f.Own(); err != nil {
		return f, &fault.Problem{Op: "set up TLS", Class: fault.Fatal, Cause: err, Hint: fault.HintOf(err)}
	}
	return f, nil
}
