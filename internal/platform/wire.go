package platform

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"azx/alwayson"
)

// A socket whose instance of the platform carries out nothing for this long moves to another one. Each move that does
// not help doubles the time.
const (
	moveAfter    = 10 * time.Second
	maxMoveAfter = 5 * time.Minute
)

var errUnable = errors.New("this instance of the platform carries out nothing")

// wire is a socket shared by lanes.
type wire struct {
	Socket
	renewed atomic.Int64 // when renew last closed it, in ms since 1970

	good  atomic.Int64 // when the last good answer came, in ns since 1970
	ails  atomic.Bool  // since is set
	mu    sync.Mutex
	since time.Time     // when the first request was sent that the instance failed to carry out, with no good answer after it
	after time.Duration // how long since may be ago
}

// judged hears the verdict on each request, when that was sent and when it ended, and reports whether the socket moved to another
// instance because of it. A rejection is a good answer: the instance is able to judge.
func (w *wire) judged(v verdict, sent, ended time.Time) (moved bool) {
	switch v {
	case accepted, rejected:
		w.good.Store(ended.UnixNano())
		if w.ails.Load() {
			w.mu.Lock()
			w.since, w.after = time.Time{}, 0
			w.ails.Store(false)
			w.mu.Unlock()
		}
	case unavailable, doubtful, noReply:
		return w.failed(sent, ended)
	case disconnected, badCredential: // these are the socket's own affair, which tries other instances by itself
	}
	return false
}

func (w *wire) failed(sent, now time.Time) (moved bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		if sent.UnixNano() < w.good.Load() { // it answered others meanwhile
			sent = now
		}
		w.since, w.after = sent, moveAfter
		w.ails.Store(true)
	}
	if now.Sub(w.since) < w.after {
		return false
	}
	w.since = now // the next instance has its time, and so has this one if there is no other
	if moved = w.Move(errUnable); moved {
		w.after = min(2*w.after, maxMoveAfter)
	}
	return moved
}

// renew closes the connection so that the next one presents the credential again, for all lanes together
// once in a while.
func (w *wire) renew() {
	now, last := time.Now().UnixMilli(), w.renewed.Load()
	if now-last >= minCredentialPause.Milliseconds() && w.renewed.CompareAndSwap(last, now) {
		w.Drop(&alwayson.Error{Code: alwayson.Unauthorized})
	}
}
