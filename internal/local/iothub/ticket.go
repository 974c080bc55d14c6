package iothub

import "sync"

// Ticket is a message on its way into the log.
type Ticket struct {
	hub   *Hub // counts the message; nil for the hub's own events
	event *Event
	batch *batch // nil: the event is in the log
}

// Wait returns the event when it is in the log. Call it once, in any case: somebody who waits is who writes.
func (t *Ticket) Wait() (*Event, error) {
	if t.batch != nil {
		if err := t.batch.wait(); err != nil {
			return nil, err
		}
	}
	if t.hub != nil {
		t.hub.count(t.event.From)
	}
	return t.event, nil
}

// committer writes batches. Appends that come while one is being written wait together and share the next one:
// whoever gets the turn writes for all. So there is no goroutine to own, and a lone caller waits for nobody.
type committer struct {
	write func([]appended) error // called with the turn
	limit int64                  // bytes of a batch after which who appends writes it

	mu      sync.Mutex
	pending *batch

	turn chan struct{} // holds a token while somebody writes
}

// batch is what is written together.
type batch struct {
	committer *committer
	events    []appended
	bytes     int64
	done      chan struct{} // closed when err is set
	err       error
}

func newCommitter(limit int64, write func([]appended) error) *committer {
	c := &committer{write: write, limit: limit, turn: make(chan struct{}, 1)}
	c.pending = c.newBatch()
	return c
}

func (c *committer) newBatch() *batch { return &batch{committer: c, done: make(chan struct{})} }

// add puts an event into the next batch. When that is full, it is written first: so memory stays bounded.
func (c *committer) add(a appended) *batch {
	c.mu.Lock()
	b := c.pending
	b.events = append(b.events, a)
	b.bytes += a.head.size
	full := b.bytes >= c.limit
	c.mu.Unlock()
	if full {
		_ = b.wait() // whoever waits for the event hears of an error
	}
	return b
}

// wait returns when the batch is written.
func (b *batch) wait() error {
	select {
	case <-b.done:
		return b.err
	default:
	}
	select {
	case <-b.done:
	case b.committer.turn <- struct{}{}:
		b.committer.commit() // b is in it, unless whoever had the turn before wrote it
		<-b.committer.turn
	}
	return b.err
}

// commit writes what is pending. The caller has the turn.
func (c *committer) commit() {
	c.mu.Lock()
	b := c.pending
	if len(b.events) == 0 { // it stays the one that is filled, and from here on others may
		c.mu.Unlock()
		return
	}
	c.pending = c.newBatch()
	c.mu.Unlock()
	b.err = c.write(b.events)
	close(b.done)
}
