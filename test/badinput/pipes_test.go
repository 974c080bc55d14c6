package badinput

import "sync"

// pipes are goroutines that carry bytes, each with what ends it.
type pipes struct {
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	ends   []func()
}

// open runs a goroutine that returns soon after end was called.
func (p *pipes) open(end, run func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		end()
		return
	}
	p.ends = append(p.ends, end)
	p.running.Go(run)
}

// close ends all of them and waits.
func (p *pipes) close() {
	p.mu.Lock()
	p.closed = true
	for _, end := range p.ends {
		end()
	}
	p.mu.Unlock()
	p.running.Wait()
}
