package platform

// byUse holds items in the order of their last use. Their links are in the nodes, so that an item is one allocation: there
// is one for each known Thing.
type byUse[T any] struct {
	first, last *node[T] // first: used last
	count       int
}

type node[T any] struct {
	before, behind *node[T]
	of             T
}

// add puts in an item that was just used.
func (b *byUse[T]) add(of T) *node[T] {
	n := &node[T]{of: of}
	b.push(n)
	return n
}

// used moves an item that is in it to the front.
func (b *byUse[T]) used(n *node[T]) {
	if b.first != n {
		b.remove(n)
		b.push(n)
	}
}

func (b *byUse[T]) push(n *node[T]) {
	n.before, n.behind = nil, b.first
	if b.first != nil {
		b.first.before = n
	} else {
		b.last = n
	}
	b.first = n
	b.count++
}

// remove takes out an item that is in it.
func (b *byUse[T]) remove(n *node[T]) {
	if n.before != nil {
		n.before.behind = n.behind
	} else {
		b.first = n.behind
	}
	if n.behind != nil {
		n.behind.before = n.before
	} else {
		b.last = n.before
	}
	n.before, n.behind = nil, nil
	b.count--
}
