package egress

import (
	"sync"
	"time"
)

// quietFor is the least time between two lines of the log about the same thing: the metrics count every case.
const quietFor = time.Minute

// quiet says when something may be logged again.
type quiet struct {
	mu   sync.Mutex
	next time.Time
	more int
}

// due reports whether it may be logged now, and how many cases were passed over since it was.
func (q *quiet) due(now time.Time) (more int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Before(q.next) {
		q.more++
		return 0, false
	}
	more, q.more, q.next = q.more, 0, now.Add(quietFor)
	return more, true
}
