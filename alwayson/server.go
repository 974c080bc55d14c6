package alwayson

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// Credentials is what a client presents in AUTH. It holds secrets: never log it.
type Credentials struct {
	Claims     []Pair // of the AUTH message; usually one, "appKey"
	HeaderKey  string // the appKey header of the upgrade, "" if absent
	RemoteAddr string
}

// AppKey returns the claim "appKey", else the key of the upgrade's header.
func (c Credentials) AppKey() string {
	for _, claim := range c.Claims {
		if claim.Name == appKeyName {
			return claim.Value
		}
	}
	return c.HeaderKey
}

// ServerConfig configures a Server. Callbacks of one session: Authenticate, Bind and Unbind run one after the
// other, Request many at once; none of them delays the reading of messages. An *Error that they return decides
// code and reason of the answer; any other error answers InternalServerError with its text.
type ServerConfig struct {
	// Authenticate judges credentials and returns who it is, which [Session.Principal] gives back. Required.
	// A client may authenticate again at any time (captured).
	Authenticate func(ctx context.Context, c Credentials) (principal any, err error)
	// Bind and Unbind are asked before names are added to or taken from the session. nil accepts all. Unbind is also
	// told of all names when a client is refused in a later AUTH, but not when the session ends: see Closed.
	Bind   func(ctx context.Context, s *Session, b Binding) error
	Unbind func(ctx context.Context, s *Session, b Binding) error
	// Bound is called after the success of a BIND was answered: the place to call the edge. May be nil.
	Bound func(ctx context.Context, s *Session, b Binding)
	// Request answers a request of an authenticated client; nil refuses all with NotFound.
	Request func(ctx context.Context, s *Session, r Request) Response
	// Opened and Closed are called when a session was authenticated first, and when it has ended and all its callbacks
	// have returned; its names are then still told by [Session.Names]. May be nil.
	Opened, Closed func(s *Session)
	// Dropped is called instead of Closed when a socket has ended on which no AUTH succeeded: [Session.Err] says why.
	// May be nil.
	Dropped func(s *Session)
	// AuthTimeout is how long a socket may stay without authentication; default 15 s (read).
	AuthTimeout time.Duration
	// IdleTimeout is how long a client may send nothing, pings included; default 90 s. The C SDK pings each 55 s.
	IdleTimeout time.Duration
	// MaxSessions is how many sockets may be open at once; default 1024. More get HTTP status 503.
	MaxSessions int
	// MaxNames is how many names one session may bind; default 65,536.
	MaxNames int
	Limits   Limits
}

const (
	defaultAuthTimeout = 15 * time.Second
	defaultIdleTimeout = 90 * time.Second
	idleTicks          = 4 // how often a session looks at its idle time
	leastPeerFrame     = 64
)

// Server is the platform's end: an http.Handler that upgrades requests to sessions.
type Server struct {
	cfg ServerConfig

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{} // open sockets, authenticated or not
	https    map[*http.Server]struct{}
	open     sync.WaitGroup // sessions being served
}

// NewServer checks cfg and returns a Server.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Authenticate == nil {
		return nil, errors.New("new AlwaysOn server: ServerConfig.Authenticate is not set")
	}
	if cfg.AuthTimeout <= 0 {
		cfg.AuthTimeout = defaultAuthTimeout
	}
	if cfg.IdleTimeout <= 0 {
		cfg.IdleTimeout = defaultIdleTimeout
	}
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = 1024
	}
	if cfg.MaxNames <= 0 {
		cfg.MaxNames = 1 << 16
	}
	var err error
	if cfg.Limits, err = cfg.Limits.withDefaults(); err != nil {
		return nil, fmt.Errorf("new AlwaysOn server: %w", err)
	}
	return &Server{cfg: cfg, sessions: make(map[*Session]struct{}), https: make(map[*http.Server]struct{})}, nil
}

// ServeHTTP upgrades the request and serves its session until that ends. Mount it at Path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	chunkSize, err := s.chunkSize(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	session := newSession(s, chunkSize, r)
	if !s.enter(session) {
		http.Error(w, "no room for another session", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(session)
	// The upgrader writes the answer that the C SDK demands: "Connection: Upgrade" alone, and no extension.
	socket, buffered, _, err := ws.HTTPUpgrader{}.Upgrade(r, w)
	if err != nil {
		return // the upgrader has answered
	}
	var early []byte
	if buffered != nil {
		early, err = buffered.Reader.Peek(buffered.Reader.Buffered())
	}
	if err == nil {
		err = socket.SetDeadline(time.Time{}) // those of the HTTP server are no longer meant
	}
	if err != nil {
		_ = socket.Close() // it was of no use
		return
	}
	session.serve(socket, early)
}

// chunkSize returns the largest frame for this client: the smaller of its own limit and ours.
func (s *Server) chunkSize(r *http.Request) (int, error) {
	told := r.Header.Get("Max-Frame-Size")
	if told == "" {
		return min(s.cfg.Limits.MaxFrameSize, defaultFrameSize), nil
	}
	size, err := strconv.Atoi(told)
	if err != nil || size < leastPeerFrame {
		return 0, fmt.Errorf("Max-Frame-Size: want a number of bytes, at least %d", leastPeerFrame)
	}
	return min(s.cfg.Limits.MaxFrameSize, size), nil
}

func (s *Server) enter(session *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sessions) >= s.cfg.MaxSessions {
		return false
	}
	s.sessions[session] = struct{}{}
	s.open.Add(1)
	return true
}

func (s *Server) leave(session *Session) {
	s.mu.Lock()
	delete(s.sessions, session)
	s.mu.Unlock()
	s.open.Done()
}

// Serve accepts connections from l and serves AlwaysOn at Path, until Close. It closes l, and returns nil after Close.
func (s *Server) Serve(l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle(Path, s)
	// What the HTTP server would log is what strangers send; callers of the sessions learn of their own errors.
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: s.cfg.AuthTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.https[server] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		return l.Close()
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve AlwaysOn: %w", err)
	}
	return nil
}

// Sessions returns the authenticated sessions, in no order.
func (s *Server) Sessions() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Session
	for session := range s.sessions {
		if session.authenticated() {
			list = append(list, session)
		}
	}
	return list
}

// Close ends all sessions with WebSocket code 1001 and waits for them and their callbacks; a callback must not call
// it. Later upgrades get HTTP status 503.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for server := range s.https {
		errs = append(errs, server.Close())
	}
	var leaving sync.WaitGroup
	for session := range s.sessions {
		leaving.Go(func() { session.end(ws.StatusGoingAway, fmt.Errorf("%w: server stops", ErrClosed)) })
	}
	s.mu.Unlock()
	leaving.Wait()
	s.open.Wait()
	return errors.Join(errs...)
}
