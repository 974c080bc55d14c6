package badinput

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/delivery"
)

// connector is a connector that runs in this process.
type connector struct {
	log    *book
	admin  string // host:port of its pages
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // why it ended; read after ended

	mu      sync.Mutex
	account func() delivery.Counts // nil until it is ready
}

// run starts a connector; its end, at the latest with the test, is waited for.
func (s *site) run(cfg *config.Config) *connector {
	s.t.Helper()
	return runConnector(s.t, cfg, s.log)
}

func runConnector(t testing.TB, cfg *config.Config, log *book) *connector {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &connector{log: log, admin: cfg.Admin.Listen, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.err = app.Run(ctx, app.Options{Config: cfg, Log: log.Logger, Ready: c.ready})
	}()
	t.Cleanup(func() {
		c.cancel()
		<-c.ended
	})
	return c
}

func (c *connector) ready(r app.Running) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account = r.Account
}

// counts is the connector's account; false until messages can flow.
func (c *connector) counts() (delivery.Counts, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.account == nil {
		return delivery.Counts{}, false
	}
	return c.account(), true
}

// untilReady waits until messages can flow.
func (c *connector) untilReady(t testing.TB) {
	t.Helper()
	eventually(t, "messages can flow", func() error {
		if _, ok := c.counts(); !ok {
			return errors.New("not ready")
		}
		return nil
	})
}

// untilSettled waits until so many messages were received and each came to its end.
func (c *connector) untilSettled(t testing.TB, received int64) delivery.Counts {
	t.Helper()
	var n delivery.Counts
	eventually(t, fmt.Sprintf("%d messages have ended", received), func() error {
		n, _ = c.counts()
		if n.Received != received || n.InFlight != 0 {
			return fmt.Errorf("counts %+v", n)
		}
		return nil
	})
	return n
}

// stop ends the connector in good order.
func (c *connector) stop(t testing.TB) {
	t.Helper()
	c.cancel()
	<-c.ended
	if c.err != nil {
		t.Errorf("the connector ended with %v", c.err)
	}
}

// page reads one of the connector's pages.
func (c *connector) page(t testing.TB, path string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+c.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if told := c.log.betrayedBy(string(body)); len(told) > 0 {
		t.Errorf("%s has %v", path, told)
	}
	return answer.StatusCode, string(body)
}

// untilPage waits until a page has a status and all of the parts.
func (c *connector) untilPage(t testing.TB, path string, status int, parts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is %d with %q", path, status, parts), func() error {
		got, text := c.page(t, path)
		if got != status || !has(text, parts...) {
			return fmt.Errorf("%d: %s", got, strings.TrimSpace(text))
		}
		return nil
	})
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
