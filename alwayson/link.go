package alwayson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// closeGrace is how long a farewell may take to reach the socket.
const closeGrace = time.Second

// link is what both ends of a connection share: three loops (read, write, keep), the requests that wait for an
// answer, and the handlers of the peer's requests. It ends once, with one error, and wait returns when
// everything it started has ended.
type link struct {
	conn   net.Conn
	server bool
	limits Limits
	out    *outbox
	calls  pending

	endpoint atomic.Uint32
	session  atomic.Uint32

	// accept takes a request in the reading loop. It must not block; an error that wraps
	// infotable.ErrTruncated means that the body was cut short.
	accept func(h Header, body []byte) error

	tick      time.Duration // of the keeping loop
	maxSilent int           // ticks without a sign of life, before the peer counts as gone
	pings     bool          // this side pings: a sign of life is an answer, else it is any byte
	heard     atomic.Bool   // a sign of life since the last tick

	ctx      context.Context // of the handlers
	cancel   context.CancelCauseFunc
	loops    sync.WaitGroup
	handlers sync.WaitGroup
	running  atomic.Int32 // handlers

	in inbound

	cause   atomic.Pointer[error] // why it is about to end, while a farewell is being written
	ending  atomic.Bool
	flushed chan struct{} // closed when the writing loop has ended
	done    chan struct{} // closed when the link has ended
	err     error         // why; read after done
}

// newLink prepares a link whose frames to the peer hold at most chunkSize bytes.
func newLink(conn net.Conn, server bool, chunkSize int, limits Limits) *link {
	l := &link{
		conn:    conn,
		server:  server,
		limits:  limits,
		out:     newOutbox(!server, chunkSize, limits),
		flushed: make(chan struct{}),
		done:    make(chan struct{}),
	}
	l.in.joiner.maxMessage = limits.MaxMessageSize
	l.session.Store(noID)
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// start runs the loops. early is what had come from the peer after the upgrade.
func (l *link) start(early []byte) {
	l.loops.Go(func() { l.fail(l.readLoop(early)) })
	l.loops.Go(func() {
		defer close(l.flushed)
		l.fail(l.writeLoop())
	})
	l.loops.Go(l.keepLoop)
}

// fail ends the link at once: it closes the socket, fails the calls in flight and cancels the handlers. Only the
// first error counts, or else that of the farewell under way. A nil err does nothing.
func (l *link) fail(err error) {
	if err == nil || !l.ending.CompareAndSwap(false, true) {
		return
	}
	if cause := l.cause.Load(); cause != nil {
		err = *cause
	}
	if !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	l.err = err
	l.cancel(err)
	l.out.close(err)
	// The cause is already known; what closing the socket might add is of no use to anyone.
	_ = l.conn.Close()
	close(l.done)
	l.calls.fail(err)
}

// leave says farewell and ends the link.
func (l *link) leave(code ws.StatusCode, err error) {
	l.farewell(code, err)
	l.fail(err)
}

// farewell sends a WebSocket close and gives it a moment to be written.
func (l *link) farewell(code ws.StatusCode, err error) {
	l.cause.CompareAndSwap(nil, &err)
	if l.out.control(ws.OpClose, ws.NewCloseFrameBody(code, closeText(err))) != nil {
		return
	}
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-l.flushed:
	case <-l.done:
	case <-timer.C:
	}
}

func closeText(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxControlPayload-2)], "")
}

// wait returns when the loops and handlers have ended.
func (l *link) wait() {
	l.loops.Wait()
	l.handlers.Wait()
}

// reason returns why the link ended, nil while it lives.
func (l *link) reason() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

func (l *link) header(code Code, request uint32) Header {
	return Header{Code: code, Request: request, Endpoint: l.endpoint.Load(), Session: l.session.Load()}
}

// call sends a request to an entity and waits for its answer.
func (l *link) call(ctx context.Context, r *Request) (Response, error) {
	if err := r.check(); err != nil {
		return Response{}, err
	}
	o, err := l.exchange(ctx, r.Code, r.entityPrefixSize(), func(dst []byte) []byte { return AppendRequest(dst, r) })
	if err != nil {
		return Response{}, fmt.Errorf("%s %s %q of %q: %w", r.Code, r.Kind, r.Target, r.Name, err)
	}
	return o.response, nil
}

// send sends a request to an entity without waiting for room; callback gets its answer.
func (l *link) send(r *Request, callback func(Response, error)) error {
	if err := r.check(); err != nil {
		return err
	}
	id, _, err := l.calls.add(callback)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	err = l.out.sendNow(l.header(r.Code, id), r.entityPrefixSize(), func(dst []byte) []byte { return AppendRequest(dst, r) })
	if err != nil && l.calls.withdraw(id) {
		if errors.Is(err, ErrClosed) {
			err = fmt.Errorf("%w: %w", ErrNotConnected, err)
		}
		return fmt.Errorf("%s %s %q of %q: %w", r.Code, r.Kind, r.Target, r.Name, err)
	}
	return nil
}

// exchange sends a request of any code and waits for its outcome.
func (l *link) exchange(ctx context.Context, code Code, prefix int, encode func(dst []byte) []byte) (outcome, error) {
	if ctx.Err() != nil {
		return outcome{}, context.Cause(ctx)
	}
	id, w, err := l.calls.add(nil)
	if err != nil {
		return outcome{}, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	if err = l.out.send(ctx, l.header(code, id), prefix, encode); err != nil {
		l.calls.abandon(id, w)
		if errors.Is(err, ErrClosed) {
			err = fmt.Errorf("%w: %w", ErrNotConnected, err)
		}
		return outcome{}, err
	}
	select {
	case o := <-w.done:
		l.calls.pool.Put(w)
		return o, o.err
	case <-ctx.Done():
		l.calls.abandon(id, w)
		return outcome{}, fmt.Errorf("wait for the answer: %w", context.Cause(ctx))
	}
}

// handle runs serve in a goroutine of its own and sends what it returns; over the limit it refuses.
func (l *link) handle(h Header, serve func(ctx context.Context) Response) {
	if int(l.running.Add(1)) > l.limits.MaxHandlers {
		l.running.Add(-1)
		l.answerNow(h, Refuse(ServiceUnavailable, "too many requests at once"))
		return
	}
	l.spawn(func() {
		defer l.running.Add(-1)
		l.answer(h, serve(l.ctx))
	})
}

// spawn runs a callback in a goroutine that wait waits for.
func (l *link) spawn(callback func()) {
	l.handlers.Go(func() { l.guard(callback) })
}

// guard runs a callback. Its panic ends this connection, with an error that says so, instead of the process.
func (l *link) guard(callback func()) {
	defer func() {
		if cause := recover(); cause != nil {
			l.fail(fmt.Errorf("callback panicked: %v\n%s", cause, debug.Stack()))
		}
	}()
	callback()
}

// answer sends a response and waits for room if there is none. One that cannot be sent becomes a refusal that can.
func (l *link) answer(h Header, r Response) {
	reply := l.header(r.Code, h.Request)
	reply.Endpoint = h.Endpoint
	err := l.out.send(l.ctx, reply, 0, func(dst []byte) []byte { return AppendResponse(dst, &r) })
	if errors.Is(err, ErrTooLarge) {
		l.answerNow(h, Refuse(InternalServerError, "the answer is too large"))
	}
}

// answerNow sends a short response without waiting; it is for the reading loop.
func (l *link) answerNow(h Header, r Response) {
	reply := l.header(r.Code, h.Request)
	reply.Endpoint = h.Endpoint
	if err := l.out.sendNow(reply, 0, func(dst []byte) []byte { return AppendResponse(dst, &r) }); errors.Is(err, ErrSlowPeer) {
		l.fail(err)
	}
}
