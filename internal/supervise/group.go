// Package supervise starts, names and waits for the goroutines of a process.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// Group owns goroutines. The first one that ends with an error stops the others;
// Wait returns only when all have ended.
type Group struct {
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu    sync.Mutex
	cause error
}

// New returns a Group whose goroutines end when ctx ends, when one of them fails, or at Stop.
func New(ctx context.Context) *Group {
	ctx, cancel := context.WithCancel(ctx)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context ends when the group is told to stop.
func (g *Group) Context() context.Context { return g.ctx }

// Go runs run in a goroutine of the group. The name says in errors whose failure stopped the group.
// A panic in run is an error of run: the others get to close their files before the process ends.
func (g *Group) Go(name string, run func(ctx context.Context) error) {
	g.wait.Go(func() {
		if err := guard(g.ctx, run); err != nil {
			g.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// Stop asks every goroutine of the group to end. It does not wait.
func (g *Group) Stop() { g.cancel() }

// Wait returns when every goroutine has ended, with the first error that was not a mere echo of the stop.
func (g *Group) Wait() error {
	g.wait.Wait()
	g.cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil && (g.ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		g.cause = err
	}
	g.cancel()
}

func guard(ctx context.Context, run func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx)
}
