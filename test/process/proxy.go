package process

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"azx/internal/supervise"
)

// ProxyOptions say what a Proxy lets through.
type ProxyOptions struct {
	User, Password string            // of Basic authentication; both "": anybody
	Names          map[string]string // host:port that a client may ask for, and the address behind; others are refused with 403
}

// Proxy is an HTTP proxy on loopback that makes tunnels by CONNECT, as those at the edge of a plant's network do. It is the
// only one who knows the names in its options, so that what gets to them went through it.
type Proxy struct {
	Address string // host:port

	options ProxyOptions
	group   *supervise.Group

	mu      sync.Mutex
	tunnels []string
	refused []string
	open    map[net.Conn]bool
	closed  bool
}

// StartProxy starts a proxy, which ends with the test.
func StartProxy(t testing.TB, o ProxyOptions) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), options: o, group: supervise.New(context.Background()), open: map[net.Conn]bool{}}
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.group.Go("serve", func(context.Context) error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	t.Cleanup(func() {
		_ = server.Close()
		p.end()
		if err := p.group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// URL is the proxy's with the credentials that it takes.
func (p *Proxy) URL() string {
	if p.options.User == "" {
		return "http://" + p.Address
	}
	return "http://" + p.options.User + ":" + p.options.Password + "@" + p.Address
}

// Tunnels are the targets that somebody got a tunnel to, sorted, each once.
func (p *Proxy) Tunnels() []string { return p.told(&p.tunnels) }

// Refused are the requests that were refused, sorted, each once: "Forbidden host:port".
func (p *Proxy) Refused() []string { return p.told(&p.refused) }

func (p *Proxy) told(list *[]string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(*list)))
}

// Cut ends all tunnels that are open.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		_ = conn.Close()
	}
}

func (p *Proxy) end() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
}

// ServeHTTP answers one CONNECT.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	behind, known := p.options.Names[r.Host]
	switch {
	case r.Method != http.MethodConnect:
		p.refuse(w, r, http.StatusMethodNotAllowed)
		return
	case !p.lets(r):
		w.Header().Set("Proxy-Authenticate", `Basic realm="plant"`)
		p.refuse(w, r, http.StatusProxyAuthRequired)
		return
	case !known:
		p.refuse(w, r, http.StatusForbidden)
		return
	}
	far, err := net.DialTimeout("tcp", behind, 5*time.Second)
	if err != nil {
		p.refuse(w, r, http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil || !p.tunnel(r.Host, near, far) {
		_, _ = near.Close(), far.Close()
	}
}

func (p *Proxy) lets(r *http.Request) bool {
	if p.options.User == "" {
		return true
	}
	pair := base64.StdEncoding.EncodeToString([]byte(p.options.User + ":" + p.options.Password))
	return r.Header.Get("Proxy-Authorization") == "Basic "+pair
}

func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, status int) {
	p.mu.Lock()
	p.refused = append(p.refused, http.StatusText(status)+" "+r.Host)
	p.mu.Unlock()
	w.WriteHeader(status)
}

// tunnel starts one; false if the proxy has ended.
func (p *Proxy) tunnel(target string, near, far net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.tunnels = append(p.tunnels, target)
	p.open[near], p.open[far] = true, true
	p.group.Go("out", func(context.Context) error { return p.carry(far, near) })
	p.group.Go("in", func(context.Context) error { return p.carry(near, far) })
	return true
}

// carry copies one way; the end of it is the end of both.
func (p *Proxy) carry(to, from net.Conn) error {
	_, _ = io.Copy(to, from) // how a tunnel ends is the business of its ends
	_, _ = to.Close(), from.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, to)
	delete(p.open, from)
	return nil
}
