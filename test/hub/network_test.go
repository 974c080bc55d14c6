package hub_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/secret"
	"azx/test/process"
)

// proxied is the way to the site through a proxy that lets nobody to any port but 443.
func (s *site) proxied(t testing.TB, url func(*process.Proxy) string) (*dial.Network, *process.Proxy) {
	t.Helper()
	endpoint := s.resolve(t)
	proxy := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: "canary", Names: map[string]string{
		s.service.Host + ":443": s.network.HTTPS, endpoint.Host + ":443": s.network.HTTPS,
	}})
	through, err := dial.NewProxy(secret.Literal(url(proxy)), "none.example")
	if err != nil {
		t.Fatal(err)
	}
	return &dial.Network{Dial: (&dial.Dialer{Proxy: through}).DialContext, TLS: s.network.TLS}, proxy
}

func TestEventsComeOverEachTransportAndThroughAProxy(t *testing.T) {
	for name, way := range map[string]func(t *testing.T, s *site) *dial.Network{
		"WebSocket": func(t *testing.T, s *site) *dial.Network {
			return &dial.Network{Transport: dial.TransportWebSocket, AMQPS: closedPort(t), HTTPS: s.network.HTTPS, TLS: s.network.TLS}
		},
		"auto with 5671 blocked": func(t *testing.T, s *site) *dial.Network {
			return &dial.Network{Transport: dial.TransportAuto, AMQPS: closedPort(t), HTTPS: s.network.HTTPS, TLS: s.network.TLS}
		},
		"auto through a proxy that knows 443 only": func(t *testing.T, s *site) *dial.Network {
			n, _ := s.proxied(t, (*process.Proxy).URL)
			n.Transport = dial.TransportAuto
			return n
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				network := way(t, s)
				endpoint, err := hub.Resolver{Service: s.service, Network: network}.Resolve(within(t))
				if err != nil || endpoint.Host == s.service.Host {
					t.Fatalf("redirected to %s: %v", endpoint.Host, err)
				}
				client, err := hub.Open(endpoint, hub.Options{Kind: s.kind, Hub: "Plant1Hub", Group: "azx", Network: network})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = client.Close(context.Background()) })
				if list, err := client.Partitions(within(t)); len(list) != 2 || err != nil {
					t.Fatalf("got %v, %v", list, err)
				}
				r := s.receiver(t, client, hub.Earliest())
				var want []string
				for range 200 {
					want = append(want, strings.Repeat("x", 4000))
				}
				s.send(t, want...)
				if got := bodies(take(t, r, len(want))); !slices.Equal(got, want) {
					t.Errorf("got %d messages, or others", len(got))
				}
			})
		})
	}
}

func TestWhoReadsIsToldWhichHopFails(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for name, c := range map[string]struct {
			url   func(*process.Proxy) string
			class fault.Class
			says  string
		}{
			"nobody is the proxy":     {func(*process.Proxy) string { return "http://azx:canary@" + closedPort(t) }, fault.Transient, "connect to the proxy 127.0.0.1:"},
			"no credentials":          {func(p *process.Proxy) string { return "http://" + p.Address }, fault.Credential, "sign in to the proxy 127.0.0.1:"},
			"others":                  {func(p *process.Proxy) string { return "http://azx:canary2@" + p.Address }, fault.Credential, "does not accept the credentials"},
			"5671 is not let through": {(*process.Proxy).URL, fault.Transient, " through the proxy 127.0.0.1:"},
		} {
			t.Run(name, func(t *testing.T) {
				network, _ := s.proxied(t, c.url)
				client, err := hub.Open(s.resolve(t), hub.Options{Kind: s.kind, Hub: "Plant1Hub", Group: "azx", Network: network})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = client.Close(context.Background()) })
				r := s.receiver(t, client, hub.Earliest())
				_, resolve := hub.Resolver{Service: s.service, Network: network}.Resolve(within(t))
				_, list := client.Partitions(within(t))
				_, receive := r.Receive(within(t))
				for what, err := range map[string]error{"resolve": resolve, "list": list, "receive": receive} {
					if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.HintOf(err), "proxy") {
						t.Errorf("%s: got %v, class %v, hint %q", what, err, fault.ClassOf(err), fault.HintOf(err))
					}
					if strings.Contains(err.Error()+fault.HintOf(err), "canary") {
						t.Errorf("%s: the password is in %v", what, err)
					}
				}
			})
		}
	})
}

// The transport changes under a reader who knows nothing of it.
func TestAReaderGoesOnOverWebSocketWhen5671IsClosed(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		line := newLine(t, s.network.AMQPS)
		var said bytes.Buffer
		network := &dial.Network{Transport: dial.TransportAuto, AMQPS: line.address(), HTTPS: s.network.HTTPS, TLS: s.network.TLS,
			Log: slog.New(slog.NewTextHandler(&said, nil))}
		r := s.receiver(t, s.open(t, func(o *hub.Options) { o.Network = network }), hub.Earliest())
		s.send(t, "a", "b")
		got := take(t, r, 2)
		_ = line.listener.Close()
		line.cut()
		s.send(t, "c", "d")
		ctx := within(t)
		for len(got) < 4 {
			messages, err := r.Receive(ctx)
			if err != nil && (fault.ClassOf(err) != fault.Transient || errors.Is(err, ctx.Err())) {
				t.Fatal(err)
			}
			got = append(got, messages...)
		}
		if !slices.Equal(bodies(got), []string{"a", "b", "c", "d"}) {
			t.Errorf("got %v", bodies(got))
		}
		if n := strings.Count(said.String(), "transport-changed"); n != 1 {
			t.Errorf("told %d times: %s", n, said.String())
		}
	})
}
