package iothub

import (
	"context"
	"errors"
	"sync"
)

// feedLimit is how much may wait for a device that does not take it.
const feedLimit = 1000

var errFeedFull = errors.New("the device does not read: too much waits for it")

// Feed is what goes to one device, or to one reader: one goroutine calls Next again and again. Putting something into a
// feed never waits for who reads it.
type Feed[T any] struct {
	mu      sync.Mutex
	waiting []T
	grown   chan struct{} // closed and replaced when something comes
	closed  bool
	onClose func() // called without the lock
}

func newFeed[T any](onClose func()) *Feed[T] {
	return &Feed[T]{grown: make(chan struct{}), onClose: onClose}
}

// Next waits for the next item. Errors: that of ctx; ErrFeedClosed.
func (f *Feed[T]) Next(ctx context.Context) (item T, err error) {
	for {
		f.mu.Lock()
		closed, grown := f.closed, f.grown
		if !closed && len(f.waiting) > 0 {
			item = f.waiting[0]
			f.waiting = f.waiting[1:]
			f.mu.Unlock()
			return item, nil
		}
		f.mu.Unlock()
		if closed {
			return item, ErrFeedClosed
		}
		select {
		case <-ctx.Done():
			return item, ctx.Err()
		case <-grown:
		}
	}
}

// Close ends the feed; who waits in Next returns.
func (f *Feed[T]) Close() {
	f.mu.Lock()
	closed := f.closed
	if !closed {
		f.closed = true
		close(f.grown)
		f.grown, f.waiting = nil, nil
	}
	f.mu.Unlock()
	if !closed && f.onClose != nil {
		f.onClose()
	}
}

// put adds an item. Errors: ErrFeedClosed, errFeedFull.
func (f *Feed[T]) put(item T) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return ErrFeedClosed
	case len(f.waiting) >= feedLimit:
		return errFeedFull
	}
	f.waiting = append(f.waiting, item)
	close(f.grown)
	f.grown = make(chan struct{})
	return nil
}
