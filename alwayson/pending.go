package alwayson

import "sync"

// outcome is how a request ended.
type outcome struct {
	response Response
	header   Header // of the response; its ids are what AUTH is after
	err      error
}

// waiter is where the sender of a request waits, or what is called instead.
type waiter struct {
	done     chan outcome // holds one
	callback func(Response, error)
}

// pending holds the requests of this side that wait for an answer.
type pending struct {
	pool sync.Pool // of *waiter

	mu      sync.Mutex
	last    uint32
	waiting int
	slots   []slot // a power of two: a request is in the one that the low bits of its id say
	err     error  // set once the connection has ended
}

// slot holds a request; w is nil if it is free.
type slot struct {
	id uint32
	w  *waiter
}

const leastSlots = 64

// add registers a request and returns its new id. Ids count up from 1, and leave out "none" and those whose slot is in use.
func (p *pending) add(callback func(Response, error)) (uint32, *waiter, error) {
	w, _ := p.pool.Get().(*waiter)
	if w == nil {
		w = &waiter{done: make(chan outcome, 1)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, nil, p.err
	}
	if 2*p.waiting >= len(p.slots) {
		p.grow()
	}
	for {
		p.last++
		if p.last == 0 || p.last == noID {
			continue
		}
		if p.slot(p.last).w == nil {
			break
		}
	}
	w.callback = callback
	*p.slot(p.last) = slot{p.last, w}
	p.waiting++
	return p.last, w, nil
}

func (p *pending) slot(id uint32) *slot { return &p.slots[int(id)&(len(p.slots)-1)] }

func (p *pending) grow() {
	old := p.slots
	p.slots = make([]slot, max(leastSlots, 2*len(old)))
	for _, s := range old {
		if s.w != nil {
			*p.slot(s.id) = s
		}
	}
}

// take frees the slot of a request and returns its waiter, nil if the request does not wait any more.
func (p *pending) take(id uint32) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.slots) == 0 {
		return nil
	}
	s := p.slot(id)
	if s.w == nil || s.id != id {
		return nil
	}
	w := s.w
	*s = slot{}
	p.waiting--
	return w
}

// settle hands the outcome to the sender of the request. An answer that nobody waits for is dropped.
func (p *pending) settle(id uint32, o outcome) {
	if w := p.take(id); w != nil {
		p.hand(w, o)
	}
}

func (p *pending) hand(w *waiter, o outcome) {
	if w.callback == nil {
		w.done <- o
		return
	}
	callback := w.callback
	w.callback = nil
	p.pool.Put(w)
	callback(o.response, o.err)
}

// withdraw takes back a request that was not sent. It reports false if its callback was or is being called,
// since the connection ended.
func (p *pending) withdraw(id uint32) bool { return p.take(id) != nil }

// abandon takes a request back whose sender waits no longer, and reuses its waiter.
func (p *pending) abandon(id uint32, w *waiter) {
	if !p.withdraw(id) {
		<-w.done // its outcome is there or on its way
	}
	p.pool.Put(w)
}

// fail settles all requests with err and refuses later ones.
func (p *pending) fail(err error) {
	p.mu.Lock()
	slots := p.slots
	p.slots, p.waiting, p.err = nil, 0, err
	p.mu.Unlock()
	for _, s := range slots {
		if s.w != nil {
			p.hand(s.w, outcome{err: err})
		}
	}
}
