package alwayson

import (
	"context"
	"log/slog"
	"sync"
	"time"

	wire "azx/alwayson"
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
