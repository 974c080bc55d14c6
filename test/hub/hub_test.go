package hub_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/access"
	"azx/internal/delivery"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/local/iothub"
	"azx/internal/secret"
	"azx/internal/supervise"
)

func TestTheHubLeadsToItsEventEndpoint(t *testing.T) {
	s := start(t, hub.SDK)
	got := s.resolve(t)
	names := s.Hub.Names()
	if got.Host != names.Namespace || got.EventHub != names.EventHub || got.Policy != "service" {
		t.Errorf("got %+v, want %+v", got, names)
	}
	explicit, err := access.ParseEndpoint(s.Info.EventHubsConnectionString)
	if err != nil {
		t.Fatal(err)
	}
	if explicit.Host != got.Host || explicit.EventHub != got.EventHub || explicit.Key.Reveal() != got.Key.Reveal() {
		t.Errorf("the explicit string names %+v, the redirect %+v", explicit, got)
	}
}

func TestPartitionsAreListedWithHeadAndTail(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.send(t, "a", "b", "c")
		list, err := s.open(t, nil).Partitions(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 2 {
			t.Fatalf("got %+v", list)
		}
		for i, p := range list {
			if p.ID != fmt.Sprint(i) || p.Empty != (p.ID != s.partition()) {
				t.Errorf("partition %d is %+v", i, p)
			}
			if !p.Empty && (p.Last-p.First != 2 || p.LastOffset == "" || time.Since(p.LastTime) > patience) {
				t.Errorf("got %+v", p)
			}
		}
	})
}

func TestAMessageArrivesCompletely(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		sent := iothub.Message{
			Body: []byte(`{"temperature":21.5}`), Properties: map[string]string{"level": "high"},
			MessageID: "m-1", ContentType: "application/json", ContentEncoding: "utf-8",
		}
		event, err := s.Hub.Accept(s.device, sent)
		if err != nil {
			t.Fatal(err)
		}
		m := take(t, s.receiver(t, s.open(t, nil), hub.Earliest()), 1)[0]
		if m.Hub != "Plant1Hub" || m.Partition != s.partition() || m.Sequence != event.SequenceNumber || m.Offset != event.Offset ||
			!m.Enqueued.Equal(event.EnqueuedTime.Truncate(time.Millisecond)) {
			t.Errorf("its place is %+v, want that of %+v", m, event)
		}
		if m.DeviceID != "dev-1" || m.ModuleID != "" || m.Source != "Telemetry" || m.SystemTexts()["iothub-connection-auth-method"] == "" {
			t.Errorf("its origin is %+v", m)
		}
		if string(m.Body) != string(sent.Body) || m.ContentType != sent.ContentType || m.ContentEncoding != sent.ContentEncoding ||
			m.Properties["level"] != "high" || m.SystemTexts()["message-id"] != "m-1" {
			t.Errorf("its content is %+v", m)
		}
	})
}

func TestReadingBeginsWhereItIsTold(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		var now atomic.Int64
		begin := time.Now().Add(-time.Hour).Truncate(time.Second)
		s.setClock(func() time.Time { return begin.Add(time.Duration(now.Load())) })
		for i := range 5 {
			now.Store(int64(time.Duration(i) * time.Minute))
			s.send(t, fmt.Sprint(i))
		}
		now.Store(int64(time.Hour))
		client := s.open(t, nil)
		all := take(t, s.receiver(t, client, hub.Earliest()), 5)
		second := delivery.Checkpoint{Sequence: all[1].Sequence, Offset: all[1].Offset, Enqueued: all[1].Enqueued}
		for name, test := range map[string]struct {
			from hub.Position
			want []string
		}{
			"at the earliest message": {hub.Earliest(), []string{"0", "1", "2", "3", "4"}},
			"behind a checkpoint":     {hub.After(second), []string{"2", "3", "4"}},
			"at a sequence number":    {hub.From(second.Sequence), []string{"1", "2", "3", "4"}},
			"at a time":               {hub.At(begin.Add(3 * time.Minute)), []string{"3", "4"}},
			"between two times":       {hub.At(begin.Add(200 * time.Second)), []string{"4"}},
		} {
			t.Run(name, func(t *testing.T) {
				got := bodies(take(t, s.receiver(t, client, test.from), len(test.want)))
				if !slices.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			})
		}
		t.Run("at the latest message", func(t *testing.T) {
			r := s.receiver(t, client, hub.Latest())
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if got, err := r.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v, %v", bodies(got), err)
			}
			s.send(t, "new")
			if got := bodies(take(t, r, 1)); !slices.Equal(got, []string{"new"}) {
				t.Errorf("got %v", got)
			}
		})
	})
}

func TestNothingIsLostOrDoubledOverManyBatches(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		r := s.receiver(t, s.open(t, func(o *hub.Options) { o.Prefetch = 7 }), hub.Earliest())
		const many = 3000
		g := supervise.New(t.Context())
		g.Go("send", func(context.Context) error {
			for n := range many {
				if _, err := s.Hub.Accept(s.device, iothub.Message{Body: fmt.Append(nil, n)}); err != nil {
					return err
				}
			}
			return nil
		})
		for n, m := range take(t, r, many) {
			if string(m.Body) != fmt.Sprint(n) {
				t.Fatalf("message %d is %s", n, m.Body)
			}
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASingleMessageIsNotHeldBackForABatch(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		r := s.receiver(t, s.open(t, nil), hub.Earliest())
		s.send(t, "first")
		take(t, r, 1) // the connection stands
		var times []time.Duration
		for n := range 20 {
			began := time.Now()
			s.send(t, fmt.Sprint(n))
			take(t, r, 1)
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		t.Logf("median %v, longest %v", times[10], times[19])
		if times[10] > 50*time.Millisecond {
			t.Errorf("half of the messages took longer than %v", times[10])
		}
	})
}

func TestAReceiverGoesOnAfterAFailure(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		line := newLine(t, s.network.AMQPS)
		client := s.open(t, func(o *hub.Options) { o.Network = &dial.Network{AMQPS: line.address(), TLS: s.network.TLS} })
		r := s.receiver(t, client, hub.Earliest())
		s.send(t, "a", "b")
		got := take(t, r, 2)
		for n := range 3 {
			line.cut()
			s.send(t, fmt.Sprint(n))
			ctx := within(t)
			for len(got) < 3+n {
				messages, err := r.Receive(ctx)
				if err != nil && fault.ClassOf(err) != fault.Transient {
					t.Fatal(err)
				}
				if ctx.Err() != nil {
					t.Fatalf("only %v came: %v", bodies(got), err)
				}
				got = append(got, messages...)
			}
		}
		if want := []string{"a", "b", "0", "1", "2"}; !slices.Equal(bodies(got), want) {
			t.Errorf("got %v, want %v", bodies(got), want)
		}
	})
}

func TestTheNewestReaderOfAGroupHasThePartition(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.send(t, "a")
		old := s.receiver(t, s.open(t, nil), hub.Earliest())
		take(t, old, 1)
		fresh := s.receiver(t, s.open(t, nil), hub.Earliest())
		take(t, fresh, 1)
		if m, err := old.Receive(within(t)); !errors.Is(err, hub.ErrStolen) || fault.HintOf(err) == "" {
			t.Errorf("the old one got %v, %v", bodies(m), err)
		}
		s.send(t, "b")
		take(t, fresh, 1)
	})
}

func TestAPeekTakesNothingFromAReader(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.send(t, "a")
		peek := func() hub.Receiver {
			r, err := s.open(t, nil).Peek(s.partition(), hub.Earliest())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close(within(t)) }) // of a link that was refused, perhaps
			return r
		}
		if got := bodies(take(t, peek(), 1)); !slices.Equal(got, []string{"a"}) {
			t.Errorf("beside nobody it got %v", got)
		}
		reader := s.receiver(t, s.open(t, nil), hub.Earliest())
		take(t, reader, 1)
		if m, err := peek().Receive(within(t)); !errors.Is(err, hub.ErrStolen) {
			t.Errorf("beside a reader it got %v, %v", bodies(m), err)
		}
		s.send(t, "b")
		take(t, reader, 1)
	})
}

func TestWhatTheOperatorIsTold(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.send(t, "a")
		tests := map[string]struct {
			change func(*access.Service, *dial.Network)
			class  fault.Class
			hint   string
		}{
			"of a wrong key": {func(s *access.Service, _ *dial.Network) { s.Key = secret.New("d3Jvbmcga2V5") },
				fault.Credential, "ServiceConnect"},
			"of an unknown policy": {func(s *access.Service, _ *dial.Network) { s.Policy = "nobody" },
				fault.Credential, `"nobody"`},
			"of a policy without the right": {func(h *access.Service, _ *dial.Network) {
				p, _ := s.Hub.Policy("device")
				h.Policy, h.Key = p.Name, secret.New(p.PrimaryKey)
			}, fault.Credential, "ServiceConnect"},
			"of an authority that is not trusted": {func(_ *access.Service, n *dial.Network) { n.TLS = nil },
				fault.Credential, "caFile"},
			"of another server's certificate": {func(s *access.Service, _ *dial.Network) { s.Host = "plant2.azure-devices.net" },
				fault.Credential, "endpoints.amqps"},
			"of a port that nobody listens on": {func(_ *access.Service, n *dial.Network) { n.AMQPS = closedPort(t) },
				fault.Transient, "5671"},
			"of a port without TLS": {func(_ *access.Service, n *dial.Network) {
				n.AMQPS = net.JoinHostPort(s.Info.Listen, fmt.Sprint(s.Info.Ports.AMQP))
			}, fault.Credential, "endpoints.amqps"},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				service := s.service
				network := &dial.Network{AMQPS: s.network.AMQPS, HTTPS: s.network.HTTPS, TLS: s.network.TLS}
				test.change(&service, network)
				_, err := hub.Resolver{Service: service, Network: network}.Resolve(within(t))
				if err == nil || fault.ClassOf(err) != test.class || !strings.Contains(fault.HintOf(err), test.hint) {
					t.Errorf("got %v, class %v, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
				}
				if err != nil && strings.Contains(err.Error(), service.Key.Reveal()) {
					t.Errorf("the key is in %q", err)
				}
			})
		}
		t.Run("of a consumer group that does not exist", func(t *testing.T) {
			r := s.receiver(t, s.open(t, func(o *hub.Options) { o.Group = "missing" }), hub.Earliest())
			_, err := r.Receive(within(t))
			const want = "az iot hub consumer-group create --hub-name plant1 --name missing"
			if !errors.Is(err, hub.ErrNoConsumerGroup) || fault.ClassOf(err) != fault.Fatal || !strings.Contains(fault.HintOf(err), want) {
				t.Errorf("got %v, class %v, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
			}
		})
		t.Run("of an event hub that does not exist any more", func(t *testing.T) {
			endpoint := s.resolve(t)
			endpoint.EventHub = "iothub-ehub-before"
			client, err := hub.Open(endpoint, hub.Options{Kind: s.kind, Group: "azx", Network: s.network})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close(context.Background())
			if list, err := client.Partitions(within(t)); !errors.Is(err, hub.ErrNotFound) || fault.ClassOf(err) != fault.Transient {
				t.Errorf("got %v, %v, class %v", list, err, fault.ClassOf(err))
			}
			r := s.receiver(t, client, hub.Earliest())
			if _, err := r.Receive(within(t)); !errors.Is(err, hub.ErrNotFound) || fault.ClassOf(err) != fault.Transient {
				t.Errorf("got %v, class %v", err, fault.ClassOf(err))
			}
		})
	})
}

func TestAListingEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		client := s.open(t, func(o *hub.Options) { o.Network = &dial.Network{AMQPS: silentPort(t), TLS: s.network.TLS} })
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		if list, err := client.Partitions(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", list, err)
		}
		if took := time.Since(began); took > patience/2 {
			t.Errorf("it took %v", took)
		}
	})
}
