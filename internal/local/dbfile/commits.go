package dbfile

import (
	"runtime"
	"sync"
)

// Commits writes what concurrent callers bring. What comes while something is being written waits together and shares the
// next write: whoever gets the turn writes for all. So there is no goroutine to own, and a lone caller waits for nobody.
type Commits[T any] struct {
	write func([]T) error // called with the turn
	turn  chan struct{}   // holds a token while somebody writes

	mu      sync.Mutex
	pending *batch[T]
}

// batch is what is written together.
type batch[T any] struct {
	items []T
	done  chan struct{} // closed when err is set
	err   error
}

// NewCommits returns Commits that call write for a batch, one at a time.
func NewCommits[T any](write func(items []T) error) *Commits[T] {
	return &Commits[T]{write: write, turn: make(chan struct{}, 1), pending: newBatch[T]()}
}

func newBatch[T any]() *batch[T] { return &batch[T]{done: make(chan struct{})} }

// Add writes an item, together with others that wait, and returns when it is written. The error is that of the whole write.
func (c *Commits[T]) Add(item T) error {
	c.mu.Lock()
	b := c.pending
	b.items = append(b.items, item)
	c.mu.Unlock()
	select {
	case <-b.done:
	case c.turn <- struct{}{}:
		c.commit() // b is in it, unless whoever had the turn before wrote it
		<-c.turn
	}
	return b.err
}

// commit writes what is pending. The caller has the turn.
func (c *Commits[T]) commit() {
	runtime.Gosched() // who is about to add gets into this batch: that is worth several times as much with fast disks
	c.mu.Lock()
	b := c.pending
	if len(b.items) > 0 {
		c.pending = newBatch[T]()
	}
	c.mu.Unlock()
	if len(b.items) == 0 {
		return
	}
	b.err = c.write(b.items)
	close(b.done)
}

// Alone runs something while nothing is written.
func (c *Commits[T]) Alone(run func() error) error {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	return run()
}
