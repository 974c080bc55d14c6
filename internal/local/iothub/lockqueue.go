package iothub

import (
	"crypto/rand"
	"slices"
	"time"
)

// lockTime is how long who received an item has it for himself: a minute, fixed (read).
const lockTime = time.Minute

// lockQueue is a first-in first-out queue whose items are locked while somebody works on them. An item whose lock ends is
// there again, at its old place. It has no lock of its own: its owner's guards it.
type lockQueue[T any] struct {
	items []*queued[T]
	grown chan struct{} // closed and replaced when an item may have become free
}

type queued[T any] struct {
	value       T
	token       string
	lockedUntil time.Time // zero when it is free
	abandoned   int       // times it was given back as not worked on
}

func (q *lockQueue[T]) push(value T) {
	q.items = append(q.items, &queued[T]{value: value})
	q.wake()
}

// take locks the first free item; nil when there is none.
func (q *lockQueue[T]) take(now time.Time) *queued[T] {
	for _, item := range q.items {
		if now.Before(item.lockedUntil) {
			continue
		}
		item.token, item.lockedUntil = rand.Text(), now.Add(lockTime)
		return item
	}
	return nil
}

// locked finds the item that token has locked; nil when the lock is lost.
func (q *lockQueue[T]) locked(token string, now time.Time) *queued[T] {
	i := slices.IndexFunc(q.items, func(item *queued[T]) bool { return item.token == token && now.Before(item.lockedUntil) })
	if i < 0 {
		return nil
	}
	return q.items[i]
}

// remove takes an item out.
func (q *lockQueue[T]) remove(item *queued[T]) {
	q.items = slices.DeleteFunc(q.items, func(other *queued[T]) bool { return other == item })
}

// release ends the lock of an item.
func (q *lockQueue[T]) release(item *queued[T]) {
	item.token, item.lockedUntil = "", time.Time{}
	q.wake()
}

// filter removes the items for which drop is true and returns them.
func (q *lockQueue[T]) filter(drop func(item *queued[T]) bool) []T {
	var dropped []T
	q.items = slices.DeleteFunc(q.items, func(item *queued[T]) bool {
		if !drop(item) {
			return false
		}
		dropped = append(dropped, item.value)
		return true
	})
	return dropped
}

// waiting returns a channel that is closed when an item may have become free, and when the next lock ends (zero: none).
func (q *lockQueue[T]) waiting() (grown <-chan struct{}, next time.Time) {
	if q.grown == nil {
		q.grown = make(chan struct{})
	}
	for _, item := range q.items {
		if until := item.lockedUntil; !until.IsZero() && (next.IsZero() || until.Before(next)) {
			next = until
		}
	}
	return q.grown, next
}

func (q *lockQueue[T]) wake() {
	if q.grown != nil {
		close(q.grown)
		q.grown = nil
	}
}
