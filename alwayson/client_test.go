package alwayson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
)

// states records what a Client tells.
type states struct {
	mu  sync.Mutex
	all []State
}

func (s *states) add(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, state)
}

func (s *states) phases() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text strings.Builder
	for _, state := range s.all {
		fmt.Fprint(&text, state.Phase, " ")
	}
	return strings.TrimSpace(text.String())
}

// runClient runs a Client until the test ends.
func runClient(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- c.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-ran; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := c.Wait(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("wait after close: %v", err)
		}
	})
	return c
}

func TestAClientComesBackAndBindsAgainAfterALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := startServer(t, ServerConfig{Request: echo})
		var told states
		c := runClient(t, ClientConfig{Dial: dialConfig(l), Names: []string{"Pump-1"}, OnState: told.add})
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Bind(t.Context(), "Pump-2", "Pump-3"); err != nil {
			t.Fatal(err)
		}
		if err := c.Unbind(t.Context(), "Pump-3"); err != nil {
			t.Fatal(err)
		}
		before := server.Sessions()[0]
		before.Close()
		<-before.Done()
		synctest.Wait()
		if _, err := c.Call(t.Context(), callX(infotable.Number(1))); !errors.Is(err, ErrNotConnected) {
			t.Errorf("call without a connection: %v", err)
		}
		if s := c.State(); s.Phase != PhaseWaiting || !errors.Is(s.Err, ErrClosed) || s.Attempts != 1 {
			t.Errorf("state %+v", s)
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := server.Sessions()[0]
		if after == before || fmt.Sprint(after.Names()) != "[Pump-1 Pump-2]" {
			t.Errorf("names on the new session: %v", after.Names())
		}
		if r, err := c.Call(t.Context(), callX(infotable.Number(1))); err != nil || r.Err() != nil {
			t.Errorf("call: %v, %v", err, r.Err())
		}
		synctest.Wait() // Wait and OnState hear of a state in either order
		want := fmt.Sprint(PhaseConnecting, PhaseConnected, PhaseConnected, PhaseWaiting, PhaseConnecting, PhaseConnected)
		if got := told.phases(); got != want {
			t.Errorf("phases told %s, want %s", got, want)
		}
	})
}

func TestADroppedConnectionFailsItsCallsAndIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{Request: func(ctx context.Context, _ *Session, r Request) Response {
			if r.Target == "Wait" {
				<-ctx.Done()
			}
			return Done()
		}})
		c := runClient(t, ClientConfig{Dial: dialConfig(l)})
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		lost := make(chan error, 1)
		go func() {
			_, err := c.Call(context.Background(), CallService("Pump-1", "Wait", nil))
			lost <- err
		}()
		synctest.Wait()
		timeOut := errors.New("no answer in time")
		c.Drop(timeOut)
		if err := <-lost; !errors.Is(err, timeOut) || !errors.Is(err, ErrClosed) {
			t.Errorf("call in flight: %v", err)
		}
		synctest.Wait()
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Call(t.Context(), CallService("Pump-1", "Go", nil)); err != nil || r.Err() != nil {
			t.Errorf("call on the next connection: %v, %v", err, r.Err())
		}
	})
}

func TestARefusedKeyIsNotHammeredAndAReplacedOneIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		_, l := startServer(t, ServerConfig{Authenticate: func(ctx context.Context, c Credentials) (any, error) {
			attempts.Add(1)
			return authenticateTestKey(ctx, c)
		}})
		var key atomic.Value
		key.Store("old-key")
		cfg := dialConfig(l)
		cfg.AppKey = func(context.Context) (string, error) { return key.Load().(string), nil }
		c := runClient(t, ClientConfig{Dial: cfg})
		<-time.After(10 * time.Minute)
		if n := attempts.Load(); n < 5 || n > 25 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		if s := c.State(); s.Phase != PhaseRefused || !IsCredentialRefused(s.Err) {
			t.Errorf("state %+v", s)
		}
		key.Store(testKey)
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAReplacedKeyIsUsedAtOnceByRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		_, l := startServer(t, ServerConfig{Authenticate: func(ctx context.Context, c Credentials) (any, error) {
			attempts.Add(1)
			return authenticateTestKey(ctx, c)
		}})
		var key atomic.Value
		key.Store("old-key")
		cfg := dialConfig(l)
		cfg.AppKey = func(context.Context) (string, error) { return key.Load().(string), nil }
		c := runClient(t, ClientConfig{Dial: cfg})
		synctest.Wait()
		began := time.Now()
		key.Store(testKey)
		c.Retry()
		if err := c.Wait(t.Context()); err != nil || time.Since(began) > time.Second {
			t.Fatalf("connected after %s: %v", time.Since(began), err)
		}
		c.Retry() // is of no use any more, and is not kept for later
		key.Store("old-key")
		before := attempts.Load()
		c.Drop(nil)
		<-time.After(20 * time.Second)
		if n := attempts.Load() - before; n != 1 {
			t.Errorf("%d attempts within 20 s of the next refusal", n)
		}
	})
}

func TestAClientBacksOffFromAPlatformThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		cfg := DialConfig{
			URL:    "ws://platform.test",
			AppKey: func(context.Context) (string, error) { return testKey, nil },
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return nil, errors.New("connection refused")
			},
		}
		c := runClient(t, ClientConfig{Dial: cfg, URLs: []string{"ws://a.test", "ws://b.test"}})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		err := c.Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("wait: %v", err)
		}
		if n := dials.Load(); n < 2*20 || n > 2*60 {
			t.Errorf("%d dials of two URLs in ten minutes", n)
		}
	})
}

func TestAPlatformThatTakesAndDropsEachConnectionIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int32
		_, l := startServer(t, ServerConfig{
			Opened: func(*Session) { opened.Add(1) },
			Bound:  func(_ context.Context, s *Session, _ Binding) { s.Close() },
		})
		runClient(t, ClientConfig{Dial: dialConfig(l), Names: []string{"Pump-1"}})
		<-time.After(10 * time.Minute)
		if n := opened.Load(); n < 20 || n > 60 {
			t.Errorf("%d connections in ten minutes", n)
		}
	})
}

func TestAClientGoesOnWithoutTheNamesThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var binds atomic.Int32
		server, l := startServer(t, ServerConfig{Bind: func(_ context.Context, _ *Session, b Binding) error {
			binds.Add(1)
			for _, name := range b.Names {
				if strings.HasPrefix(name, "Bad") {
					return &Error{Code: NotFound, Reason: "Thing [" + name + "] not found"}
				}
			}
			return nil
		}})
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf("Good-%03d", i))
		}
		c := runClient(t, ClientConfig{Dial: dialConfig(l), Names: append(names, "Bad-1", "Bad-2"), BindGroup: 30})
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(server.Sessions()[0].Names()); got != 100 {
			t.Errorf("%d names bound", got)
		}
		if refused := c.State().Refused; len(refused) != 2 || refused["Bad-1"] == nil || refused["Bad-2"] == nil {
			t.Errorf("refused %v", refused)
		}
		if n := binds.Load(); n > 20 {
			t.Errorf("%d BINDs to find two bad names", n)
		}
		err := c.Bind(t.Context(), "Bad-3", "Good-x")
		var refusal *Error
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "Bad-3") || strings.Contains(err.Error(), "Good") {
			t.Errorf("bind: %v", err)
		}
		if refused := c.State().Refused; len(refused) != 3 {
			t.Errorf("refused %v", refused)
		}
	})
}

// forgetful is a platform that may lose a bind, and may refuse one that it has.
type forgetful struct {
	mu     sync.Mutex
	has    map[string]bool
	strict bool
	log    []string
}

func (f *forgetful) bind(_ context.Context, _ *Session, b Binding) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprint("bind ", b.Names))
	for _, name := range b.Names {
		if strings.HasPrefix(name, "Bad") || f.strict && f.has[name] {
			return &Error{Code: Forbidden, Reason: "Thing [" + name + "] is bound already"}
		}
	}
	for _, name := range b.Names {
		f.has[name] = true
	}
	return nil
}

func (f *forgetful) unbind(_ context.Context, _ *Session, b Binding) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprint("unbind ", b.Names))
	for _, name := range b.Names {
		delete(f.has, name)
	}
	return nil
}

func TestWhatThePlatformHasLostIsBoundAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		strict bool
		want   string
	}{
		"and what it still has stays bound meanwhile":                         {false, "[bind [Pump-1 Pump-2]]"},
		"also by a platform that refuses to bind once more what it still has": {true, "[bind [Pump-1 Pump-2] unbind [Pump-1 Pump-2] bind [Pump-1 Pump-2]]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				platform := &forgetful{has: map[string]bool{}, strict: tc.strict}
				_, l := startServer(t, ServerConfig{Bind: platform.bind, Unbind: platform.unbind})
				c := runClient(t, ClientConfig{Dial: dialConfig(l), Names: []string{"Bad-1", "Pump-1", "Pump-2"}})
				if err := c.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				delete(platform.has, "Pump-2")
				platform.log = nil
				if err := c.Rebind(t.Context()); err != nil {
					t.Error(err)
				}
				if got := fmt.Sprint(platform.log); got != tc.want || !platform.has["Pump-1"] || !platform.has["Pump-2"] {
					t.Errorf("the platform saw %s and has %v", got, platform.has)
				}
				if refused := c.State().Refused; len(refused) != 1 || refused["Bad-1"] == nil {
					t.Errorf("refused are %v", refused)
				}
			})
		})
	}
}

func TestWhatSomebodyElseHasBoundMeanwhileIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken atomic.Bool
		server, l := startServer(t, ServerConfig{Bind: func(_ context.Context, _ *Session, b Binding) error {
			if taken.Load() && slices.Contains(b.Names, "Pump-2") {
				return &Error{Code: Forbidden, Reason: "Thing [Pump-2] is bound already"}
			}
			return nil
		}})
		c := runClient(t, ClientConfig{Dial: dialConfig(l), Names: []string{"Pump-1", "Pump-2", "Pump-3"}})
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		taken.Store(true)
		if err := c.Rebind(t.Context()); err != nil {
			t.Error(err)
		}
		if refused := c.State().Refused; len(refused) != 1 || refused["Pump-2"] == nil {
			t.Errorf("refused are %v", refused)
		}
		if got := fmt.Sprint(server.Sessions()[0].Names()); got != "[Pump-1 Pump-3]" {
			t.Errorf("bound are %s", got)
		}
	})
}

func TestWithoutAConnectionNothingIsBoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{})
		c, err := NewClient(ClientConfig{Dial: dialConfig(l), Names: []string{"Pump-1"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Rebind(t.Context()); err != nil || fmt.Sprint(c.Names()) != "[Pump-1]" {
			t.Errorf("got %v, names %v", err, c.Names())
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{})
		c, err := NewClient(ClientConfig{Dial: dialConfig(l)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- c.Run(ctx) }()
		if err := c.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Errorf("run: %v", err)
		}
		if err := c.Run(t.Context()); err == nil {
			t.Error("a second Run was accepted")
		}
	})
}
