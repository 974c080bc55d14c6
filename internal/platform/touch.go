package platform

// touchBodies has the processor fetch the bodies of the batch. They have left the cache; asked for one after the other without any
// work in between, they come at the same time.
func (h *hand) touchBodies() {
	const line = 64
	for _, q := range h.batch {
		if m := q.Message; m != nil {
			for at := 0; at < len(m.Body); at += line {
				h.touched ^= m.Body[at]
			}
		}
	}
}

// touch does the same with what is looked at when items end.
func (h *hand) touch(items []item) {
	for i := range items {
		q := items[i].queued
		h.touched ^= byte(q.Members)
		if q.Message != nil {
			h.touched ^= byte(len(q.Message.Hub))
		}
	}
}
