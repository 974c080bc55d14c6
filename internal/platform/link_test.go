package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
	"azx/internal/message"
)

// served is a fake platform behind a real server on loopback.
type served struct {
	*fakePlatform
	server *alwayson.Server
	url    string
	key    atomic.Pointer[string] // the application key that is accepted
	bound  chan string
	hang   atomic.Bool // requests are not answered
}

func serve(tb testing.TB, request func(context.Context, *alwayson.Session, alwayson.Request) alwayson.Response) *served {
	tb.Helper()
	return serveAt(tb, "127.0.0.1:0", request)
}

func serveAt(tb testing.TB, address string, request func(context.Context, *alwayson.Session, alwayson.Request) alwayson.Response) *served {
	tb.Helper()
	s := &served{fakePlatform: newFakePlatform(), bound: make(chan string, 16)}
	right := "right"
	s.key.Store(&right)
	if request == nil {
		request = s.call
	}
	var err error
	s.server, err = alwayson.NewServer(alwayson.ServerConfig{
		Authenticate: func(_ context.Context, c alwayson.Credentials) (any, error) {
			if c.AppKey() != *s.key.Load() {
				return nil, &alwayson.Error{Code: alwayson.Unauthorized, Reason: "Invalid credentials"}
			}
			return "connector", nil
		},
		Bound: func(_ context.Context, _ *alwayson.Session, b alwayson.Binding) {
			for _, name := range b.Names {
				s.bound <- name
			}
		},
		Request: request,
	})
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	s.url = "ws://" + listener.Addr().String() + alwayson.Path
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.server.Serve(listener)
	}()
	tb.Cleanup(func() {
		_ = s.server.Close()
		<-ended
	})
	return s
}

// call answers a request as it came over the wire, parameters decoded.
func (s *served) call(ctx context.Context, _ *alwayson.Session, r alwayson.Request) alwayson.Response {
	if s.hang.Load() {
		<-ctx.Done()
	}
	resp, err := s.fakePlatform.Call(ctx, r)
	if err != nil {
		return alwayson.Refuse(alwayson.ServiceUnavailable, err.Error())
	}
	return resp
}

// start runs a Link and a Writer over it, until the test ends.
func start(tb testing.TB, link LinkConfig, writer WriterConfig) (*Link, *Writer) {
	tb.Helper()
	var w *Writer
	link.Forget = func(thing string) { w.Forget(thing) }
	l, err := NewLink(link)
	if err != nil {
		tb.Fatal(err)
	}
	writer.Sockets = l.Sockets()
	if w, err = NewWriter(writer); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- l.Run(ctx) }()
	go func() { ended <- w.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				tb.Errorf("Run ended with %v", err)
			}
		}
	})
	return l, w
}

func key(text string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, nil }
}

// eventually polls until ok, for 10 seconds at most.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			tb.Fatalf("after 30 s not: %s", what)
		}
	}
}

func TestMessagesReachAServerInOrderThoughConnectionsEnd(t *testing.T) {
	s := serve(t, nil)
	link, w := start(t, LinkConfig{URLs: []string{s.url}, AppKey: key("right"), Bind: []string{"azx-1"}},
		WriterConfig{AzxExtension: true, ReplyTimeout: 10 * time.Second})
	if err := link.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name := <-s.bound; name != "azx-1" {
		t.Errorf("%q was bound, want azx-1", name)
	}
	eventually(t, "both sockets are connected", func() bool { h := link.Health(); return h.Ready() && h.Sockets == 2 && h.Err == nil })
	const things, messages = 20, 50
	var accepted atomic.Int64
	for i := range things {
		s.add(fmt.Sprint("T", i), "n:NUMBER")
	}
	for n := 1; n <= messages; n++ {
		for i := range things {
			w.Write(&delivery.Queued{Telemetry: telemetryOf(t, fmt.Sprint("T", i), n), Settle: func(o delivery.Outcome) {
				if o.Kind == delivery.Accepted {
					accepted.Add(1)
				}
			}})
		}
		if n%20 == 0 {
			for _, session := range s.server.Sessions() {
				session.Close()
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := w.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if got := accepted.Load(); got != things*messages {
		t.Errorf("%d messages were accepted, want %d", got, things*messages)
	}
	for i := range things {
		if problem := inOrder(s.valuesOf(fmt.Sprint("T", i)), messages, nil); problem != "" {
			t.Errorf("T%d: %s", i, problem)
		}
	}
}

func telemetryOf(tb testing.TB, thing string, n int) message.Telemetry {
	tb.Helper()
	m := &message.Message{Hub: "Hub", DeviceID: thing, Sequence: int64(n), Body: fmt.Appendf(nil, `{"n":%d}`, n)}
	return message.Telemetry{Message: m, Thing: thing, Time: int64(n)}
}

func TestAfterATimeOutTheRequestTravelsOverANewConnection(t *testing.T) {
	var mu sync.Mutex
	var sessions []uint32 // that carried the push
	platform := newFakePlatform()
	platform.add("Pump", "n:NUMBER")
	s := serve(t, func(ctx context.Context, session *alwayson.Session, r alwayson.Request) alwayson.Response {
		if r.Target != alwayson.PushService {
			return platform.answer(r)
		}
		mu.Lock()
		sessions = append(sessions, session.ID())
		first := len(sessions) == 1
		mu.Unlock()
		if first {
			<-session.Done() // the Writer has to close it
		}
		return platform.answer(r)
	})
	_, w := start(t, LinkConfig{URLs: []string{s.url}, AppKey: key("right")}, WriterConfig{AzxExtension: true, ReplyTimeout: 100 * time.Millisecond})
	r := &result{}
	w.Write(&delivery.Queued{Telemetry: telemetryOf(t, "Pump", 1), Settle: r.settle})
	eventually(t, "the message is accepted", func() bool { return r.String() == "accepted" })
	mu.Lock()
	defer mu.Unlock()
	if len(sessions) != 2 || sessions[0] == sessions[1] {
		t.Errorf("the push travelled over the sessions %v, want two different ones", sessions)
	}
}

func TestTheLinkTellsThatTheKeyIsRefused(t *testing.T) {
	s := serve(t, nil)
	link, _ := start(t, LinkConfig{URLs: []string{s.url}, AppKey: key("wrong")}, WriterConfig{})
	eventually(t, "health tells the refusal", func() bool { return link.Health().CredentialRefused })
	h := link.Health()
	if h.Ready() || h.Connected != 0 || !alwayson.IsCredentialRefused(h.Err) || strings.Contains(h.Err.Error(), "wrong") {
		t.Errorf("got health %+v", h)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := link.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait returned %v", err)
	}
}

func TestThePlatformsNotificationReachesTheTables(t *testing.T) {
	s := serve(t, nil)
	pump := s.add("Pump", "n:NUMBER")
	link, w := start(t, LinkConfig{URLs: []string{s.url}, AppKey: key("right"), Bind: []string{"Pump"}}, WriterConfig{AzxExtension: true})
	if err := link.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-s.bound
	write := func(body string) {
		m := &message.Message{Hub: "Hub", DeviceID: "Pump", Body: []byte(body)}
		w.Write(&delivery.Queued{Telemetry: message.Telemetry{Message: m, Thing: "Pump"}, Settle: func(delivery.Outcome) {}})
		if err := w.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"n":1,"new":1}`)
	s.with(func() { pump.properties["new"] = pump.properties["n"] })
	for _, session := range s.server.Sessions() {
		if session.IsBound("Pump") {
			if resp, err := session.Call(t.Context(), alwayson.CallService("Pump", notifyService, nil)); err != nil || resp.Code != alwayson.Success {
				t.Fatalf("NotifyPropertyUpdate: %v, %v", resp, err)
			}
		}
	}
	write(`{"n":2,"new":2}`)
	if got := strings.Join(s.calls("push"), "; "); got != "push Pump n=1; push Pump n=2 new=2" {
		t.Errorf("got %q", got)
	}
}

func TestALinkNeedsAURL(t *testing.T) {
	for name, cfg := range map[string]LinkConfig{
		"no URL":  {AppKey: noKey},
		"bad URL": {AppKey: noKey, URLs: []string{"http://127.0.0.1"}},
	} {
		if _, err := NewLink(cfg); err == nil || !strings.HasPrefix(err.Error(), "set up platform link: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
