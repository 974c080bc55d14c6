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
	waiters map[uint32]*waiter
	err     error // set once the connection has ended
}

// add registers a request and returns its new id. Ids count up from 1, and leave out those in use and "none".
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
	if p.waiters == nil {
		p.waiters = make(map[uint32]*waiter)
	}
	for {
		p.last++
		if p.last == 0 || p.last == noID {
			continue
		}
		if _, used := p.waiters[p.last]; !used {
			break
		}
	}
	w.callback = callback
	p.waiters[p.last] = w
	return p.last, w, nil
}

// settle hands the outcome to the sender of the request. An answer that nobody waits for is dropped.
func (p *pending) settle(id uint32, o outcome) {
	p.mu.Lock()
	w := p.waiters[id]
	delete(p.waiters, id)
	p.mu.Unlock()
	if w != nil {
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
func (p *pending) withdraw(id uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waiting := p.waiters[id]
	delete(p.waiters, id)
	return waiting
}

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
	waiters := p.waiters
	p.waiters, p.err = nil, err
	p.mu.Unlock()
	for _, w := range waiters {
		p.hand(w, outcome{err: err})
	}
}
