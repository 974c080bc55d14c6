package egress

import (
	"sync"
	"time"
)

const maxTold = 1024 // outcomes that are remembered; the hub gives 64 at once

// told remembers the outcomes that were told last.
type told struct {
	mu    sync.Mutex
	known map[Outcome]bool
	order []Outcome // the oldest first
}

// key is the same for the same outcome, however its time was read.
func (o Outcome) key() Outcome {
	o.Time = time.UnixMilli(o.Time.UnixMilli()).UTC()
	return o
}

func (t *told) has(o Outcome) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[o.key()]
}

func (t *told) add(o Outcome) {
	o = o.key()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[Outcome]bool{}
	}
	if len(t.order) == maxTold {
		delete(t.known, t.order[0])
		t.order = t.order[1:]
	}
	t.known[o] = true
	t.order = append(t.order, o)
}
