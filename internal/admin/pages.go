package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"azx/internal/delivery"
)

// maxBody bounds what is read of a request's body, in bytes: no page needs one.
const maxBody = 1 << 10

// handler routes the pages. All but /reload and what is done with the quarantine are read-only, with no other method than GET
// and HEAD.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { answer(w, r, s.options.Live) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, r, s.options.Ready) })
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /tail", s.tail)
	mux.Handle("GET /metrics", s.options.Metrics)
	if s.options.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if s.options.Reload != nil {
		mux.HandleFunc("POST /reload", s.reload)
	}
	s.routeQuarantine(mux)
	return guard(mux)
}

// guard refuses names other than loopback ones in Host: a page from elsewhere whose name was made to
// point at 127.0.0.1 (DNS rebinding) sends its own name. It also sets what every answer has.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'")
		if !isLoopback(hostOf(r.Host)) {
			http.Error(w, "the Host header must be a loopback address or localhost", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// hostOf takes the port off a Host header.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	return strings.Trim(header, "[]")
}

func index(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "azx connector: /livez /readyz /readyz?verbose /status /metrics\n")
}

// answer runs checks: 200 when all pass, else 503 and what is missing, one a line. With ?verbose
// there is a line for every check.
func answer(w http.ResponseWriter, r *http.Request, checks []Check) {
	var b strings.Builder
	code, verbose := http.StatusOK, r.URL.Query().Has("verbose")
	for _, result := range run(checks) {
		if !result.OK {
			code = http.StatusServiceUnavailable
			fmt.Fprintf(&b, "%s: %s\n", result.Name, result.Reason)
		} else if verbose {
			fmt.Fprintf(&b, "%s: ok\n", result.Name)
		}
	}
	if code == http.StatusOK && !verbose {
		b.WriteString("ok\n")
	}
	plain(w, code, b.String())
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // the client went away: nobody is left to tell
}

// reload has the configuration read again. The header that it asks for is one that a page of elsewhere cannot make a
// browser send; what is read is the connector's own file, whoever asks.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Azx") != "reload" || r.Header.Get("Origin") != "" {
		http.Error(w, "ask with: azx reload", http.StatusForbidden)
		return
	}
	control, until := http.NewResponseController(w), time.Now().Add(reloadTimeout)
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until)); err != nil {
		http.Error(w, "cannot wait", http.StatusInternalServerError)
		return
	}
	came, err := s.options.Reload(r.Context())
	if err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(came) // the client went away: nobody is left to tell
}

// Result is one check as /status has it.
type Result struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // what is missing, when not OK
}

// run runs checks. A check that panics is not in order.
func run(checks []Check) []Result {
	results := make([]Result, len(checks))
	for i, check := range checks {
		results[i] = check.result()
	}
	return results
}

func (c Check) result() (r Result) {
	r.Name = c.Name
	defer func() {
		if p := recover(); p != nil {
			r.OK, r.Reason = false, "the check itself broke"
		}
	}()
	if err := c.Run(); err != nil {
		r.Reason = strings.ReplaceAll(err.Error(), "\n", " ")
		return r
	}
	r.OK = true
	return r
}

// Status is the body of /status.
type Status struct {
	Started time.Time `json:"started"` // UTC
	Live    []Result  `json:"live"`
	Ready   []Result  `json:"ready"`
	// Platform has the connections to each instance of the platform by its URL.
	Platform map[string]int `json:"platform"`
	// Hubs has the account of each partition by hub Thing and partition id.
	Hubs map[string]map[string]Account `json:"hubs"`
}

// Account is the account of a partition: received = delivered + quarantined + skipped + withdrawn + inFlight.
type Account struct {
	Received    int64 `json:"received"`
	Delivered   int64 `json:"delivered"`
	Quarantined int64 `json:"quarantined"`
	Skipped     int64 `json:"skipped"`
	Withdrawn   int64 `json:"withdrawn"` // left to the partition's next reader
	InFlight    int64 `json:"inFlight"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	status := Status{
		Started: s.started.UTC(),
		Live:    run(s.options.Live),
		Ready:   run(s.options.Ready),
		Hubs:    map[string]map[string]Account{},
	}
	if s.options.Platform != nil {
		status.Platform = s.options.Platform()
	}
	if s.options.Partitions != nil {
		for hub, partitions := range s.options.Partitions() {
			status.Hubs[hub] = accounts(partitions)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(status) // the client went away: nobody is left to tell
}

func accounts(partitions map[string]delivery.Counts) map[string]Account {
	accounts := make(map[string]Account, len(partitions))
	for partition, c := range partitions {
		accounts[partition] = Account(c)
	}
	return accounts
}
