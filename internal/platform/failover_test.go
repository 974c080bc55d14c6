package platform

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
	"azx/internal/message"
)

// twins are two instances of one platform, the second of which shares the Things of the first.
func twins(t *testing.T) (a, b *served) {
	a, b = serve(t, nil), serve(t, nil)
	b.fakePlatform = a.fakePlatform
	return a, b
}

// fill writes messages 1..n to each of some Things, and counts those that are accepted.
func fill(t *testing.T, w *Writer, things, messages int, accepted *atomic.Int64) {
	t.Helper()
	for n := 1; n <= messages; n++ {
		for i := range things {
			m := &message.Message{Hub: "Hub", Body: fmt.Appendf(nil, `{"n":%d}`, n)}
			w.Write(&delivery.Queued{
				Telemetry: message.Telemetry{Message: m, Thing: fmt.Sprint("T", i), Time: int64(n)},
				Settle: func(o delivery.Outcome) {
					if o.Kind == delivery.Accepted {
						accepted.Add(1)
					}
				},
			})
		}
	}
}

func TestLanesMoveToTheInstanceThatLivesAndTheNameIsBoundThereOnce(t *testing.T) {
	tests := map[string]func(a *served){
		"it dies":          func(a *served) { go a.server.Close() },
		"it stays hanging": func(a *served) { a.hang.Store(true) },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := twins(t)
			const things, messages = 20, 50
			for i := range things {
				a.add(fmt.Sprint("T", i), "n:NUMBER")
			}
			link, w := start(t, LinkConfig{URLs: []string{a.url, b.url}, AppKey: key("right"), Bind: []string{"group"}, PingInterval: time.Second},
				WriterConfig{AzxExtension: true, ReplyTimeout: time.Second, MaxValues: 2})
			if err := link.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "both sockets are at the first", func() bool { return link.Health().At[a.url] == 2 })
			var accepted, pushes atomic.Int64
			a.with(func() {
				a.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
					if r.Target == alwayson.PushService && pushes.Add(1) == things*messages/8 { // most is still to come
						end(a)
					}
					return alwayson.Response{}, false, nil
				}
			})
			fill(t, w, things, messages, &accepted)
			eventually(t, "all is accepted", func() bool { return accepted.Load() == things*messages })
			eventually(t, "both sockets have moved", func() bool { return link.Health().At[b.url] == 2 })
			for i := range things {
				if problem := inOrder(a.valuesOf(fmt.Sprint("T", i)), messages, nil); problem != "" {
					t.Errorf("T%d: %s", i, problem)
				}
			}
			binders := 0
			for _, session := range b.server.Sessions() {
				if slices.Contains(session.Names(), "group") {
					binders++
				}
			}
			if binders != 1 {
				t.Errorf("%d sockets have bound the group at the second instance, want one", binders)
			}
		})
	}
}

func TestAPlatformThatIsDownAtTheStartIsFoundWhenItComes(t *testing.T) {
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	if err := reserved.Close(); err != nil {
		t.Fatal(err)
	}
	dead := "ws://" + address + alwayson.Path
	link, w := start(t, LinkConfig{URLs: []string{dead}, AppKey: key("right")}, WriterConfig{AzxExtension: true})
	eventually(t, "it says why", func() bool { return strings.Contains(hintOfLink(link.Health().Err), "is the platform running") })
	var accepted atomic.Int64
	fill(t, w, 3, 2, &accepted)
	s := serveAt(t, address, nil)
	for i := range 3 {
		s.add(fmt.Sprint("T", i), "n:NUMBER")
	}
	eventually(t, "what waited is written", func() bool { return accepted.Load() == 6 })
	for i := range 3 {
		if got := s.valuesOf(fmt.Sprint("T", i)); !slices.Equal(got, []float64{1, 2}) {
			t.Errorf("T%d has %v", i, got)
		}
	}
}

func TestASignInTakesAnyInstance(t *testing.T) {
	a, b := twins(t)
	_ = a.server.Close()
	if err := SignIn(t.Context(), LinkConfig{URLs: []string{a.url, b.url}, AppKey: key("right")}); err != nil {
		t.Errorf("with one of two down: %v", err)
	}
	err := SignIn(t.Context(), LinkConfig{URLs: []string{a.url, b.url}, AppKey: key("wrong")})
	if err == nil || !alwayson.IsCredentialRefused(err) || !strings.Contains(err.Error(), a.url) {
		t.Errorf("with a wrong key: %v, want both reasons", err)
	}
}
