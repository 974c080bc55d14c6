package platform

import (
	"context"
	"sync"
	"time"

	"azx/internal/delivery"
	"azx/internal/message"
)

// A line is held while something is done that its messages have to wait for: the Thing is made, given to another hub, or
// disabled. The lane goes on with other Things.

// whenRefused is how long it takes until Missing and Moved are called again for a Thing they could do nothing for.
const whenRefused = time.Minute

// mostHeld is how many lines are waited for at once: each may cost calls of the platform and of the hub. Others wait for theirs.
const mostHeld = 32

// holds are the lines that are held, of all lanes.
type holds struct {
	mu      sync.Mutex
	running int
	next    fifo[heldLine]
}

type heldLine struct {
	lane *lane
	line *line
}

// standAside has a held line wait. The caller has the lane's lock.
func (l *lane) standAside(ln *line) {
	h := &l.writer.holds
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next.push(heldLine{l, ln})
	if h.running < mostHeld {
		h.running++
		l.writer.group.Go("held Things", h.run)
	}
}

// run waits for one line after the other until none is left.
func (h *holds) run(ctx context.Context) error {
	for ctx.Err() == nil {
		h.mu.Lock()
		if h.next.len() == 0 {
			h.running--
			h.mu.Unlock()
			return nil
		}
		held := h.next.pop()
		h.mu.Unlock()
		held.lane.waitFor(ctx, held.line)
	}
	return nil // the writer ends
}

// waitFor has a line take its turns again once what it is held for is done.
func (l *lane) waitFor(ctx context.Context, ln *line) {
	ln.held(ctx)
	if ctx.Err() != nil {
		return // the writer ends
	}
	l.mu.Lock()
	ln.held = nil
	l.requeue(ln)
	l.mu.Unlock()
	l.signal()
}

// holdForAct holds a line whose next message is something to be done, and reports whether it had one.
func (l *lane) holdForAct(ln *line) bool {
	l.mu.Lock()
	if ln.waiting.len() == 0 || ln.waiting.first().Act == nil {
		l.mu.Unlock()
		return false
	}
	q := ln.waiting.pop()
	l.mu.Unlock()
	if q.Wanted != nil && !q.Wanted() {
		l.settle(q, delivery.Outcome{Kind: delivery.Unwanted})
		return true
	}
	thing := ln.thing
	ln.held = func(ctx context.Context) {
		if o := q.Act(ctx); ctx.Err() == nil {
			l.tables.forget(thing)
			l.settle(q, o)
		}
	}
	return true
}

// holdForKeeper holds a line whose messages cannot be written as the Thing stands, if somebody may change that. k is what is
// known of the Thing. A Thing that was mended and is as before is not held a second time at once.
func (l *lane) holdForKeeper(ln *line, k knowledge) bool {
	mended := ln.mended
	ln.mended = false
	m := l.firstWaiting(ln)
	if m == nil || mended || k.stays {
		return false
	}
	cfg := &l.writer.cfg
	switch {
	case k.table == nil && k.outcome.Kind == delivery.NoThing && cfg.Missing != nil:
		ln.held = func(ctx context.Context) { l.mend(ctx, ln, k, cfg.Missing(ctx, m)) }
	case k.table != nil && k.table.Gateway() != "" && k.table.Gateway() != m.Hub && cfg.Moved != nil:
		ln.held = func(ctx context.Context) { l.mend(ctx, ln, k, cfg.Moved(ctx, m, k.table.Gateway())) }
	}
	return ln.held != nil
}

// firstWaiting is the next message of a line; nil if none waits.
func (l *lane) firstWaiting(ln *line) *message.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.waiting.len() == 0 {
		return nil
	}
	return ln.waiting.first().Message
}

// mend has the platform asked again; if there is an error, messages end as the Thing stands, for that reason.
func (l *lane) mend(ctx context.Context, ln *line, k knowledge, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil:
		ln.mended = true
		l.tables.forget(ln.thing)
	default:
		if k.table == nil {
			k.outcome.Err = err
		}
		k.stays, k.asked = true, time.Now()
		k.until = k.asked.Add(whenRefused)
		l.tables.put(ln.thing, k, l.tables.mark())
	}
}

// endOrKeep ends the lane's batch, whose Thing is not there any more, unless somebody may make it anew: then it waits for that
// in its line.
func (h *hand) endOrKeep(thing string, k knowledge) {
	if h.writer.cfg.Missing == nil || k.outcome.Kind != delivery.NoThing {
		h.endUnwritten(k.outcome, true)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines[thing].waiting.prepend(h.batch)
}
