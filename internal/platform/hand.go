package platform

import (
	"context"
	"fmt"
	"math"
	"time"

	"azx/internal/delivery"
	"azx/internal/mapping"
	"azx/internal/message"
)

// hand works in a lane: it has the requests of one turn in flight. When a Thing keeps it waiting, another hand overtakes it, which
// goes on with the other Things, and this one goes home once its turn is over.
type hand struct {
	*lane
	answer *answer // what the messages whose turn it is got in a volley; nil: they were in none
	parked bool    // the Thing whose turn it is did not answer of late: a write to it is a probe
	// Kept for their memory.
	touched byte // so that what is only touched counts as used
	batch   []*delivery.Queued
	left    []*delivery.Queued // that were not wanted any more
	items   []item
	values  mapping.Values
	body    []byte
	flights []*flight
	landed  chan *flight // holds as many; nil until there was a volley
	limit   limit
	alarm   *time.Timer // rings when a line has rested; nil until one did
}

// lookAfter is how often lanes are looked after: a Thing holds the others of its lane up for twice as long at most. A platform that
// takes longer for every answer gets a quarter more hands than there are lanes.
const lookAfter = 100 * time.Millisecond

// relieve gives another hand to each lane whose hand has had the same turn for too long while other Things wait. At most a
// quarter as many hands as there are lanes wait for slow Things: when more do, it is the platform that is slow, and more
// requests would not make it faster.
func (w *Writer) relieve(ctx context.Context) error {
	look := time.NewTicker(lookAfter)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.look(lookAfter)
		for i, l := range w.lanes {
			if int(w.overtaken.Load()) < max(1, len(w.lanes)/4) && l.overdue() {
				w.overtaken.Add(1)
				w.group.Go(fmt.Sprintf("lane %d", i), (&hand{lane: l}).run)
			}
		}
	}
}

// run gives one Thing after the other its turn.
func (h *hand) run(ctx context.Context) error {
	for {
		ln, turn, rests := h.next()
		if ln == nil {
			if err := h.await(ctx, rests); err != nil {
				return err
			}
			continue
		}
		if err := h.takeTurn(ctx, ln, turn); err != nil {
			return err
		}
		if h.finish(turn) {
			h.writer.overtaken.Add(-1)
			h.signal() // its Thing may have more, and the lane's hand may be resting
			return nil
		}
	}
}

// takeTurn gives a line its turn, and others with it unless it takes it alone.
func (h *hand) takeTurn(ctx context.Context, ln *line, turn int) error {
	if !ln.alone {
		return h.volley(ctx, ln, turn)
	}
	return h.takeAlone(ctx, ln, turn)
}

func (h *hand) takeAlone(ctx context.Context, ln *line, turn int) error {
	ln.alone = false
	began := time.Now()
	err := h.turn(ctx, ln)
	h.leave(ln, turn)
	if h.took(time.Since(began)) {
		offer(h.asks)
	}
	return err
}

// noTurn is for what is done beside the turns of the lane's hand: nobody overtakes that.
const noTurn = math.MaxInt

// help gives Things that have to be asked for their turns, beside the lane's hand, which does so too, while the platform is far
// away: there a question takes long, and there is one for each Thing.
func (h *hand) help(ctx context.Context) error {
	for {
		ln := h.nextUnknown()
		if ln == nil {
			select {
			case <-h.asks:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if err := h.takeAlone(ctx, ln, noTurn); err != nil {
			return err
		}
		h.signal() // its line waits for the lane's hand, or rests
	}
}

// await waits until a line may be waiting: when one is new, and when the next that rests has rested; rests is 0 if none does.
func (h *hand) await(ctx context.Context, rests time.Duration) error {
	var rested <-chan time.Time
	if rests > 0 {
		if h.alarm == nil {
			h.alarm = time.NewTimer(rests)
		} else {
			h.alarm.Reset(rests)
		}
		rested = h.alarm.C
	}
	select {
	case <-h.wake:
	case <-rested:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// take moves as many waiting messages of the line into the hand's batch as fit in one request, and what is not wanted any
// more into what is left.
func (h *hand) take(ln *line) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ln.visit = false
	defer func() { ln.more = ln.waiting.len() > 0 }()
	clear(h.batch) // of another line in the volley
	clear(h.left)
	h.batch, h.left = h.batch[:0], h.left[:0]
	values, bytes := 0, 0
	for ln.waiting.len() > 0 {
		if wanted := ln.waiting.first().Wanted; wanted != nil && !wanted() {
			h.left = append(h.left, ln.waiting.pop())
			continue
		}
		if ln.waiting.first().Act != nil {
			return
		}
		alone := ln.waiting.first().OnlyNewer // it is compared with what was written before it
		if alone && len(h.batch) > 0 {
			return
		}
		n, size := weigh(ln.waiting.first())
		values, bytes = values+n, bytes+size
		if len(h.batch) > 0 && (values > h.writer.cfg.MaxValues || bytes > h.writer.cfg.MaxBytes) {
			return
		}
		h.batch = append(h.batch, ln.waiting.pop())
		if alone || h.answer != nil && len(h.batch) == len(h.answer.batch) {
			return
		}
	}
}

// noteMembers counts while the body is at hand: when it is weighed it has left the cache.
func noteMembers(q *delivery.Queued) {
	if q.Act == nil {
		q.Members = message.MostMembers(q.Message.Body)
	}
}

// weigh returns how many values a message holds at most and about how many bytes they take in a request.
func weigh(q *delivery.Queued) (values, bytes int) {
	const row = 32 // row header, type codes, lengths, time and quality
	return q.Members, q.Members*row + len(q.Message.Body)
}
