package platform

// keptCapacity is how many items an empty queue keeps room for.
const keptCapacity = 256

// fifo is a queue that gives its memory back to itself: steady use does not allocate.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(v T) {
	if q.head > 32 && q.head > len(q.items)/2 {
		kept := copy(q.items, q.items[q.head:])
		clear(q.items[kept:])
		q.items, q.head = q.items[:kept], 0
	}
	q.items = append(q.items, v)
}

// prepend puts vs before everything that waits.
func (q *fifo[T]) prepend(vs []T) {
	joined := make([]T, 0, len(vs)+q.len())
	joined = append(append(joined, vs...), q.items[q.head:]...)
	q.items, q.head = joined, 0
}

// first returns the item that pop would return; the queue must not be empty.
func (q *fifo[T]) first() T { return q.items[q.head] }

func (q *fifo[T]) pop() T {
	var none T
	v := q.items[q.head]
	q.items[q.head] = none
	q.head++
	switch {
	case q.head < len(q.items):
		return v
	case cap(q.items) > keptCapacity: // a burst is over
		q.items = nil
	}
	q.items, q.head = q.items[:0], 0
	return v
}
