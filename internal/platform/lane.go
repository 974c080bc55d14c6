package platform

import (
	"context"
	"sync"

	"azx/internal/delivery"
	"azx/internal/message"
)

// lane writes the messages of the Things that hash to it. It has one request in flight.
type lane struct {
	writer *Writer
	socket *wire
	tables *tables
	last   *lastValues
	wake   chan struct{} // holds one token while a line may be waiting

	mu      sync.Mutex
	lines   map[string]*line // Things with waiting messages, and the one whose turn it is
	known   fifo[*line]      // lines waiting for their turn, whose Thing needs no question
	unknown fifo[*line]      // lines waiting for their turn, whose Thing has to be asked for first
	asked   bool             // the last turn was one of unknown
	spare   []*line
	open    int           // messages that are not settled
	idle    chan struct{} // closed while open is 0

	// Of the lane's goroutine alone.
	parked bool // the Thing whose turn it is did not answer of late: a write to it is a probe
	// Kept for their memory.
	batch  []delivery.Queued
	left   []delivery.Queued // that were not wanted any more
	items  []item
	writes []message.Write
	body   []byte
	limit  limit
}

// line is the queue of one Thing.
type line struct {
	thing   string
	waiting fifo[delivery.Queued]
	pushes  []*push
	visit   bool // take a turn although nothing waits
	// held is what the line waits for before it takes another turn; nil: for nothing.
	held   func(ctx context.Context)
	mended bool // it was held, and the Thing is said to be as it should be
}

func newLane(w *Writer, s *wire, t *tables, last *lastValues) *lane {
	idle := make(chan struct{})
	close(idle)
	return &lane{writer: w, socket: s, tables: t, last: last, wake: make(chan struct{}, 1), lines: map[string]*line{}, idle: idle}
}

func (l *lane) add(q delivery.Queued) {
	l.mu.Lock()
	ln := l.line(q.Thing)
	ln.waiting.push(q)
	l.opened(1)
	l.mu.Unlock()
	l.signal()
}

func (l *lane) visit(thing string) {
	l.mu.Lock()
	l.line(thing).visit = true
	l.mu.Unlock()
	l.signal()
}

// line returns the Thing's line, which waits for its turn if it is new.
func (l *lane) line(thing string) *line {
	ln, ok := l.lines[thing]
	if ok {
		return ln
	}
	if n := len(l.spare); n > 0 {
		ln, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		ln = &line{}
	}
	ln.thing = thing
	l.lines[thing] = ln
	l.enqueue(ln)
	return ln
}

func (l *lane) enqueue(ln *line) {
	if l.tables.needsQuestion(ln.thing) {
		l.unknown.push(ln)
	} else {
		l.known.push(ln)
	}
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run gives one Thing after the other its turn.
func (l *lane) run(ctx context.Context) error {
	for {
		ln := l.next()
		if ln == nil {
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := l.turn(ctx, ln); err != nil {
			return err
		}
		l.leave(ln)
	}
}

// next takes the line whose turn it is, nil if none waits. Things that have to be asked for get every
// second turn at most, so that many unknown ones do not hold up the known.
func (l *lane) next() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.unknown.len() > 0 && (l.known.len() == 0 || !l.asked):
		l.asked = true
		return l.unknown.pop()
	case l.known.len() > 0:
		l.asked = false
		return l.known.pop()
	}
	return nil
}

// leave ends a turn: the line goes to the end of the queue, or away if nothing waits in it. One that is held stands aside.
func (l *lane) leave(ln *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.held != nil {
		l.standAside(ln)
		return
	}
	if ln.visit || ln.waiting.len() > 0 || len(ln.pushes) > 0 {
		l.enqueue(ln)
		return
	}
	delete(l.lines, ln.thing)
	if len(l.spare) < 256 {
		ln.thing, ln.mended = "", false
		l.spare = append(l.spare, ln)
	}
}

// putBack puts messages before those that wait.
func (l *lane) putBack(ln *line, kept []delivery.Queued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.waiting.prepend(kept)
	l.opened(len(kept))
}

// take moves as many waiting messages of the line into the lane's batch as fit in one request, and what is not wanted any
// more into what is left.
func (l *lane) take(ln *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.visit = false
	l.batch, l.left = l.batch[:0], l.left[:0]
	values, bytes := 0, 0
	for ln.waiting.len() > 0 {
		if wanted := ln.waiting.first().Wanted; wanted != nil && !wanted() {
			l.left = append(l.left, ln.waiting.pop())
			continue
		}
		if ln.waiting.first().Act != nil {
			return
		}
		alone := ln.waiting.first().OnlyNewer // it is compared with what was written before it
		if alone && len(l.batch) > 0 {
			return
		}
		n, size := weigh(ln.waiting.first().Telemetry)
		values, bytes = values+n, bytes+size
		if len(l.batch) > 0 && (values > l.writer.cfg.MaxValues || bytes > l.writer.cfg.MaxBytes) {
			return
		}
		l.batch = append(l.batch, ln.waiting.pop())
		if alone {
			return
		}
	}
}

// weigh returns how many values a message holds and about how many bytes they take in a request.
func weigh(t message.Telemetry) (values, bytes int) {
	const row = 32 // row header, type codes, lengths, time and quality
	for i := range t.Readings {
		bytes += row + len(t.Readings[i].Key) + len(t.Readings[i].Raw)
	}
	return len(t.Readings), bytes
}

// opened and settled keep account of the messages that have not ended; opened is called under the lock.
func (l *lane) opened(n int) {
	if n > 0 && l.open == 0 {
		l.idle = make(chan struct{})
	}
	l.open += n
}

func (l *lane) settle(q *delivery.Queued, o delivery.Outcome) {
	q.Settle(o)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.open == 0 {
		close(l.idle)
	}
}

func (l *lane) drained() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle
}

func (l *lane) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}
