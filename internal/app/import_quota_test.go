package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/access"
	"azx/internal/config"
	"azx/internal/devices"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/iothub"
	local "azx/internal/local/iothub"
	"azx/internal/local/iothub/https"
	"azx/internal/local/iothub/jobs"
	"azx/internal/mapping"
)

// pipes are a listener whose connections are pipes in memory: they do not keep synthetic time from passing.
type pipes struct {
	opened chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu  sync.Mutex
	all []net.Conn
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.opened:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	p.mu.Lock()
	p.all = append(p.all, here, there)
	p.mu.Unlock()
	select {
	case p.opened <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut ends all connections below TLS, whose farewell would wait for the other end under a lock: synthetic time stands still then.
func (p *pipes) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		_ = c.Close() // both ends are about to
	}
}

// quotaHub is the REST side of a local hub that keeps to the rates of one unit of S1.
type quotaHub struct {
	*local.Hub
	throttled atomic.Int64 // requests that were answered with 429
}

// withQuota runs a test in synthetic time, with a client of such a hub that has n devices.
func withQuota(t *testing.T, n int, test func(t *testing.T, hub *quotaHub, client *iothub.Client)) {
	synctest.Test(t, func(t *testing.T) {
		core, err := local.Open(local.Config{Host: "hub.example.com"}) // which the certificate is for
		if err != nil {
			t.Fatal(err)
		}
		hub := &quotaHub{Hub: core}
		hub.add(t, 0, n)
		core.SetLimits(local.Limits{Throttle: true})
		all, err := jobs.Open(core, "", true)
		if err != nil {
			t.Fatal(err)
		}
		handler := https.Handler(core, all)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(counting{w, &hub.throttled}, r)
		}))
		wire := &pipes{opened: make(chan net.Conn), closed: make(chan struct{})}
		_ = server.Listener.Close() // that of loopback
		server.Listener = wire
		server.StartTLS()
		defer server.Close()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		owner, _ := core.Policy("iothubowner")
		service, err := access.ParseService(fmt.Sprintf("HostName=%s;SharedAccessKeyName=iothubowner;SharedAccessKey=%s", core.Names().Host, owner.PrimaryKey))
		if err != nil {
			t.Fatal(err)
		}
		client, err := iothub.New(iothub.Options{Service: service, Network: &dial.Network{
			Dial: wire.dial, TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: roots}, nil },
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		defer wire.cut()
		test(t, hub, client)
	})
}

func (h *quotaHub) add(t *testing.T, from, to int) {
	t.Helper()
	specs := make([]local.Spec, 0, to-from)
	for k := from; k < to; k++ {
		specs = append(specs, local.Spec{ID: local.ID{Device: fmt.Sprintf("dev-%06d", k)}})
	}
	if _, err := h.Registry().Add(specs...); err != nil {
		t.Fatal(err)
	}
}

// counting counts the answers that are 429.
type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counting) WriteHeader(status int) {
	if status == http.StatusTooManyRequests {
		c.n.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}

// noThings is a platform without Things that takes no time.
type noThings struct{}

func (noThings) Find(context.Context, []string) (map[string]devices.Found, error) { return nil, nil }
func (noThings) Create(context.Context, devices.Thing) error                      { return nil }
func (noThings) Update(context.Context, devices.Thing) error                      { return nil }
func (noThings) Declare(context.Context, devices.Thing, []mapping.Property, bool) ([]mapping.Property, error) {
	return nil, nil
}
func (noThings) TemplateProperties(context.Context, string) (map[string]bool, error) { return nil, nil }

// importOf is an import as azx import makes it, and how long it says at the start that it takes.
func importOf(t *testing.T, client *iothub.Client, o ImportOptions) (i devices.Import, atLeast time.Duration) {
	t.Helper()
	file := &config.Hub{Thing: "Hub"}
	c := &carrier{hubSide: newHubSide(newConnector(Options{Config: &config.Config{}, Log: slog.New(slog.DiscardHandler)}), file), hub: file}
	o.Expected = func(_ int, d time.Duration) { atLeast = d }
	i = devices.Import{Hub: "Hub", Things: noThings{}, Told: o.Told}
	if _, err := c.queried(t.Context(), &i, client, o); err != nil {
		t.Fatal(err)
	}
	return i, atLeast
}

func TestAnImportKeepsToTheQuotaAndTakesWhatItSaysAtTheStart(t *testing.T) {
	const n = 20_000
	withQuota(t, n, func(t *testing.T, hub *quotaHub, client *iothub.Client) {
		i, atLeast := importOf(t, client, ImportOptions{})
		begun := time.Now()
		r, err := i.Run(t.Context())
		if err != nil || r.Created != n {
			t.Fatalf("%+v, %v", r.Counts, err)
		}
		if took := time.Since(begun); atLeast != 45*time.Second || took < atLeast || took > atLeast+atLeast/10 {
			t.Errorf("it said %s and took %s", atLeast, took)
		}
		if refused := hub.throttled.Load(); refused > 0 {
			t.Errorf("the hub has refused %d requests", refused)
		}
	})
}

func TestAnImportBesideAnotherBackEndIsRefusedAHandfulOfTimesAndGoesOn(t *testing.T) {
	const n = 20_000
	withQuota(t, n, func(t *testing.T, hub *quotaHub, client *iothub.Client) {
		for hub.Admit(local.OpQuery, 0) == nil { // it has used up the minute's queries, and some of each minute's later
		}
		i, atLeast := importOf(t, client, ImportOptions{Told: func(p devices.Progress) {
			if p.Done%5000 == 0 {
				_ = hub.Admit(local.OpQuery, 0)
			}
		}})
		begun := time.Now()
		r, err := i.Run(t.Context())
		if err != nil || r.Created != n {
			t.Fatalf("%+v, %v", r.Counts, err)
		}
		took, refused := time.Since(begun), hub.throttled.Load()
		t.Logf("%d refusals; it said %s at least and took %s", refused, atLeast, took)
		if refused == 0 || refused > 20 || took > 3*atLeast {
			t.Errorf("%d refusals in %s", refused, took)
		}
	})
}

func TestDevicesThatComeAndGoWhileAnImportReadsDoNotEndIt(t *testing.T) {
	const n = 5000
	withQuota(t, n, func(t *testing.T, hub *quotaHub, client *iothub.Client) {
		told := 0
		i, _ := importOf(t, client, ImportOptions{Told: func(devices.Progress) {
			if told++; told > 1 {
				return
			}
			for k := 900; k < n; k += 500 { // 900, which is in the page that is done, and 8 behind it
				id := local.ID{Device: fmt.Sprintf("dev-%06d", k)}
				if err := hub.Registry().Remove(id); err != nil {
					t.Error(err)
				}
			}
			hub.add(t, n, n+3)
		}})
		r, err := i.Run(t.Context())
		if err != nil || r.Failed != 0 || r.Created < n-8 || r.Created > n+3 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestAQueryThatIsWrongIsRefusedWithTheHubsReasonAndNotRepeated(t *testing.T) {
	withQuota(t, 1, func(t *testing.T, _ *quotaHub, client *iothub.Client) {
		i, _ := importOf(t, client, ImportOptions{Where: "deviceId ="})
		begun := time.Now()
		_, err := i.Run(t.Context())
		var p *fault.Problem
		if !errors.As(err, &p) || p.Class != fault.Rejected || !strings.Contains(err.Error(), "character") || time.Since(begun) > 0 {
			t.Errorf("got %v after %s", err, time.Since(begun))
		}
	})
}
