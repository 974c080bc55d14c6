package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/delivery"
	"azx/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pass() error { return nil }

// serve runs a Server on a free port until the test ends.
func serve(t *testing.T, o Options) *Server {
	t.Helper()
	o.Listen, o.Log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	if o.Metrics == nil {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "azx_up 1\n") })
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

// ask sends one request and returns status and body.
func ask(t *testing.T, s *Server, method, path, host string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host, request.Close = host, true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestProfilesAreShownOnlyWhereTheyAreWanted(t *testing.T) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/profile?seconds=1", "/debug/pprof/symbol"} {
		if code, _ := ask(t, serve(t, Options{}), "GET", path, "localhost"); code != 404 {
			t.Errorf("%s without pprof: %d", path, code)
		}
		s := serve(t, Options{Pprof: true})
		if code, body := ask(t, s, "GET", path, "localhost"); code != 200 || body == "" {
			t.Errorf("%s: %d, %d bytes", path, code, len(body))
		}
		if code, _ := ask(t, s, "GET", path, "connector.example.com"); code != 403 {
			t.Errorf("%s for another host: %d", path, code)
		}
	}
}

func TestEveryPageAnswers(t *testing.T) {
	s := serve(t, Options{
		Live: []Check{{"loops turn", pass}},
		Ready: []Check{{"platform connected", pass}, {"hub connected", func() error { return errors.New("no answer\nfrom the hub") }},
			{"odd", func() error { panic("boom") }}},
	})
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/", 200, "azx connector: /livez /readyz /readyz?verbose /status /metrics\n"},
		{"/livez", 200, "ok\n"},
		{"/livez?verbose", 200, "loops turn: ok\n"},
		{"/readyz", 503, "hub connected: no answer from the hub\nodd: the check itself broke\n"},
		{"/readyz?verbose", 503, "platform connected: ok\nhub connected: no answer from the hub\nodd: the check itself broke\n"},
		{"/metrics", 200, "azx_up 1\n"},
		{"/elsewhere", 404, "404 page not found\n"},
	} {
		code, body := ask(t, s, "GET", c.path, "localhost")
		if code != c.code || body != c.body {
			t.Errorf("%s: got %d %q, want %d %q", c.path, code, body, c.code, c.body)
		}
	}
}

func TestStatusHasTheChecksAndTheAccounts(t *testing.T) {
	s := serve(t, Options{
		Live:  []Check{{"loops turn", pass}},
		Ready: []Check{{"hub connected", func() error { return errors.New("no") }}},
		Partitions: func() map[string]map[string]delivery.Counts {
			return map[string]map[string]delivery.Counts{"H": {"0": {Received: 10, Delivered: 4, Quarantined: 3, Skipped: 1, Withdrawn: 1, InFlight: 1}}}
		},
		Platform: func() map[string]int { return map[string]int{"ws://a": 2, "ws://b": 0} },
	})
	code, body := ask(t, s, "GET", "/status", "127.0.0.1")
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
		t.Fatalf("%d %v: %s", code, err, body)
	}
	if got.Hubs["H"]["0"] != (Account{10, 4, 3, 1, 1, 1}) || !got.Live[0].OK || got.Ready[0].OK || got.Ready[0].Reason != "no" {
		t.Errorf("got %+v", got)
	}
	if got.Platform["ws://a"] != 2 || len(got.Platform) != 2 {
		t.Errorf("connections %v", got.Platform)
	}
	if !strings.Contains(body, `"inFlight": 1`) || time.Since(got.Started) > time.Minute {
		t.Errorf("got %s", body)
	}
}

func TestOnlyLoopbackNamesAreServed(t *testing.T) {
	s := serve(t, Options{})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9464": 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "[::1]": 200, "[::1]:9464": 200,
		"evil.example.com": 403, "evil.example.com:9464": 403, "10.0.0.1": 403, "localhost.evil.example.com": 403,
		"127.0.0.1.evil.example.com": 403, "0.0.0.0": 403,
	} {
		if code, _ := ask(t, s, "GET", "/livez", host); code != want {
			t.Errorf("Host %s: got %d, want %d", host, code, want)
		}
	}
}

func TestNothingCanBeChangedFromOutside(t *testing.T) {
	s := serve(t, Options{})
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		for _, path := range []string{"/", "/livez", "/readyz", "/status", "/metrics"} {
			if code, _ := ask(t, s, method, path, "localhost"); code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, code)
			}
		}
	}
	if code, _ := ask(t, s, "HEAD", "/livez", "localhost"); code != 200 {
		t.Errorf("HEAD /livez: %d", code)
	}
}

func TestAHugeHeaderIsRefused(t *testing.T) {
	s := serve(t, Options{})
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	header := "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n"
	if _, err := io.WriteString(conn, header); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s", answer.Status)
	}
}

func TestAddressesThatAreNotLoopbackAreRefused(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "10.1.2.3:0", "[::]:0", "example.com:0", "127.0.0.1", ""} {
		s, err := Listen(Options{Listen: address})
		if err == nil {
			s.listener.Close()
			t.Errorf("%q is accepted", address)
		} else if fault.HintOf(err) == "" || fault.ClassOf(err) != fault.Fatal {
			t.Errorf("%q: %v, class %v, hint %q", address, err, fault.ClassOf(err), fault.HintOf(err))
		}
	}
}

func TestABusyPortIsAnErrorWithAHint(t *testing.T) {
	s := serve(t, Options{})
	if _, err := Listen(Options{Listen: s.Addr()}); err == nil || !strings.Contains(fault.HintOf(err), "admin.listen") {
		t.Errorf("got %v", err)
	}
}

func TestAStopDoesNotWaitForAClientThatIsSilent(t *testing.T) {
	s, err := Listen(Options{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still running")
	}
}
