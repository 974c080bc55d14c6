package presence

// queue is a heap of devices by when they are due. A device knows its place, so it can leave from the middle.
//
// A message does not touch the queue: it moves the time at which its device is really due, and that is looked at when the
// old time comes.
type queue []*device

func (q *queue) add(d *device) {
	d.place = int32(len(*q))
	*q = append(*q, d)
	q.up(int(d.place))
}

func (q *queue) remove(d *device) {
	i, last := int(d.place), len(*q)-1
	q.swap(i, last)
	(*q)[last] = nil
	*q = (*q)[:last]
	if i < last {
		q.fix(i)
	}
}

// fix puts the device at a place where it belongs, now that it is due at another time.
func (q *queue) fix(i int) {
	if !q.down(i) {
		q.up(i)
	}
}

func (q queue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if q[parent].due <= q[i].due {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q queue) down(i int) (moved bool) {
	for {
		child := 2*i + 1
		if child >= len(q) {
			return moved
		}
		if right := child + 1; right < len(q) && q[right].due < q[child].due {
			child = right
		}
		if q[i].due <= q[child].due {
			return moved
		}
		q.swap(i, child)
		i, moved = child, true
	}
}

func (q queue) swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = int32(i), int32(j)
}
