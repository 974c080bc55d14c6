package egress

import (
	"container/list"
	"context"
	"sync"
	"time"

	"azx/internal/message"
)

const (
	maxTwins = 16 << 20 // bytes of the twins known
	eachTwin = 1024     // bytes that one takes besides its parts
)

// twins keeps what the hub said of twins last, and reads them again when they are too old. Of those who want one at the
// same time, one reads.
type twins struct {
	hub   Hub
	quiet quiet

	mu     sync.Mutex
	looks  int64 // counts what happens, to tell what was first
	known  map[message.Target]*list.Element
	recent list.List // of *known, the last used first
	bytes  int
	flight map[message.Target]*flight
}

// known is a twin as the hub had it at asOf, or later.
type known struct {
	Twin
	target  message.Target
	asOf    time.Time
	asked   int64 // the question that it answers, or a later one that it would
	kept    int64 // when it was kept, among the questions
	suspect bool  // a change may have been missed
	pushed  int64 // version that the platform has got; 0 for none
}

// look is the moment at which a question to the hub began: the count tells what was first where the clock does not.
type look struct {
	at    time.Time
	count int64
}

// flight is a read that is under way.
type flight struct {
	look
	done  chan struct{} // closed at its end; then:
	known known
	err   error
	gone  bool // its reader was gone before the answer: err says nothing about the hub
}

func (t *twins) init(hub Hub) {
	t.hub, t.known, t.flight = hub, map[message.Target]*list.Element{}, map[message.Target]*flight{}
}

// read returns a twin as the hub had it at a moment that has been, or later.
func (t *twins) read(ctx context.Context, of message.Target, since look) (known, error) {
	for {
		k, f, mine := t.find(of, since)
		switch {
		case f == nil:
			return k, nil
		case mine:
			t.fetch(ctx, of, f)
			return f.known, f.err
		}
		select {
		case <-ctx.Done():
			return known{}, ctx.Err()
		case <-f.done:
		}
		switch {
		case f.gone: // the next one reads
		case f.err != nil:
			return known{}, f.err
		case !f.at.Before(since.at) && f.count >= since.count:
			return f.known, nil
		}
	}
}

// find returns the twin if it is known as of since; else the read that is under way, or a new one that is the caller's.
func (t *twins) find(of message.Target, since look) (k known, f *flight, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.get(of); k != nil && !k.suspect && !k.asOf.Before(since.at) && k.asked >= since.count {
		return *k, nil, false
	}
	if f := t.flight[of]; f != nil {
		return known{}, f, false
	}
	t.looks++
	f = &flight{look: look{time.Now(), t.looks}, done: make(chan struct{})}
	t.flight[of] = f
	return known{}, f, true
}

// fetch asks the hub, and tells all who wait for the flight.
func (t *twins) fetch(ctx context.Context, of message.Target, f *flight) {
	defer func() {
		t.mu.Lock()
		delete(t.flight, of)
		t.mu.Unlock()
		close(f.done)
	}()
	f.gone = true // until the hub has said something
	twin, err := t.hub.Twin(ctx, of)
	f.err, f.gone = err, err != nil && ctx.Err() != nil
	if err == nil {
		f.known = t.keep(of, twin, f.look)
	}
}

// look is now.
func (t *twins) look() look {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looks++
	return look{time.Now(), t.looks}
}

// keep remembers what the hub answered to a question, unless something newer is known, and returns what is known then.
func (t *twins) keep(of message.Target, twin Twin, asked look) known {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := known{Twin: twin, target: of, asOf: asked.at, asked: asked.count}
	if old := t.get(of); old != nil {
		if asked.count < old.kept && twin.Version < old.Version { // overtaken: what is known is newer than the answer
			if asked.at.After(old.asOf) {
				old.asOf = asked.at
			}
			old.asked = max(old.asked, asked.count)
			return *old
		}
		if k.pushed = old.pushed; k.pushed > twin.Version {
			k.pushed = 0 // the device was made anew
		}
	}
	t.put(k)
	return k
}

// get returns the twin known, under the lock.
func (t *twins) get(of message.Target) *known {
	e := t.known[of]
	if e == nil {
		return nil
	}
	t.recent.MoveToFront(e)
	return e.Value.(*known)
}

// put remembers a twin, under the lock, and forgets those that were not used for the longest time.
func (t *twins) put(k known) {
	t.looks++
	k.kept = t.looks
	t.forget(t.known[k.target])
	t.known[k.target] = t.recent.PushFront(&k)
	t.bytes += k.size()
	for t.bytes > maxTwins {
		t.forget(t.recent.Back())
	}
}

// Forget drops what is known of the twins of a device's Thing, its modules' too; "" means of all. Each is read from the
// hub when it is asked for next.
func (d *Dispatcher) Forget(thing string) {
	device, ok := message.DeviceID(thing)
	t := &d.twins
	t.mu.Lock()
	defer t.mu.Unlock()
	for target, e := range t.known {
		if thing == "" || ok && target.Device == device {
			t.forget(e)
		}
	}
}

func (t *twins) forget(e *list.Element) {
	if e == nil {
		return
	}
	k := t.recent.Remove(e).(*known)
	delete(t.known, k.target)
	t.bytes -= k.size()
}

func (k *known) size() int {
	return eachTwin + len(k.target.Device) + len(k.target.Module) + len(k.ETag) + len(k.Desired) + len(k.Reported) + len(k.Tags)
}

// last returns the twin known last, however old.
func (t *twins) last(of message.Target) (known, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.get(of); k != nil {
		return *k, true
	}
	return known{}, false
}

// suspect makes the next read of a twin ask the hub.
func (t *twins) suspect(of message.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.get(of); k != nil {
		k.suspect = true
	}
}
