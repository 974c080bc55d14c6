package alwayson

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "0d9a8b7c-0000-4000-8000-00000000beef"

// pipeListener hands out in-memory connections, so that a test can run under a fake clock.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	wrap   func(net.Conn) net.Conn // the client's end; nil for none
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		if l.wrap != nil {
			return l.wrap(near), nil
		}
		return near, nil
	case <-l.closed:
		return nil, errors.New("nobody listens")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// authenticateTestKey accepts only testKey.
func authenticateTestKey(_ context.Context, c Credentials) (any, error) {
	if c.AppKey() != testKey {
		return nil, &Error{Code: Unauthorized, Reason: "Invalid credentials"}
	}
	return "tester", nil
}

// startServer serves cfg on in-memory connections until the test ends. Authenticate defaults to authenticateTestKey.
func startServer(t testing.TB, cfg ServerConfig) (*Server, *pipeListener) {
	t.Helper()
	l := newPipeListener()
	return serveOn(t, cfg, l), l
}

func serveOn(t testing.TB, cfg ServerConfig, l net.Listener) *Server {
	t.Helper()
	if cfg.Authenticate == nil {
		cfg.Authenticate = authenticateTestKey
	}
	server, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return server
}

func dialConfig(l *pipeListener) DialConfig {
	return DialConfig{
		URL:     "ws://platform.test" + Path,
		NetDial: l.dial,
		AppKey:  func(context.Context) (string, error) { return testKey, nil },
	}
}

func dialTest(t testing.TB, cfg DialConfig) *Conn {
	t.Helper()
	conn, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return conn
}

// eventually polls until ok holds; it is for tests on real time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-tick.C
	}
}
