package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"azx/internal/config"
	"azx/internal/diagnose"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/iothub"
)

// hubHop is what the hub's two ports have in common.
func (d *hubDoctor) hubHop(setting, port string, instead func() string) hop {
	h := hop{
		dialer: func() *dial.Dialer { return d.dialer }, setting: setting,
		host:   d.hubHost,
		trust:  func() (*tls.Config, error) { return dial.Files{CA: d.hub.CAFile}.Config() },
		unused: func() (string, bool) { return "", false },
	}
	h.address = func() string {
		if address := instead(); address != "" {
			return address
		}
		return net.JoinHostPort(d.hubHost(), port)
	}
	return h
}

// httpsHop is where the hub has its REST interface, and WebSockets.
func (d *hubDoctor) httpsHop() hop {
	h := d.hubHop("endpoints.https", "443", func() string { return d.hub.Endpoints.HTTPS })
	h.unused = func() (string, bool) {
		return "there is no connectionString", !d.hub.HasService() && d.hub.Transport == dial.TransportAMQP
	}
	return h
}

// amqpsHop is where the hub has AMQP over TLS.
func (d *hubDoctor) amqpsHop() hop {
	h := d.hubHop("endpoints.amqps", "5671", func() string { return d.hub.Endpoints.AMQPS })
	h.unused = func() (string, bool) { return "transport: websocket", d.hub.Transport == dial.TransportWebSocket }
	h.instead = func() string {
		if d.hub.Transport == dial.TransportAuto {
			return "WebSocket at port 443"
		}
		return ""
	}
	return h
}

// hubHost is the hub's name, or that of its event endpoint if only that is known.
func (d *hubDoctor) hubHost() string {
	if s, _, err := d.keys.service(); s.Host != "" && err == nil {
		return s.Host
	}
	e, _, _ := d.keys.named() // hubSettings has checked it
	return e.Host
}

// hubName is the name for commands of the Azure CLI.
func (d *hubDoctor) hubName() string {
	if s, _, err := d.keys.service(); s.Host != "" && err == nil {
		return s.Name()
	}
	return "HUB"
}

func (d *hubDoctor) hubSettings(context.Context) (string, error) {
	if !d.hub.ConnectionString.IsSet() && !d.hub.EventHubsConnectionString.IsSet() && d.azx() && d.found.Hub == nil {
		return "", diagnose.Skipped("the file has no connection string, and the hub Thing could not be asked")
	}
	if err := checkHub(d.hub, d.connectionHint(d.hub)); err != nil {
		return "", err
	}
	text := ""
	s, known, err := d.keys.service()
	if err != nil {
		return "", err
	}
	if d.hub.HostName != "" {
		text = fmt.Sprintf("%s, identity %s (from the %s)", d.hub.HostName, d.Config.Identity.Kind, d.origin("hostName"))
	}
	if known {
		text += fmt.Sprintf(" %s, policy %s (from the %s)", s.Host, s.Policy, d.origin("connectionString"))
	}
	e, named, err := d.keys.named()
	if err != nil {
		return "", err
	}
	if named {
		text += fmt.Sprintf(" events %s at %s, policy %s (from the %s)", e.EventHub, e.Host, e.Policy, d.origin("eventHubsConnectionString"))
	}
	d.network, err = openNetwork(d.hub, d.dialer, d.Log)
	return text, err
}

func (d *hubDoctor) origin(key string) config.Origin { return d.hub.Origin(key) }

// hubClock matters because the hub takes no token that has expired by its own clock.
func (d *hubDoctor) hubClock(ctx context.Context) (string, error) {
	if why, is := d.httpsHop().unused(); is {
		return "not compared: " + why, nil
	}
	ahead, err := d.httpsHop().clock(ctx)
	if err != nil {
		return "", diagnose.Warning("", "the hub's clock is not known: %v", err)
	}
	text := "this machine's clock is " + apart(ahead) + " the hub's"
	switch {
	case ahead.Abs() >= clockFails:
		return "", &fault.Problem{Op: "compare the clocks", Class: fault.Rejected, Cause: errors.New(text),
			Hint: "set this machine's clock by NTP (timedatectl set-ntp true): the hub refuses tokens that have expired by its own"}
	case ahead.Abs() >= clockWarns:
		return "", diagnose.Warning("set this machine's clock by NTP (timedatectl set-ntp true)", "%s", text)
	}
	return text, nil
}

// withService calls the hub's service side. Whatever tier the settings name, the hub itself is asked.
func (d *hubDoctor) withService(call func(*iothub.Client) error) (known bool, err error) {
	asked := *d.hub
	asked.Tier = config.TierStandard
	client, err := openService(service{Hub: &asked, Network: d.network, Identity: d.identity, Current: d.keys.serviceNow, Log: d.Log})
	if err != nil || client == nil {
		return false, err
	}
	defer client.Close()
	return true, call(client)
}

const notAsked = "not asked for: without connectionString the connector reads telemetry only"

// registryRight is not needed to carry messages.
func (d *hubDoctor) registryRight(ctx context.Context) (string, error) {
	known, err := d.withService(func(c *iothub.Client) error { return c.CheckRegistry(ctx) })
	switch {
	case !known && err == nil:
		return notAsked, nil
	case err != nil && fault.ClassOf(err) == fault.Credential:
		return "it cannot be read, which only listing and importing devices needs (the right RegistryRead)", nil
	case err != nil:
		return "", err
	}
	return "the registry can be read", nil
}

// serviceRight needs the right ServiceConnect, and a tier that has twins.
func (d *hubDoctor) serviceRight(ctx context.Context) (string, error) {
	known, err := d.withService(func(c *iothub.Client) error { return c.CheckService(ctx) })
	switch {
	case !known && err == nil:
		return notAsked, nil
	case errors.Is(err, iothub.ErrBasicTier) && d.hub.Tier.Basic():
		return "a Basic tier, as the settings say: telemetry only", nil
	case errors.Is(err, iothub.ErrBasicTier):
		return "", diagnose.Warning("move the hub to a Standard tier, or set tier: basic, so that requests are refused with that reason",
			"the hub is of the Basic tier (403010): telemetry is carried; twins, direct methods and messages to devices are not")
	case err != nil:
		return "", err
	case d.hub.Tier.Basic():
		return "", diagnose.Warning("set tier: standard, or take the key away", "twins can be read, and the settings say tier: %s", d.hub.Tier)
	}
	return "twins can be read: the policy may connect services, and the tier has devices' messages, methods and twins", nil
}

func (d *hubDoctor) eventEndpoint(ctx context.Context) (text string, err error) {
	if d.events, err = openEvents(ctx, d.hub, d.keys, d.network, prefetchBytes); err != nil {
		return "", err
	}
	newest := time.Time{}
	for _, p := range d.events.partitions {
		if !p.Empty && p.LastTime.After(newest) {
			newest = p.LastTime
		}
	}
	text = fmt.Sprintf("%s at %s, %d partitions", d.events.endpoint.EventHub, d.events.endpoint.Host, len(d.events.partitions))
	if newest.IsZero() {
		return text + ", no message yet", nil
	}
	return text + ", newest message " + newest.Format(time.RFC3339), nil
}
