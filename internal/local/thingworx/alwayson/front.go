// Package alwayson is the platform's AlwaysOn front: it serves the protocol of the public package of that name for
// the Things of a platform.
//
// AUTH takes an application key. BIND makes a connection stand for RemoteThings or routing groups, all names or none.
// After a BIND, and when remote bindings of a bound Thing change, the edge gets NotifyPropertyUpdate (captured). GET, PUT
// and POST reach properties, services and events of Things, and services of templates, Resources and Subsystems. The other way, an
// edge gets GET and PUT of remote-bound properties and POST of bound services of the Things that it stands for, by the
// edge's names.
package alwayson

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	wire "azx/alwayson"
	"azx/internal/local/thingworx"
	"azx/internal/supervise"
)

// via names this front in the list of refusals.
const via = "alwayson"

// Front serves AlwaysOn. Mount it at the public package's Path, and Close it after the HTTP server was told to stop.
type Front struct {
	platform *thingworx.Platform
	log      *slog.Logger
	server   *wire.Server
	group    *supervise.Group

	mu    sync.Mutex
	edges map[*wire.Session]*edge
}

// New returns a Front for a platform. log may be nil. The connections end at Close, or when ctx ends.
func New(ctx context.Context, p *thingworx.Platform, log *slog.Logger) (*Front, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Front{platform: p, log: log, group: supervise.New(ctx), edges: map[*wire.Session]*edge{}}
	var err error
	f.server, err = wire.NewServer(wire.ServerConfig{
		Authenticate: f.authenticate, Bind: f.bind, Unbind: f.unbind, Bound: f.bound,
		Request: f.request, Opened: f.opened, Closed: f.closed, Dropped: f.dropped,
	})
	return f, err
}

// ServeHTTP serves one connection until it ends.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.server.ServeHTTP(w, r) }

// Close ends all connections and waits for them.
func (f *Front) Close() error {
	err := f.server.Close()
	f.group.Stop()
	return errors.Join(err, f.group.Wait())
}

func (f *Front) authenticate(_ context.Context, c wire.Credentials) (any, error) {
	user, err := f.platform.User(c.AppKey())
	if err != nil {
		f.platform.Refused(thingworx.Caller{Via: via}, "AUTH from "+c.RemoteAddr, err)
		return nil, refusal(err)
	}
	return user, nil
}

// opened gives a new session its edge, whose goroutine ends with the session.
func (f *Front) opened(s *wire.Session) {
	e := newEdge(s, f.log)
	f.mu.Lock()
	f.edges[s] = e
	f.mu.Unlock()
	f.group.Go("notices to "+s.RemoteAddr(), e.run)
	f.log.Info("connected", "remote", s.RemoteAddr(), "user", s.Principal())
}

func (f *Front) closed(s *wire.Session) {
	f.mu.Lock()
	e := f.edges[s]
	delete(f.edges, s)
	f.mu.Unlock()
	if e != nil {
		f.platform.UnbindAll(e)
	}
	f.log.Info("disconnected", "remote", s.RemoteAddr(), "reason", s.Err())
}

// dropped tells of a connection that no edge came of.
func (f *Front) dropped(s *wire.Session) {
	f.log.Info("disconnected", "remote", s.RemoteAddr(), "user", "none, no AUTH succeeded", "reason", s.Err())
}

func (f *Front) edge(s *wire.Session) *edge {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.edges[s]
}

func (f *Front) bind(ctx context.Context, s *wire.Session, b wire.Binding) error {
	if err := f.platform.Bind(thingworx.WithCaller(ctx, caller(s)), f.edge(s), b.Names); err != nil {
		f.platform.Refused(caller(s), "BIND from "+s.RemoteAddr(), err)
		return refusal(err)
	}
	return nil
}

func (f *Front) unbind(_ context.Context, s *wire.Session, b wire.Binding) error {
	f.platform.Unbind(f.edge(s), b.Names)
	return nil
}

func (f *Front) bound(_ context.Context, s *wire.Session, b wire.Binding) {
	e := f.edge(s)
	for _, name := range b.Names {
		for _, thing := range f.platform.BoundBy(name) {
			e.NotifyPropertyUpdate(thing)
		}
	}
}

func caller(s *wire.Session) thingworx.Caller {
	user, _ := s.Principal().(string)
	return thingworx.Caller{User: user, Via: via}
}

// refusal gives an error the code that AlwaysOn has for it.
func refusal(err error) *wire.Error {
	kind, known := thingworx.KindOf(err)
	code := wire.InternalServerError
	if known {
		code = codes[kind]
	}
	return &wire.Error{Code: code, Reason: err.Error()}
}

// codes by thingworx.Kind.
var codes = [...]wire.Code{
	thingworx.Invalid:     wire.BadRequest,
	thingworx.NotFound:    wire.NotFound,
	thingworx.Exists:      wire.Forbidden,
	thingworx.Forbidden:   wire.Forbidden,
	thingworx.Unsupported: wire.NotImplemented,
	thingworx.Denied:      wire.Unauthorized,
	thingworx.Unbound:     wire.ServiceUnavailable,
	thingworx.TimedOut:    wire.GatewayTimeout,
	thingworx.Failed:      wire.BadGateway,

	thingworx.NotAcceptable: wire.NotAcceptable,
}
