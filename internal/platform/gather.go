package platform

import "time"

// Gathering: while many messages come, a Thing that was just written rests before it is written again, so that what it sends
// meanwhile travels in one request: a request costs three times what a message in it costs. A Thing that sends seldom is
// written at once all the same, and so is every Thing while few messages come.

// gatherFrom is how many messages a second, over all lanes, are many. Fewer cost less than a tenth of a core in requests of their own.
const gatherFrom = 5000

// gatherBeat is how often resting lines rise, in all lanes at the same moments: requests of many lanes then share frames and
// system calls.
const gatherBeat = 25 * time.Millisecond

// hurriedFor is how long nothing gathers once the messages in flight had used up their memory.
const hurriedFor = 100 * time.Millisecond

// rest is a line that rests, and until when, counted from when the writer was made.
type rest struct {
	line  *line
	until time.Duration
}

// look decides whether lines gather, from how many messages came since it was called last.
func (w *Writer) look(since time.Duration) {
	came := 0
	for _, l := range w.lanes {
		came += l.came()
	}
	many := float64(came) >= float64(w.cfg.gatherFrom)*since.Seconds()
	w.gathers.Store(many && w.cfg.Gather > 0 && time.Since(w.made)-time.Duration(w.hurried.Load()) >= hurriedFor)
}

// Hurry ends the rest of all Things: whoever writes waits for room.
func (w *Writer) Hurry() {
	w.hurried.Store(int64(time.Since(w.made)))
	if !w.gathers.Swap(false) {
		return
	}
	for _, l := range w.lanes {
		l.mu.Lock()
		for l.resting.len() > 0 {
			l.resting.pop().end(l)
		}
		l.mu.Unlock()
		l.signal()
	}
}

// came returns how many messages came since it was called last.
func (l *lane) came() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.fresh
	l.fresh = 0
	return n
}

// restNow has a line rest after its turn, if lines gather and nothing of it hurries. The caller has the lock.
func (l *lane) restNow(ln *line) bool {
	if !l.writer.gathers.Load() || ln.alone || ln.more || ln.visit || ln.held != nil || len(ln.pushes) > 0 {
		return false
	}
	gather := l.writer.cfg.Gather
	beat := min(gatherBeat, gather/4+1)
	ln.rests = (time.Since(l.writer.made) + gather) / beat * beat
	l.resting.push(rest{ln, ln.rests})
	return true
}

// rise has the lines whose rest is over take their turns, and returns how long the next one still rests; 0 if none does. The
// caller has the lock.
func (l *lane) rise() time.Duration {
	if l.resting.len() == 0 {
		return 0
	}
	now := time.Since(l.writer.made)
	for l.resting.len() > 0 {
		if left := l.resting.first().until - now; left > 0 {
			return left
		}
		l.resting.pop().end(l)
	}
	return 0
}

// end ends the rest, unless the line was stirred meanwhile.
func (r rest) end(l *lane) {
	if r.line.rests == r.until {
		l.stir(r.line)
	}
}

// stir has a line that rests take its turn. The caller has the lock.
func (l *lane) stir(ln *line) {
	if ln.rests != 0 {
		ln.rests = 0
		l.requeue(ln)
	}
}
