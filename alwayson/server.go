package alwayson

import (
	"context"
	"net"
	"net/http"
	"time"
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
	// Bind and Unbind are asked before names are added to or taken from the session. nil accepts all.
	Bind   func(ctx context.Context, s *Session, b Binding) error
	Unbind func(ctx context.Context, s *Session, b Binding) error
	// Bound is called after the success of a BIND was answered: the place to call the edge. May be nil.
	Bound func(ctx context.Context, s *Session, b Binding)
	// Request answers a request of an authenticated client; nil refuses all with NotFound.
	Request func(ctx context.Context, s *Session, r Request) Response
	// Opened and Closed are called when a session was authenticated first, and when it has ended. May be nil.
	Opened, Closed func(s *Session)
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

// Server is the platform's end: an http.Handler that upgrades requests to sessions.
type Server struct{}

// NewServer checks cfg and returns a Server.
func NewServer(cfg ServerConfig) (*Server, error) { return &Server{}, nil }

// ServeHTTP upgrades the request and serves its session until that ends. Mount it at Path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Serve accepts connections from l and serves AlwaysOn at Path, until Close. It closes l.
func (s *Server) Serve(l net.Listener) error { return nil }

// Sessions returns the authenticated sessions, in no order.
func (s *Server) Sessions() []*Session { return nil }

// Close ends all sessions with WebSocket code 1001 and waits for them and their callbacks. Later upgrades get
// HTTP status 503.
func (s *Server) Close() error { return nil }

// Session is one client's connection, seen from the Server. Its methods may be used from many goroutines.
type Session struct{}

// ID returns the session id of the last successful AUTH.
func (s *Session) ID() uint32 { return 0 }

// Principal returns what Authenticate returned.
func (s *Session) Principal() any { return nil }

// RemoteAddr returns the client's address.
func (s *Session) RemoteAddr() string { return "" }

// Names returns the bound names, sorted.
func (s *Session) Names() []string { return nil }

// IsBound reports whether the session bound name.
func (s *Session) IsBound(name string) bool { return false }

// Call sends a request to the client and waits for its answer; see [Conn.Call].
func (s *Session) Call(ctx context.Context, r Request) (Response, error) {
	return Response{}, ErrClosed
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return nil }

// Err returns why the session ended, nil while it lives.
func (s *Session) Err() error { return nil }

// Close ends the session with a WebSocket close. It does not wait.
func (s *Session) Close() {}
