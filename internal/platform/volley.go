package platform

import (
	"context"
	"slices"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
)

// A hand sends what several Things of its lane hold at once, a request for each: to be woken for each answer, and to write each
// request for itself, costs more than a small request does. Whatever is not plain, a Thing that has to be asked for or a request
// that was not accepted, takes a turn of its own.

// A volley has so many requests at most, and is full once it holds so many values or bytes: beside large requests little is saved.
const (
	mostFlights  = 8
	volleyValues = 256
	volleyBytes  = 16 << 10
)

// A platform whose answers take as long as farAway is far away: what is in flight decides how much gets there. A volley may be
// farFactor times as large then, and lanes have help with questions.
const (
	farAway   = 10 * time.Millisecond
	farFactor = 8
)

// flight is the request of a volley for one Thing.
type flight struct {
	line      *line
	from, to  int   // its items among the hand's
	successes int64 // requests of all lanes that had succeeded when it was sent
	resp      alwayson.Response
	err       error
	land      func(alwayson.Response, error) // hands the flight back, with its answer
}

// volley gives a line its turn, and with it others of the lane. The error is that of ctx.
func (h *hand) volley(ctx context.Context, ln *line, turn int) error {
	h.answer = nil
	h.dropItems()
	h.values.Cut(0)
	defer h.forgetBatch()
	now, successes := time.Now(), h.writer.successes.Load()
	limit := h.limit.start(ctx, now.Add(h.writer.cfg.ReplyTimeout))
	defer h.limit.stop()
	flying, bytes := 0, 0
	for ; ln != nil; ln = h.join() {
		from := len(h.items)
		if !h.load(ln) {
			h.leave(ln, turn)
			continue
		}
		f := h.flight(flying)
		f.line, f.from, f.to, f.successes = ln, from, len(h.items), successes
		if err := h.socket.Send(h.request(ln.thing, h.items[from:]), f.land); err != nil {
			f.land(alwayson.Response{}, err)
		}
		flying++
		bytes += len(h.body)
		if flying == mostFlights || h.isFull(bytes) {
			break
		}
	}
	err := h.receive(ctx, limit, flying, now, turn)
	if flying > 0 {
		h.took(time.Since(now))
	}
	return err
}

// took notes how long the answers of a turn took, and reports whether the platform is far away.
func (l *lane) took(d time.Duration) bool {
	far := d >= farAway
	if l.far.Load() != far {
		l.far.Store(far)
	}
	return far
}

// isFull reports whether the hand's values, or the bytes of their requests, are enough for a volley.
func (h *hand) isFull(bytes int) bool {
	factor := 1
	if h.far.Load() {
		factor = farFactor
	}
	return h.values.Len() >= factor*volleyValues || bytes >= factor*volleyBytes
}

// flight returns one of the hand's flights.
func (h *hand) flight(n int) *flight {
	if h.landed == nil {
		h.landed = make(chan *flight, mostFlights)
	}
	if n == len(h.flights) {
		f := &flight{}
		f.land = func(resp alwayson.Response, err error) {
			f.resp, f.err = resp, err
			h.landed <- f
		}
		h.flights = append(h.flights, f)
	}
	return h.flights[n]
}

// load translates what waits in a line, and reports whether there is anything to send. A line whose turn is not plain takes
// another, alone.
func (h *hand) load(ln *line) bool {
	k, known := h.tables.get(ln.thing)
	if !known || !usable(k) || k.parked || !time.Now().Before(k.until) || !h.isPlain(ln, k) {
		ln.alone = true
		return false
	}
	h.take(ln)
	h.end(h.left, delivery.Outcome{Kind: delivery.Unwanted}, false)
	from := len(h.items)
	if unknown := h.addItems(k.table); unknown > 0 {
		if time.Since(k.asked) >= h.writer.cfg.AskAgain {
			h.takeBack(ln, h.items[from:])
			clear(h.items[from:])
			h.items = h.items[:from]
			return false
		}
		h.writer.cfg.Meter.UnknownKeys(unknown)
	}
	h.sift(ln.thing, k.table.Gateway(), from)
	return len(h.items) > from
}

// isPlain reports whether a turn of the line begins with messages of its Thing's own hub, to be written as they are.
func (l *lane) isPlain(ln *line, k knowledge) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.visit || ln.mended || len(ln.pushes) > 0 || ln.waiting.len() == 0 {
		return false
	}
	first := ln.waiting.first()
	return first.Act == nil && !first.OnlyNewer && (k.table.Gateway() == "" || k.table.Gateway() == hubOf(first.Telemetry))
}

// takeBack puts what items carry back into their line, whose next turn is its own.
func (h *hand) takeBack(ln *line, items []item) (batch []*delivery.Queued) {
	ln.alone = true
	batch = make([]*delivery.Queued, len(items))
	for i := range items {
		batch[i] = items[i].queued
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ln.waiting.prepend(batch)
	return batch
}

// receive ends flights as their answers come. For those that have none in time it drops the socket, which ends them.
func (h *hand) receive(ctx, limit context.Context, flying int, began time.Time, turn int) error {
	late, over := false, limit.Done()
	for flying > 0 {
		select {
		case f := <-h.landed:
			flying--
			h.conclude(f, late, began)
			h.leave(f.line, turn)
		case <-over:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			late, over = true, ctx.Done()
			if !h.socket.judged(noReply, began, time.Now()) {
				h.socket.Drop(errNoReply)
			}
		}
	}
	return nil
}

// conclude settles what a flight carried if that was accepted. Else its line takes a turn of its own, which goes on from there.
func (h *hand) conclude(f *flight, late bool, began time.Time) {
	thing, items := f.line.thing, h.items[f.from:f.to]
	resp, v, _ := h.answered(alwayson.PushService, f.resp, f.err, late, began)
	if v != accepted {
		f.line.answer = &answer{resp, v, h.takeBack(f.line, items), f.successes}
		return
	}
	h.trace(thing, items, began, v)
	h.writer.cfg.Meter.Written(countValues(items))
	h.accept(thing, items)
}

// answer is what a request of a volley got that was not accepted.
type answer struct {
	resp      alwayson.Response
	verdict   verdict
	batch     []*delivery.Queued // that it carried
	successes int64              // as those of the flight
}

// answerFor returns what the volley's request with these items got, once; nil if it did not carry just these.
func (h *hand) answerFor(items []item) *answer {
	a := h.answer
	h.answer = nil
	if a == nil || !slices.EqualFunc(a.batch, items, func(q *delivery.Queued, it item) bool { return q == it.queued }) {
		return nil
	}
	return a
}
