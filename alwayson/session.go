package alwayson

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// maxControls is how many AUTH, BIND and UNBIND of one client may wait for their turn.
const maxControls = 64

// Session is one client's connection, seen from the Server. Its methods may be used from many goroutines.
type Session struct {
	server *Server
	link   *link
	header string // application key of the upgrade
	remote string

	controls chan control // in the order of arrival, for the control loop
	opened   bool         // of the control loop: Opened was called

	mu        sync.Mutex
	principal any
	isAuth    bool
	names     map[string]struct{}
	stopped   bool
}

// control is an AUTH, BIND or UNBIND that waits for its turn.
type control struct {
	header  Header
	claims  []Pair
	binding Binding
}

func newSession(s *Server, chunkSize int, r *http.Request) *Session {
	session := &Session{
		server:   s,
		header:   r.Header.Get(appKeyName),
		remote:   r.RemoteAddr,
		controls: make(chan control, maxControls),
		names:    make(map[string]struct{}),
	}
	session.link = newLink(nil, true, chunkSize, s.cfg.Limits)
	session.link.tick, session.link.maxSilent = s.cfg.IdleTimeout/idleTicks, idleTicks
	session.link.accept = session.accept
	return session
}

// serve runs the session until it has ended, with all its goroutines.
func (s *Session) serve(socket net.Conn, early []byte) {
	s.mu.Lock()
	s.link.conn = socket
	stopped := s.stopped
	if !stopped {
		s.link.loops.Go(s.controlLoop)
		s.link.start(early)
	}
	s.mu.Unlock()
	if stopped {
		_ = socket.Close() // the server stops
		return
	}
	s.link.wait()
	told := s.server.cfg.Dropped
	if s.opened {
		told = s.server.cfg.Closed
	}
	if told != nil {
		told(s)
	}
}

// end says farewell and ends the session; it does not wait for its goroutines.
func (s *Session) end(code ws.StatusCode, err error) {
	s.mu.Lock()
	s.stopped = true
	running := s.link.conn != nil
	s.mu.Unlock()
	if running {
		s.link.leave(code, err)
	}
}

// accept takes a request of the client, in the reading loop.
func (s *Session) accept(h Header, body []byte) (err error) {
	c := control{header: h}
	switch {
	case h.Code == KeepAlive:
		return nil
	case h.Code == Auth:
		c.claims, err = DecodeAuth(body)
	case h.Code == Bind || h.Code == Unbind:
		c.binding, err = DecodeBinding(body)
	case h.Code.hasEntity():
		return s.request(h, body)
	default:
		s.link.answerNow(h, Refuse(BadRequest, h.Code.String()+" is not served here"))
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case s.controls <- c:
	default:
		s.link.answerNow(h, Refuse(ServiceUnavailable, "too many AUTH, BIND and UNBIND at once"))
	}
	return nil
}

func (s *Session) request(h Header, body []byte) error {
	if !s.authenticated() {
		s.link.answerNow(h, Refuse(Unauthorized, "authenticate first"))
		return nil
	}
	r, err := DecodeRequest(h.Code, body, s.link.limits.Tables)
	if err != nil {
		return err
	}
	serve := s.server.cfg.Request
	if serve == nil {
		s.link.answerNow(h, Refuse(NotFound, "nothing is served here"))
		return nil
	}
	s.link.handle(h, func(ctx context.Context) Response { return serve(ctx, s, r) })
	return nil
}

// controlLoop carries out AUTH, BIND and UNBIND one after the other, and ends a session that is not
// authenticated for too long.
func (s *Session) controlLoop() {
	late := time.NewTimer(s.server.cfg.AuthTimeout)
	defer late.Stop()
	for {
		select {
		case <-s.link.done:
			return
		case <-late.C:
			if !s.authenticated() {
				s.link.leave(ws.StatusPolicyViolation, fmt.Errorf("%w: not authenticated in time", ErrClosed))
				return
			}
		case c := <-s.controls:
			s.link.guard(func() { s.control(c) })
			if c.header.Code == Auth {
				late.Reset(s.server.cfg.AuthTimeout)
			}
		}
	}
}

func (s *Session) control(c control) {
	switch {
	case c.header.Code == Auth:
		s.link.answer(c.header, s.authenticate(c.claims))
	case s.authenticated():
		s.bind(c)
	default:
		s.link.answer(c.header, Refuse(Unauthorized, "authenticate first"))
	}
}

// authenticate judges claims. Whoever authenticates again gets a new session id, and loses its names if it was
// refused.
func (s *Session) authenticate(claims []Pair) Response {
	credentials := Credentials{Claims: claims, HeaderKey: s.header, RemoteAddr: s.remote}
	principal, err := s.server.cfg.Authenticate(s.link.ctx, credentials)
	s.mu.Lock()
	s.principal, s.isAuth = principal, err == nil
	s.mu.Unlock()
	if err != nil {
		s.link.session.Store(noID)
		s.unbindAll()
		return refusal(err, Unauthorized)
	}
	s.link.session.Store(newSessionID())
	if !s.opened {
		s.opened = true
		if s.server.cfg.Opened != nil {
			s.server.cfg.Opened(s)
		}
	}
	return Done()
}

func (s *Session) unbindAll() {
	names := s.Names()
	if len(names) == 0 {
		return
	}
	if unbind := s.server.cfg.Unbind; unbind != nil {
		_ = unbind(s.link.ctx, s, Binding{Names: names}) // nobody asked for it, so nobody is refused
	}
	s.change(false, names)
}

// newSessionID returns a random id that is neither zero nor "none". It is no secret: nothing is granted for it.
func newSessionID() uint32 { return 1 + rand.Uint32N(noID-1) }

// bind carries out a BIND or UNBIND and answers it.
func (s *Session) bind(c control) {
	cfg := &s.server.cfg
	ask, isBind := cfg.Unbind, c.header.Code == Bind
	if isBind {
		ask = cfg.Bind
		if s.countWith(c.binding.Names) > cfg.MaxNames {
			s.link.answer(c.header, Refuse(EntityTooLarge, fmt.Sprintf("more than %d names", cfg.MaxNames)))
			return
		}
	}
	if ask != nil {
		if err := ask(s.link.ctx, s, c.binding); err != nil {
			s.link.answer(c.header, refusal(err, InternalServerError))
			return
		}
	}
	s.change(isBind, c.binding.Names)
	s.link.answer(c.header, Done())
	if isBind && cfg.Bound != nil {
		s.link.spawn(func() { cfg.Bound(s.link.ctx, s, c.binding) })
	}
}

func (s *Session) countWith(names []string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := len(s.names)
	for _, name := range names {
		if _, bound := s.names[name]; !bound {
			count++
		}
	}
	return count
}

func (s *Session) change(add bool, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if add {
			s.names[name] = struct{}{}
		} else {
			delete(s.names, name)
		}
	}
}

// refusal turns a callback's error into an answer.
func refusal(err error, code Code) Response {
	var e *Error
	if errors.As(err, &e) {
		return Refuse(e.Code, e.Reason)
	}
	return Refuse(code, err.Error())
}

func (s *Session) authenticated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isAuth
}

// ID returns the session id of the last successful AUTH.
func (s *Session) ID() uint32 { return s.link.session.Load() }

// Principal returns what Authenticate returned, nil if the client is not authenticated.
func (s *Session) Principal() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.principal
}

// RemoteAddr returns the client's address.
func (s *Session) RemoteAddr() string { return s.remote }

// Names returns the bound names, sorted.
func (s *Session) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.names))
	for name := range s.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// IsBound reports whether the session bound name.
func (s *Session) IsBound(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, bound := s.names[name]
	return bound
}

// Call sends a request to the client and waits for its answer; see [Conn.Call]. Before the client is authenticated it
// fails with ErrNotConnected.
func (s *Session) Call(ctx context.Context, r Request) (Response, error) {
	if !s.authenticated() {
		return Response{}, fmt.Errorf("call client %s: it is not authenticated: %w", s.remote, ErrNotConnected)
	}
	return s.link.call(ctx, &r)
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.link.done }

// Err returns why the session ended, nil while it lives.
func (s *Session) Err() error { return s.link.reason() }

// Close ends the session with a WebSocket close. It waits at most a second for that to be written, but not for
// callbacks, so that these may call it.
func (s *Session) Close() { s.end(ws.StatusNormalClosure, fmt.Errorf("%w by the server", ErrClosed)) }
