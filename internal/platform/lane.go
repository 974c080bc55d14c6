package platform

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/delivery"
)

// lane is the queue of the Things that hash to it. One hand works in it, see there.
type lane struct {
	writer *Writer
	socket *wire
	tables *tables
	last   *lastValues
	wake   chan struct{} // holds one token while a line may be waiting
	asks   chan struct{} // the same for one of unknown, while the platform is far away
	far    atomic.Bool   // its last answers took long: see volley.go

	mu      sync.Mutex
	lines   map[string]*line   // Things with waiting messages, and the one whose turn it is
	recent  [recentLines]*line // some of those, found sooner; one that has left has no name
	known   fifo[*line]        // lines waiting for their turn, whose Thing needs no question
	unknown fifo[*line]        // lines waiting for their turn, whose Thing has to be asked for first
	asked   bool               // the last turn was one of unknown
	resting fifo[rest]         // lines that gather, see gather.go
	fresh   int                // messages since came was called
	spare   []*line
	open    int           // messages that are not settled
	idle    chan struct{} // closed while open is 0

	turns     int  // given so far
	busy      bool // the lane's hand has a turn
	looked    int  // turns when overdue was called last
	overtaken int  // hands with this turn or an earlier one go home after it
}

// recentLines is for how many Things the map of lines need not be asked.
const recentLines = 64

// mostSpare is how many lines a lane keeps for Things to come, with the memory of their queues.
const mostSpare = 32

// line is the queue of one Thing.
type line struct {
	thing   string
	waiting fifo[*delivery.Queued]
	pushes  []*push
	visit   bool          // take a turn although nothing waits
	more    bool          // its last turn left messages for the next: they did not fit, or may not join those before them
	alone   bool          // its next turn is not for others too
	answer  *answer       // to what its next turn begins with; nil: that was not sent yet
	rests   time.Duration // until when it rests; 0: it does not
	// held is what the line waits for before it takes another turn; nil: for nothing.
	held   func(ctx context.Context)
	mended bool // it was held, and the Thing is said to be as it should be
}

func newLane(w *Writer, s *wire, t *tables, last *lastValues) *lane {
	idle := make(chan struct{})
	close(idle)
	return &lane{writer: w, socket: s, tables: t, last: last, wake: make(chan struct{}, 1), asks: make(chan struct{}, 1), lines: map[string]*line{}, idle: idle}
}

func (l *lane) add(q *delivery.Queued) {
	l.mu.Lock()
	ln, isNew := l.line(q.Thing)
	ln.waiting.push(q)
	l.opened(1)
	l.fresh++
	l.mu.Unlock()
	if isNew { // else it has its turn, or waits for it
		l.signal()
	}
}

func (l *lane) visit(thing string) {
	l.mu.Lock()
	ln, _ := l.line(thing)
	ln.visit = true
	l.stir(ln)
	l.mu.Unlock()
	l.signal()
}

// line returns the Thing's line, which waits for its turn if it is new.
func (l *lane) line(thing string) (ln *line, isNew bool) {
	recent := &l.recent[recentSlot(thing)]
	if ln = *recent; ln != nil && ln.thing == thing {
		return ln, false
	}
	if ln = l.lines[thing]; ln != nil {
		*recent = ln
		return ln, false
	}
	if n := len(l.spare); n > 0 {
		ln, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		ln = &line{}
	}
	ln.thing = thing
	l.lines[thing], *recent = ln, ln
	l.enqueue(ln)
	return ln, true
}

// recentSlot is where a Thing's line is kept among the recent ones: names mostly differ in their last letters.
func recentSlot(thing string) int {
	slot := 0
	for i := max(0, len(thing)-3); i < len(thing); i++ {
		slot = slot*7 + int(thing[i])
	}
	return slot % recentLines
}

func (l *lane) enqueue(ln *line) {
	if l.tables.needsQuestion(ln.thing) {
		l.unknown.push(ln)
		if l.far.Load() {
			offer(l.asks)
		}
	} else {
		l.known.push(ln)
	}
}

func (l *lane) signal() { offer(l.wake) }

// offer leaves a token, unless one is there.
func offer(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// next takes the line whose turn it is, and which turn that is. If none waits it returns nil, and how long the next one rests;
// 0 if none does. Things that have to be asked for get every second turn at most, so that many unknown ones do not hold up the known.
func (l *lane) next() (ln *line, turn int, rests time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rests = l.rise()
	switch {
	case l.unknown.len() > 0 && (l.known.len() == 0 || !l.asked):
		l.asked = true
		ln = l.unknown.pop()
	case l.known.len() > 0:
		l.asked = false
		ln = l.known.pop()
	default:
		return nil, 0, rests
	}
	l.turns++
	l.busy = true
	return ln, l.turns, 0
}

// nextUnknown takes a line whose Thing has to be asked for, beside the turns of the lane's hand; nil if there is none, or if the
// platform is not far away.
func (l *lane) nextUnknown() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unknown.len() == 0 || !l.far.Load() {
		return nil
	}
	return l.unknown.pop()
}

// join takes another line for the turn that the lane's hand has; nil if the next one may not share it.
func (l *lane) join() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known.len() == 0 || l.known.first().alone {
		return nil
	}
	return l.known.pop()
}

// leave ends the turn of a line.
func (l *lane) leave(ln *line, turn int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn <= l.overtaken || !l.restNow(ln) {
		l.requeue(ln)
	}
}

// finish ends a turn, which its lines have left, and reports whether it was overtaken.
func (l *lane) finish(turn int) (overtaken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn <= l.overtaken {
		return true
	}
	l.busy = false
	return false
}

// requeue has the line wait for its next turn, or forgets it if nothing waits in it. One that is held stands aside. The caller
// has the lock.
func (l *lane) requeue(ln *line) {
	if ln.held != nil {
		l.standAside(ln)
		return
	}
	if ln.visit || ln.waiting.len() > 0 || len(ln.pushes) > 0 {
		l.enqueue(ln)
		return
	}
	delete(l.lines, ln.thing)
	ln.thing = ""
	if len(l.spare) < mostSpare {
		ln.mended, ln.more, ln.alone = false, false, false
		l.spare = append(l.spare, ln)
	}
}

// overdue reports whether the lane's hand still has the turn it had when overdue was asked last, while other Things wait. From
// then on it is no more the lane's: another one has to be given.
func (l *lane) overdue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.busy && l.turns == l.looked
	l.looked = l.turns
	l.rise() // its hand does not see to that
	if !same || l.known.len()+l.unknown.len() == 0 {
		return false
	}
	l.overtaken, l.busy = l.turns, false
	return true
}

// putBack puts messages before those that wait.
func (l *lane) putBack(ln *line, kept []*delivery.Queued) {
	for _, q := range kept {
		noteMembers(q)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.waiting.prepend(kept)
	l.opened(len(kept))
}

// opened and ended keep account of the messages that have not ended; opened is called under the lock.
func (l *lane) opened(n int) {
	if n > 0 && l.open == 0 {
		l.idle = make(chan struct{})
	}
	l.open += n
}

func (l *lane) ended(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open -= n
	if n > 0 && l.open == 0 {
		close(l.idle)
	}
}

func (l *lane) settle(q *delivery.Queued, o delivery.Outcome) {
	q.Settle(o)
	l.ended(1)
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
