// Package hub_test runs the connector's event side against the local hub, over TLS on loopback.
package hub_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/access"
	"azx/internal/dial"
	"azx/internal/hub"
	"azx/internal/local/iothub"
	"azx/internal/local/iothub/amqp"
	"azx/internal/local/iothub/serve"
	"azx/internal/message"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// azeventhubs renews tokens in a goroutine that does not end with the client but at its next renewal.
		goleak.IgnoreAnyFunction("github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2/internal.(*Namespace).startNegotiateClaimRenewer.func3"))
}

const patience = 20 * time.Second // for what should take milliseconds

// site is a running local hub with one device.
type site struct {
	*serve.Running
	device  iothub.Principal
	service access.Service
	network *dial.Network
	kind    hub.Kind // of the receivers
	clock   atomic.Pointer[func() time.Time]
}

// kinds are the receivers. What one does the other does: Microsoft's is the oracle of ours.
var kinds = [...]hub.Kind{hub.SDK, hub.Fast}

// each runs a test with receivers of each kind, each on a hub of its own.
func each(t *testing.T, run func(t *testing.T, s *site)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { run(t, start(t, kind)) })
	}
}

// setClock gives the hub another time.
func (s *site) setClock(now func() time.Time) { s.clock.Store(&now) }

func (s *site) now() time.Time {
	if clock := s.clock.Load(); clock != nil {
		return (*clock)()
	}
	return time.Now()
}

func start(t testing.TB, kind hub.Kind) *site {
	t.Helper()
	s := &site{kind: kind}
	running, err := serve.Start(context.Background(), serve.Options{
		Host: "plant1.azure-devices.net", Partitions: 2, Clock: s.now, AMQP: amqp.New().Serve,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	})
	added, err := running.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: "dev-1"}})
	if err != nil {
		t.Fatal(err)
	}
	service, err := access.ParseService(running.Info.ServiceConnectionString)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(running.CA) {
		t.Fatal("the hub's certificate authority is no certificate")
	}
	s.Running, s.service = running, service
	s.device = iothub.Principal{ID: added[0].ID, GenerationID: added[0].GenerationID}
	s.network = &dial.Network{
		AMQPS: net.JoinHostPort(running.Info.Listen, fmt.Sprint(running.Info.Ports.AMQPS)),
		HTTPS: net.JoinHostPort(running.Info.Listen, fmt.Sprint(running.Info.Ports.HTTPS)),
		TLS:   func() (*tls.Config, error) { return &tls.Config{RootCAs: roots}, nil },
	}
	return s
}

// partition is where the device's messages go.
func (s *site) partition() string { return fmt.Sprint(s.Hub.PartitionOf(s.device.ID.Device)) }

// send puts messages with these bodies into the log.
func (s *site) send(t testing.TB, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if _, err := s.Hub.Accept(s.device, iothub.Message{Body: []byte(b)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) resolve(t testing.TB) access.Endpoint {
	t.Helper()
	endpoint, err := hub.Resolver{Service: s.service, Network: s.network}.Resolve(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// open makes a client as the connector does; change may alter its options.
func (s *site) open(t testing.TB, change func(*hub.Options)) *hub.Client {
	t.Helper()
	options := hub.Options{Kind: s.kind, Hub: "Plant1Hub", HubName: "plant1", Group: "azx", Network: s.network}
	if change != nil {
		change(&options)
	}
	client, err := hub.Open(s.resolve(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client
}

// receiver opens the partition of the site's device.
func (s *site) receiver(t testing.TB, c *hub.Client, from hub.Position) hub.Receiver {
	t.Helper()
	r, err := c.Receiver(s.partition(), from, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = r.Close(ctx) // of a link that the test has broken, perhaps
	})
	return r
}

// take receives until it has n messages.
func take(t testing.TB, r hub.Receiver, n int) []*message.Message {
	t.Helper()
	var all []*message.Message
	for ctx := within(t); len(all) < n; {
		messages, err := r.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(all), n, err)
		}
		all = append(all, messages...)
	}
	return all
}

func bodies(messages []*message.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, string(m.Body))
	}
	return all
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
