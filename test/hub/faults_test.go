package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/access"
	"azx/internal/delivery"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/local/iothub"
	"azx/internal/message"
	"azx/internal/secret"
)

func after(m *message.Message) hub.Position {
	return hub.After(delivery.Checkpoint{Sequence: m.Sequence, Offset: m.Offset, Enqueued: m.Enqueued})
}

// numbered sends messages with these numbers, of a size that differs.
func (s *site) numbered(t testing.TB, from, to int) (all []string) {
	for n := from; n < to; n++ {
		body := fmt.Sprint(n, " ", string(bytes.Repeat([]byte{'x'}, n*997%5000)))
		s.send(t, body)
		all = append(all, body)
	}
	return all
}

func TestMessagesOfTheLargestSizeCome(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		var want []string
		for n := range 12 {
			want = append(want, string(bytes.Repeat([]byte{byte('a' + n)}, 255<<10)), "small")
		}
		s.send(t, want...)
		r := s.receiver(t, s.open(t, func(o *hub.Options) { o.Prefetch = 2 }), hub.Earliest())
		if got := bodies(take(t, r, len(want))); !slices.Equal(got, want) {
			t.Errorf("%d messages came, or others", len(got))
		}
	})
}

func TestALineThatIsCutWithinAFrameLosesAndRepeatsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		line := newLine(t, s.network.AMQPS)
		want := s.numbered(t, 0, 60)
		client := s.open(t, func(o *hub.Options) { o.Network = &dial.Network{AMQPS: line.address(), TLS: s.network.TLS} })
		r := s.receiver(t, client, hub.Earliest())
		var got []string
		for n, ctx := 0, within(t); len(got) < len(want); n++ {
			line.mu.Lock()
			line.after = 9000 + int64(n)*7919 // of what the hub sends, the handshake included
			line.mu.Unlock()
			messages, err := r.Receive(ctx)
			if err != nil && fault.ClassOf(err) != fault.Transient || ctx.Err() != nil {
				t.Fatalf("after %d messages: %v", len(got), err)
			}
			got = append(got, bodies(messages)...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d messages came, %d were sent", len(got), len(want))
		}
		line.mu.Lock()
		defer line.mu.Unlock()
		if line.opened < 3 {
			t.Errorf("the line was cut %d times: the test shows nothing", line.opened-1)
		}
	})
}

func TestClosingLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		want := s.numbered(t, 0, 400)
		client := s.open(t, func(o *hub.Options) { o.Prefetch = 3 })
		var got []*message.Message
		for from := hub.Earliest(); len(got) < len(want); from = after(got[len(got)-1]) {
			r, err := client.Receiver(s.partition(), from, 0)
			if err != nil {
				t.Fatal(err)
			}
			batch, err := r.Receive(within(t))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, batch...)
			if err := r.Close(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(bodies(got), want) {
			t.Errorf("%d messages came, %d were sent, or others", len(got), len(want))
		}
	})
}

// Microsoft's library tells nothing of it within these 20 seconds, but waits (tried).
func TestAfterAFailoverTheEndpointIsResolvedAgain(t *testing.T) {
	s := start(t, hub.Fast)
	s.send(t, "a")
	before := s.resolve(t)
	r := s.receiver(t, s.open(t, nil), hub.Earliest())
	take(t, r, 1)
	if err := s.Hub.Failover(); err != nil {
		t.Fatal(err)
	}
	ctx := within(t)
	for {
		_, err := r.Receive(ctx)
		if errors.Is(err, hub.ErrNotFound) && fault.ClassOf(err) == fault.Transient {
			break
		}
		if err == nil || ctx.Err() != nil || fault.ClassOf(err) == fault.Fatal {
			t.Fatalf("got %v, class %v", err, fault.ClassOf(err))
		}
	}
	if now := s.resolve(t); now.EventHub == before.EventHub {
		t.Fatalf("it is still %s", now.EventHub)
	}
	s.send(t, "b")
	again := s.receiver(t, s.open(t, func(o *hub.Options) { o.Group = "$Default" }), hub.Earliest())
	if got := bodies(take(t, again, 1)); got[0] != "b" {
		t.Errorf("got %v", got)
	}
}

func TestAllPartitionsAndTheirListShareOneConnection(t *testing.T) {
	s := start(t, hub.Fast)
	line := newLine(t, s.network.AMQPS)
	s.send(t, "a")
	client := s.open(t, func(o *hub.Options) { o.Network = &dial.Network{AMQPS: line.address(), TLS: s.network.TLS} })
	line.mu.Lock()
	line.opened = 0
	line.mu.Unlock()
	if list, err := client.Partitions(within(t)); err != nil || len(list) != 2 {
		t.Fatalf("got %v, %v", list, err)
	}
	take(t, s.receiver(t, client, hub.Earliest()), 1)
	for p := range 2 {
		if p == s.Hub.PartitionOf(s.device.ID.Device) {
			continue
		}
		r, err := client.Receiver(fmt.Sprint(p), hub.Earliest(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if _, err := r.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := r.Close(within(t)); err != nil {
			t.Error(err)
		}
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	if line.opened != 1 {
		t.Errorf("%d connections", line.opened)
	}
}

// Tokens of this test live for two seconds; the hub counts in whole ones.
func TestTokensAreRenewedAndAnExpiredOneIsTheKeysFault(t *testing.T) {
	s := start(t, hub.Fast)
	opened := s.resolve(t)
	var wrong atomic.Bool
	client := s.open(t, func(o *hub.Options) {
		o.TokenLife = 2 * time.Second
		o.Current = func() (access.Endpoint, error) {
			e := opened
			if wrong.Load() {
				e.Key = secret.New("d3Jvbmcga2V5")
			}
			return e, nil
		}
	})
	r := s.receiver(t, client, hub.Earliest())
	var last *message.Message
	for ctx, end := within(t), time.Now().Add(4*time.Second); time.Now().Before(end); {
		if _, err := s.Hub.Accept(s.device, iothub.Message{Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		batch, err := r.Receive(ctx)
		if err != nil {
			t.Fatalf("with a token that is renewed: %v", err)
		}
		last = batch[len(batch)-1]
	}
	wrong.Store(true)
	if _, err := r.Receive(within(t)); fault.ClassOf(err) != fault.Credential {
		t.Errorf("with a token that cannot be renewed: %v, class %v", err, fault.ClassOf(err))
	}
	wrong.Store(false)
	s.send(t, "again")
	if got := take(t, r, 1); string(got[0].Body) != "again" || got[0].Sequence != last.Sequence+1 {
		t.Errorf("got %v", bodies(got))
	}
}

// The clock of this hub is so far ahead that of a token's hour three seconds are left when it gets there.
func TestATokenThatTheHubTakesForExpiredIsReplaced(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		client := s.open(t, nil)
		s.setClock(func() time.Time { return time.Now().Add(time.Hour - 3*time.Second) })
		r := s.receiver(t, client, hub.Earliest())
		s.send(t, "first")
		got := take(t, r, 1)
		sent := 1
		for ctx, end := within(t), time.Now().Add(8*time.Second); time.Now().Before(end) || len(got) < sent; {
			if len(got) == sent {
				s.send(t, fmt.Sprint(sent))
				sent++
			}
			batch, err := r.Receive(ctx)
			if ctx.Err() != nil {
				t.Fatalf("%d of %d messages came: %v", len(got), sent, err)
			}
			if class := fault.ClassOf(err); err != nil && class != fault.Credential && class != fault.Transient {
				t.Fatal(err)
			}
			got = append(got, batch...)
		}
		for n, m := range got[1:] {
			if string(m.Body) != fmt.Sprint(n+1) {
				t.Fatalf("message %d is %s", n+1, m.Body)
			}
		}
	})
}
