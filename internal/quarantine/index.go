package quarantine

import (
	"container/list"
	"slices"
)

// index knows where the kept records are and which go next. What it does depends on the sequence of
// lines alone, so that a replay of the journal arrives at the same records.
type index struct {
	limits  ShelfLimits
	devices map[key]*device
	silent  *list.List // of *device, the one that has been silent longest in front
	order   *list.List // of *entry, oldest in front
	live    int64      // bytes of all entries
}

// key names a device: ids of two hubs may be the same.
type key struct{ hub, device string }

type device struct {
	key     key
	entries []*entry // oldest first
	element *list.Element
}

type entry struct {
	at      place
	device  *device
	element *list.Element
}

func newIndex(limits ShelfLimits) *index {
	return &index{limits: limits, devices: map[key]*device{}, silent: list.New(), order: list.New()}
}

// apply takes in a line of the journal and returns how many records had to go for it.
func (x *index) apply(of key, m mark, at place) (evicted int) {
	switch {
	case m.Base:
		return 0
	case m.Forget != "":
		x.forgetMarked(m)
		return 0
	}
	d := x.put(of, at)
	for len(d.entries) > x.limits.PerDevice {
		x.remove(d.entries[0])
		evicted++
	}
	for len(x.devices) > x.limits.Devices {
		quiet := x.silent.Front().Value.(*device)
		evicted += len(quiet.entries)
		x.forget(quiet.key, quiet.entries[len(quiet.entries)-1].at.id)
	}
	for x.live > x.limits.Bytes {
		x.remove(x.order.Front().Value.(*entry))
		evicted++
	}
	return evicted
}

func (x *index) put(of key, at place) *device {
	d := x.devices[of]
	if d == nil {
		d = &device{key: of}
		d.element = x.silent.PushBack(d)
		x.devices[of] = d
	}
	x.silent.MoveToBack(d.element)
	e := &entry{at: at, device: d}
	e.element = x.order.PushBack(e)
	d.entries = append(d.entries, e)
	x.live += at.length
	return d
}

// forgetMarked does what a mark says: an older one does not name the hub.
func (x *index) forgetMarked(m mark) {
	if m.Of != "" {
		x.forget(key{m.Of, m.Forget}, m.UpTo)
		return
	}
	for of := range x.devices {
		if of.device == m.Forget {
			x.forget(of, m.UpTo)
		}
	}
}

func (x *index) forget(of key, upTo uint64) {
	d := x.devices[of]
	for d != nil && len(d.entries) > 0 && d.entries[0].at.id <= upTo {
		x.remove(d.entries[0])
	}
}

// remove takes out an entry, and its device with the last one.
func (x *index) remove(e *entry) {
	d := e.device
	d.entries = slices.DeleteFunc(d.entries, func(other *entry) bool { return other == e })
	x.order.Remove(e.element)
	x.live -= e.at.length
	if len(d.entries) == 0 {
		x.silent.Remove(d.element)
		delete(x.devices, d.key)
	}
}

func (x *index) of(of key) []*entry {
	if d := x.devices[of]; d != nil {
		return d.entries
	}
	return nil
}

func (x *index) devicesOf(hub string) []string {
	var all []string
	for of := range x.devices {
		if of.hub == hub {
			all = append(all, of.device)
		}
	}
	return all
}

// places are those of all entries, oldest first, to be updated in place.
func (x *index) places() []*place {
	all := make([]*place, 0, x.order.Len())
	for e := x.order.Front(); e != nil; e = e.Next() {
		all = append(all, &e.Value.(*entry).at)
	}
	return all
}
