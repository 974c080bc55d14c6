package alwayson

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	wire "azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// noticeTimeout is how long an edge may take to answer a notice: as long as the C SDK waits for an answer (read).
const noticeTimeout = 10 * time.Second

// noticeService is what tells an edge that the remote bindings of a Thing changed (captured).
const noticeService = "NotifyPropertyUpdate"

// edge is a session as the platform's core sees it. Notices that wait for their turn are sent once per Thing.
type edge struct {
	session *wire.Session
	log     *slog.Logger
	wake    chan struct{} // one entry: something waits

	mu      sync.Mutex
	waiting []string
	listed  map[string]bool
}

func newEdge(s *wire.Session, log *slog.Logger) *edge {
	return &edge{session: s, log: log, wake: make(chan struct{}, 1), listed: map[string]bool{}}
}

// String names the connection by the client's address.
func (e *edge) String() string { return "the connection from " + e.session.RemoteAddr() }

// Ask sends a request of the platform to the client.
func (e *edge) Ask(ctx context.Context, r thingworx.EdgeRequest) (*infotable.Table, error) {
	answer, err := e.session.Call(ctx, requestOf(r))
	switch {
	case errors.Is(err, wire.ErrNotConnected):
		return nil, thingworx.ErrNotSent
	case errors.Is(err, wire.ErrClosed):
		return nil, thingworx.ErrLost
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, thingworx.Refuse(thingworx.Failed, "%v", err) // the request or its answer is too large or malformed
	case !answer.Code.IsSuccess():
		return nil, thingworx.Refuse(kindOf(answer.Code), "the edge %v", answer.Err())
	default:
		return answer.Content, nil
	}
}

// kindOf classes what an edge answered. Whether a platform tells its callers apart what it heard is not known.
func kindOf(code wire.Code) thingworx.Kind {
	switch code {
	case wire.GatewayTimeout:
		return thingworx.TimedOut
	case wire.ServiceUnavailable:
		return thingworx.Unbound
	default:
		return thingworx.Failed
	}
}

// requestOf gives a request its wire form: GET or PUT of a property, POST of a service.
func requestOf(r thingworx.EdgeRequest) wire.Request {
	out := wire.Request{Code: wire.Post, Entity: wire.Thing, Name: r.Thing, Kind: wire.Service, Target: r.Name, Params: r.Params}
	switch r.Verb {
	case thingworx.EdgeRead:
		out.Code, out.Kind = wire.Get, wire.Property
	case thingworx.EdgeWrite:
		out.Code, out.Kind = wire.Put, wire.Property
	}
	return out
}

// NotifyPropertyUpdate queues a notice.
func (e *edge) NotifyPropertyUpdate(thing string) {
	e.mu.Lock()
	if !e.listed[thing] {
		e.listed[thing] = true
		e.waiting = append(e.waiting, thing)
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take returns the Things whose notices wait.
func (e *edge) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	things := e.waiting
	e.waiting = nil
	clear(e.listed)
	return things
}

// run sends notices until the session or ctx ends.
func (e *edge) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.session.Done():
			return nil
		case <-e.wake:
		}
		for _, thing := range e.take() {
			e.notify(ctx, thing)
		}
	}
}

func (e *edge) notify(ctx context.Context, thing string) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	answer, err := e.session.Call(ctx, wire.CallService(thing, noticeService, nil))
	if err == nil {
		err = answer.Err()
	}
	if err != nil { // an edge need not know the service
		e.log.Debug("edge did not take the notice", "thing", thing, "remote", e.session.RemoteAddr(), "reason", err)
	}
}
