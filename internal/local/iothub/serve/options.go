package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/amqp"
)

// Front serves one protocol: it accepts connections on l until ctx ends, closes l, and returns when all of its
// connections are closed.
type Front func(ctx context.Context, l net.Listener, hub *iothub.Hub, log *slog.Logger) error

// Ports are the TCP ports of the hub's protocols.
type Ports struct {
	MQTT  int `json:"mqtt"`  // MQTT over TLS
	AMQPS int `json:"amqps"` // AMQP over TLS
	AMQP  int `json:"amqp"`  // AMQP without TLS, for the emulator mode of the Event Hubs clients
	HTTPS int `json:"https"`
}

// StandardPorts are the ports Azure's clients expect.
func StandardPorts() Ports { return Ports{MQTT: 8883, AMQPS: 5671, AMQP: 5672, HTTPS: 443} }

// Options say how to run a hub. The zero Options run an in-memory hub named localhost on free loopback ports.
type Options struct {
	// Dir keeps the certificate authority, keys, devices and events, and gets hub.json; empty keeps everything in memory.
	Dir string
	// Host is the hub's name; default localhost, or the name Dir was made for.
	Host string
	// Listen is the loopback address to listen on; default 127.0.0.1.
	Listen string
	// Ports to listen on; 0 is any free port. See StandardPorts.
	Ports Ports
	// NextFreePort takes the next free port when one is in use, instead of giving up.
	NextFreePort bool
	// Partitions, Retention and NoSync of the event log, see iothub.Config.
	Partitions int
	Retention  iothub.Retention
	NoSync     bool
	// FeedbackDelay is how long feedback waits to be sent together, see iothub.Config; default 15 s.
	FeedbackDelay time.Duration
	// Clock is the hub's time; default time.Now.
	Clock func() time.Time
	// CertificateLife is how long the server certificate is good for; default 90 days. A negative one is over already.
	CertificateLife time.Duration
	// Log gets what happens; default nothing.
	Log *slog.Logger
	// Notice gets the sentences a person at the terminal should read, such as a port that was taken; default nothing.
	Notice func(text string)
	// AMQP serves both AMQP ports; default the hub's own front.
	AMQP Front

	listen func(network, address string) (net.Listener, error) // net.Listen, but in tests
}

func (o Options) withDefaults() (Options, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1"
	}
	if err := CheckListen(o.Listen); err != nil {
		return o, err
	}
	if o.CertificateLife == 0 {
		o.CertificateLife = leafLife
	}
	if o.listen == nil {
		o.listen = net.Listen
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.AMQP == nil {
		o.AMQP = amqp.New().Serve
	}
	return o, nil
}

// CheckListen refuses what is no loopback address.
func CheckListen(address string) error {
	if ip := net.ParseIP(address); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("listen address %q: want a loopback address such as 127.0.0.1; a local hub is not for the network", address)
	}
	return nil
}
