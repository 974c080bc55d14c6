package platform

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
)

// Pauses between tries, doubling within these bounds. After a loss of the connection the socket's own
// back-off comes on top.
const (
	minPause           = 100 * time.Millisecond
	maxPause           = 30 * time.Second
	minCredentialPause = 10 * time.Second
	maxCredentialPause = 5 * time.Minute
)

var errNoReply = errors.New("no reply in time")

// ask sends a request until the platform accepted or rejected it, and returns that verdict with the answer;
// or noReply, unavailable or doubtful if it is the request that does not work, see patience. A probe has patience
// for one time-out only. The error is that of ctx.
func (h *hand) ask(ctx context.Context, r alwayson.Request, probe bool) (alwayson.Response, verdict, error) {
	return h.askWhileWanted(ctx, r, probe, nil, nil)
}

// askWhileWanted is ask for a request that carries items. It ends with unwanted, before any try, if none of them is wanted
// any more: what was sent before then may have been written, and their next reader writes it again. first is what the request
// got when it was sent in a volley; nil: it was not.
func (h *hand) askWhileWanted(ctx context.Context, r alwayson.Request, probe bool, items []item, first *answer) (alwayson.Response, verdict, error) {
	began := h.writer.successes.Load()
	if first != nil {
		began = first.successes
	}
	t := try{
		hand:     h,
		began:    began,
		patience: patience{seen: began, probe: probe},
		soon:     fault.Backoff{Min: minPause, Max: maxPause},
		later:    fault.Backoff{Min: minCredentialPause, Max: maxCredentialPause},
	}
	defer t.end()
	for ; ; first = nil {
		if err := h.socket.Wait(ctx); ctx.Err() != nil {
			return alwayson.Response{}, disconnected, ctx.Err()
		} else if err != nil { // the socket has ended, and the Writer is about to
			if err := t.soon.Pause(ctx); err != nil {
				return alwayson.Response{}, disconnected, err
			}
			continue
		}
		if len(items) > 0 && !slices.ContainsFunc(items, item.wanted) {
			return alwayson.Response{}, unwanted, nil
		}
		resp, v := h.tryOnce(ctx, r, first)
		if ctx.Err() != nil && v != accepted {
			return resp, v, ctx.Err()
		}
		if v == accepted || v == rejected || t.patience.exhausted(v, h.writer.successes.Load()) {
			return resp, v, nil
		}
		if err := t.pause(ctx, v); err != nil {
			return resp, v, err
		}
	}
}

// tryOnce sends a request once, unless it has an answer already.
func (h *hand) tryOnce(ctx context.Context, r alwayson.Request, got *answer) (alwayson.Response, verdict) {
	if got != nil {
		return got.resp, got.verdict
	}
	return h.send(ctx, r)
}

// send sends a request once. After a time-out it closes the socket, so that the platform does not carry the
// request out after it was sent again.
func (h *hand) send(ctx context.Context, r alwayson.Request) (alwayson.Response, verdict) {
	start := time.Now()
	resp, err := h.socket.Call(h.limit.start(ctx, start.Add(h.writer.cfg.ReplyTimeout)), r)
	resp, v, moved := h.answered(r.Target, resp, err, h.limit.stop(), start)
	if !moved && v == noReply && ctx.Err() == nil {
		h.socket.Drop(errNoReply)
	}
	return resp, v
}

// answered says what an answer, or the lack of one, to a request that was sent at start means, and whether the socket moved to
// another instance because of it.
func (h *hand) answered(target string, resp alwayson.Response, err error, timedOut bool, start time.Time) (alwayson.Response, verdict, bool) {
	end := time.Now()
	var v verdict
	switch {
	case err == nil:
		v = judge(resp.Code)
	case timedOut:
		v, resp = noReply, alwayson.Response{Reason: errNoReply.Error()}
	default:
		v, resp = judgeError(err), alwayson.Response{Reason: err.Error()}
	}
	h.writer.cfg.Meter.Request(target, resp.Code, end.Sub(start))
	if v == accepted {
		h.writer.successes.Add(1)
	}
	return resp, v, h.socket.judged(v, start, end)
}

// limit is a context with a deadline that can be used again: a lane makes one and not one for each request. Nor is its timer
// set for each: it goes on while requests come and go, and is set anew when it rings before the deadline of the one under way.
type limit struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer
	set   bool      // the timer will ring
	due   time.Time // the deadline of the request under way; zero: there is none
}

// start returns a context within ctx that ends when it is due, unless stop is called before. ctx is always the
// same, and none is due before an earlier one.
func (l *limit) start(ctx context.Context, due time.Time) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(ctx)
	}
	l.due = due
	if !l.set {
		l.set = true
		l.ring(time.Until(due))
	}
	return l.ctx
}

// ring has the timer ring after d.
func (l *limit) ring(d time.Duration) {
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.rang)
	} else {
		l.timer.Reset(d)
	}
}

func (l *limit) rang() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch left := time.Until(l.due); {
	case l.due.IsZero():
		l.set = false
	case left > 0:
		l.ring(left)
	default:
		l.set = false
		l.cancel()
	}
}

// stop reports whether the context has ended.
func (l *limit) stop() (over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = time.Time{}
	if l.ctx.Err() == nil {
		return false
	}
	l.cancel()
	l.ctx = nil
	return true
}

// try is the state of one request that is sent again and again.
type try struct {
	hand        *hand
	began       int64 // requests of all lanes that had succeeded by then
	patience    patience
	soon, later fault.Backoff
	refused     bool // counted among the lanes whose credential is refused
}

// pause waits as long as the verdict asks for.
func (t *try) pause(ctx context.Context, v verdict) error {
	w := t.hand.writer
	w.cfg.Meter.Retried(v.String())
	if v != badCredential {
		t.end()
		return t.soon.Pause(ctx)
	}
	if !t.refused {
		t.refused = true
		w.refused.Add(1)
		w.cfg.Log.Warn("the platform refuses the connector's credential; trying again slowly", "event", "writes-refused",
			"hint", "check the application key, and that its user may call services of the device Things")
	}
	if w.successes.Load() == t.began { // nobody gets through: a new key needs a new session
		t.hand.socket.renew()
	}
	return t.later.Pause(ctx)
}

func (t *try) end() {
	if t.refused {
		t.refused = false
		t.hand.writer.refused.Add(-1)
	}
}
