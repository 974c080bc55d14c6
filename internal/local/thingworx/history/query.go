package history

import (
	"math"
	"slices"
)

// wants tells whether a query asks for a property.
func (q Query) wants(property string) bool {
	return q.Properties == nil || slices.Contains(q.Properties, property)
}

// bounds are the first and the last time that a query asks for.
func (q Query) bounds() (from, to int64) {
	from, to = q.From, q.To
	if from == 0 {
		from = math.MinInt64
	}
	if to == 0 {
		to = math.MaxInt64
	}
	return from, to
}

// stream gives what a query asks for of one property, in its order.
type stream[T any] interface {
	head() (property string, time int64, ok bool) // of the next one, if there is one
	take() T                                      // the next one
}

// merge puts the streams of a query together.
func merge[T any](streams []stream[T], q Query) (found []T) {
	for len(found) < q.limit() {
		next := -1
		var time int64
		var property string
		for i, s := range streams {
			p, t, ok := s.head()
			if ok && (next < 0 || before(t, p, time, property) == q.Oldest) {
				next, time, property = i, t, p
			}
		}
		if next < 0 {
			break
		}
		found = append(found, streams[next].take())
	}
	return found
}

// run is a slice that is taken from its front or from its back.
type run[T any] struct {
	items []T
	back  bool
}

func (r *run[T]) peek() (item T, ok bool) {
	switch {
	case len(r.items) == 0:
		return item, false
	case r.back:
		return r.items[len(r.items)-1], true
	}
	return r.items[0], true
}

func (r *run[T]) pop() T {
	item, _ := r.peek()
	if r.back {
		r.items = r.items[:len(r.items)-1]
	} else {
		r.items = r.items[1:]
	}
	return item
}
