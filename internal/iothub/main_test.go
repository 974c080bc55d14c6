package iothub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/internal/access"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testHost = "plant1.azure-devices.net"
	testKey  = "c29tZSBrZXkgZm9yIHRlc3Rz" // "some key for tests"
)

// certificate is one for the hub's name, made once; it is its own root.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{testHost}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
})

// pipes is a listener whose connections are in memory, so that time in a test may be synthetic.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu  sync.Mutex
	all []net.Conn
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	p.mu.Lock()
	p.all = append(p.all, near, far)
	p.mu.Unlock()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: io.ErrClosedPipe}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// cut ends all connections below TLS: to say goodbye there may wait for the other end, under a lock that others wait for,
// and then synthetic time stands still.
func (p *pipes) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		_ = c.Close()
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// used collects what a meter hears.
type used struct {
	mu  sync.Mutex
	all []Usage
}

func (u *used) Used(one Usage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, one)
}

func (u *used) last(t *testing.T) Usage {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.all) == 0 {
		t.Fatal("the meter heard of nothing")
	}
	return u.all[len(u.all)-1]
}

// trusting is a network that trusts the roots alone; nil are the system's.
func trusting(roots *x509.CertPool) *dial.Network {
	return &dial.Network{TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: roots}, nil }}
}

func options() Options {
	_, roots := certificate()
	return Options{Service: access.Service{Host: testHost, Policy: "service", Key: secret.New(testKey)}, Network: trusting(roots)}
}

// step is one answer of the scripted hub.
type step struct {
	status int
	header map[string]string
	body   string
	cut    bool // the connection instead of an answer
}

// seen is one request that the scripted hub got.
type seen struct {
	line, host, body string
	header           http.Header
	at               time.Time
}

// script is a hub that gives one answer after the other, the last one for ever.
type script struct {
	mu    sync.Mutex
	steps []step
	seen  []seen
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, seen{r.Method + " " + r.RequestURI, r.Host, string(body), r.Header, time.Now()})
	now := s.steps[min(len(s.seen), len(s.steps))-1]
	s.mu.Unlock()
	if now.cut {
		panic(http.ErrAbortHandler)
	}
	for name, value := range now.header {
		w.Header().Set(name, value)
	}
	if now.status != 0 {
		w.WriteHeader(now.status)
	}
	_, _ = io.WriteString(w, now.body)
}

func (s *script) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.seen...)
}

// scripted runs a test with a client of a hub in synthetic time; change may alter the client's options.
func scripted(t *testing.T, steps []step, change func(*Options), test func(t *testing.T, c *Client, s *script)) {
	t.Helper()
	certificate() // made outside of synthetic time
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: steps}
		pair, _ := certificate()
		listener := newPipes()
		server := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}}))
		}()
		o := options()
		if change != nil {
			change(&o)
		}
		o.Network.Dial = listener.dial
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, s)
		_ = listener.Close()
		listener.cut()
		c.Close()
		<-served
	})
}

// ok is the answer to a call whose answer does not matter.
var ok = []step{{status: 200, body: "{}"}}

func checkProblem(t *testing.T, err error, want error, class fault.Class) {
	t.Helper()
	if err == nil || want != nil && !isError(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if got := fault.ClassOf(err); got != class {
		t.Errorf("%v is %s, want %s", err, got, class)
	}
}
