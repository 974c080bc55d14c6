package rig

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"azx/internal/supervise"
)

// Hook sees a request before it is passed on, with its whole body. A status other than 0 is answered instead of the target.
type Hook func(r *http.Request, body []byte) (status int)

// Store stands in front of a server that speaks HTTP, such as one that keeps checkpoints: what is written there can be judged
// before it is, and refused.
type Store struct {
	URL string

	// around, unless it is nil, is called for each request that is passed on; pass does so and returns the status of the answer.
	around func(r *http.Request, pass func() (status int))

	mu   sync.Mutex
	hook Hook
}

// maxStored bounds a body.
const maxStored = 16 << 20

// StartStore passes requests on to a target, its base URL, until the test ends.
func StartStore(t testing.TB, target string, hook Hook) *Store {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{URL: "http://" + l.Addr().String(), hook: hook}
	// The name that the client asked for stays: it is part of what signatures are made of.
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, proxy)
	})}
	group := supervise.New(context.Background())
	group.Go("serve", func(context.Context) error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	t.Cleanup(func() {
		_ = server.Close()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Set replaces the hook; nil lets everything pass.
func (s *Store) Set(hook Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxStored))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		if status := hook(r, body); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if s.around == nil {
		next.ServeHTTP(w, r)
		return
	}
	s.around(r, func() int {
		answer := &answered{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		return answer.status
	})
}

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader is http.ResponseWriter's.
func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
