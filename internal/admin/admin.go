// Package admin serves the connector's own state over HTTP, on loopback only.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/supervise"
	"azx/internal/tail"
)

// Check is one thing that must be in order. Run returns nil when it is, else what is missing, for
// people and without secrets. It answers from memory, at once, and may be called from any goroutine.
type Check struct {
	Name string // short and stable: "platform connected"
	Run  func() error
}

// Options are what a Server shows and where.
type Options struct {
	Listen  string       // loopback host:port; port 0 takes a free one
	Log     *slog.Logger // required
	Metrics http.Handler // shown at /metrics; required

	// Tail hands out messages that pass at /tail, to who has TailKey; nil and "" for nobody.
	Tail    *tail.Tail
	TailKey string

	// Quarantine has the messages put aside, at /quarantine, for who has TailKey; nil: there is no such page.
	Quarantine Quarantine

	// Live checks that the process's own loops turn. It must not depend on other systems: a process
	// that is not live gets restarted, and that mends nothing elsewhere.
	Live []Check
	// Ready checks that messages can flow.
	Ready []Check
	// Pprof shows profiles of the process at /debug/pprof/.
	Pprof bool
	// Partitions gives the accounts by hub Thing and partition, for /status; may be nil.
	Partitions func() map[string]map[string]delivery.Counts
	// Platform gives the connections to each instance of the platform by its URL, for /status; may be nil.
	Platform func() map[string]int
	// Reload reads the configuration again and returns what came of it, which /reload answers as JSON; an error says that
	// it cannot now. It may take long. nil: there is no such page.
	Reload func(ctx context.Context) (any, error)
}

// Limits of the surface: it serves a few curls and one scraper.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 30 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeader      = 16 << 10
	stopTimeout    = 2 * time.Second
	profileTimeout = 2 * time.Minute // of an answer while profiles are shown: one takes as long as it is asked to
	reloadTimeout  = 2 * time.Minute
)

// Server is the admin surface, listening. Listen makes one.
type Server struct {
	options  Options
	listener net.Listener
	started  time.Time
}

// Listen takes the address, so that a busy port is known before anything else starts. An address
// that is not loopback is refused.
func Listen(o Options) (*Server, error) {
	if err := loopback(o.Listen); err != nil {
		return nil, &fault.Problem{Op: "listen for admin on " + o.Listen, Class: fault.Fatal, Cause: err,
			Hint: "set admin.listen to 127.0.0.1:9464; the surface has no sign-in"}
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, &fault.Problem{Op: "listen for admin", Class: fault.Fatal, Cause: err,
			Hint: "is another azx running? set admin.listen to another port, or to 127.0.0.1:0 for any"}
	}
	return &Server{options: o, listener: listener, started: time.Now()}, nil
}

func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if !isLoopback(host) {
		return errors.New("not a loopback address")
	}
	return nil
}

// isLoopback takes addresses by their number and names only if it is "localhost": a name server may
// give any other name any address.
func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Addr is the address it listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then lets requests in progress end for a moment. All its goroutines have
// ended when it returns. It returns nil after ctx ended. Call it once.
func (s *Server) Run(ctx context.Context) error {
	answer := requestTimeout
	if s.options.Pprof {
		answer = profileTimeout
	}
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answer,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // streams end when the connector does
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
	group := supervise.New(ctx)
	group.Go("serve admin", func(context.Context) error {
		if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go("stop admin", func(ctx context.Context) error {
		<-ctx.Done()
		return stop(server)
	})
	return group.Wait()
}

// stop waits a moment for requests in progress, then cuts them off.
func stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if server.Shutdown(ctx) == nil {
		return nil
	}
	if err := server.Close(); err != nil {
		return fmt.Errorf("close admin: %w", err)
	}
	return nil
}
