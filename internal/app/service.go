package app

import (
	"context"
	"log/slog"

	"azx/internal/access"
	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/entra"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/observe"
)

// service says how to open the service side of a hub.
type service struct {
	Hub     *config.Hub
	Network *dial.Network
	// Identity signs in where Hub has a host name for it; nil if there is none.
	Identity *entra.Credential
	// Current gives policy and key as they are now; nil: those of Hub.
	Current func() (access.Service, error)
	// Ended hears why the connection for messages ended; nil: nobody does.
	Ended func(err error)
	// Feedback gets what became of messages to devices, if the file has feedback: on; nil leaves it alone.
	Feedback func(ctx context.Context, batch []iothub.Feedback) error
	Metrics  *observe.Metrics // nil: nobody counts
	Log      *slog.Logger
}

// openService makes the client of the hub's service side; a supervise.Group owns its Run. It is nil, which the log tells,
// if nothing leads to it: messages of devices can be read without.
func openService(s service) (*iothub.Client, error) {
	if !s.Hub.HasService() {
		s.Log.Info("telemetry only: without connectionString or hostName nothing can be sent to devices", "event", "telemetry-only", "hub", s.Hub.Thing)
		return nil, nil
	}
	o := iothub.Options{
		Current: s.Current, Ended: s.Ended, Feedback: s.feedback(), Meter: s.meter(), Log: s.Log,
		Network: s.Network, Quota: iothub.Quota{Tier: iothub.Tier(s.Hub.Tier), Units: s.Hub.Units},
	}
	if host := s.Hub.HostName; host != "" {
		o.Service, o.Current, o.Bearer = access.Service{Host: host}, nil, hubTokens{s.Identity, iothub.Scope(host)}
		return iothub.New(o)
	}
	text, err := s.Hub.ConnectionString.Value()
	if err != nil {
		return nil, &fault.Problem{Op: "open the service side of the hub", Class: fault.Fatal, Cause: err,
			Hint: "the connection string is that of a shared access policy with the right to connect services"}
	}
	if o.Service, err = access.ParseService(text); err != nil {
		return nil, err
	}
	return iothub.New(o)
}

// feedback counts what is handed on; nil if nobody is to read it.
func (s service) feedback() func(context.Context, []iothub.Feedback) error {
	if !s.Hub.Feedback || s.Feedback == nil {
		return nil
	}
	return func(ctx context.Context, batch []iothub.Feedback) error {
		if err := s.Feedback(ctx, batch); err != nil || s.Metrics == nil {
			return err // the batch comes again, and counts then
		}
		for _, f := range batch {
			s.Metrics.Egress(s.Hub.Thing).Outcome(f.Status)
		}
		return nil
	}
}

func (s service) meter() iothub.Meter {
	if s.Metrics == nil {
		return nil
	}
	return hubMeter{s.Hub.Thing, s.Metrics}
}

// hubMeter counts the uses of one hub.
type hubMeter struct {
	hub     string
	metrics *observe.Metrics
}

// Used is iothub.Meter's.
func (m hubMeter) Used(u iothub.Usage) {
	m.metrics.HubUsed(m.hub, observe.HubUse{
		Kind: string(u.Kind), Result: u.Result, Messages: u.Messages, Took: u.Took, Waited: u.Waited,
	})
}
