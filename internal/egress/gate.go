package egress

import (
	"context"
	"sync"
)

// gate lets so many requests in at once, while it is open.
type gate struct {
	most   int
	mu     sync.Mutex
	life   context.Context // ends when requests in flight have to; nil while closed
	inside int
	closed bool
	empty  chan struct{} // closed when the gate is, and nobody is inside any more
}

func (g *gate) init(most int) { g.most, g.empty = most, make(chan struct{}) }

func (g *gate) open(life context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.life = life
}

// close lets nobody in any more. The channel is closed when the last one has left.
func (g *gate) close() (empty <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.inside == 0 {
		close(g.empty)
	}
	return g.empty
}

// enter lets a request in until it calls leave. The context returned ends with the request's own, and with the gate's.
func (g *gate) enter(ctx context.Context) (in context.Context, leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.life == nil || g.closed:
		return nil, nil, ErrStopped
	case g.inside >= g.most:
		return nil, nil, ErrBusy
	}
	g.inside++
	in, end := context.WithCancelCause(ctx)
	stop := context.AfterFunc(g.life, func() { end(ErrStopped) })
	return in, func() {
		stop()
		end(nil)
		g.left()
	}, nil
}

func (g *gate) left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.closed {
		close(g.empty)
	}
}
