package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
)

// hubSide is all that lasts for one hub: what the file has of it, its keys, and how it stands. While the hub is served, a
// carrier has the rest.
type hubSide struct {
	*connector
	thing   string                     // the hub Thing
	file    atomic.Pointer[config.Hub] // the hub as the file has it
	keys    *keys                      // its connection strings as they are now
	state   state
	carried atomic.Pointer[carrier] // nil while nothing is carried
	wake    chan struct{}           // holds one token: what made the hub fail may be mended
	anew    chan struct{}           // holds one token: the hub is to begin anew, with other settings
	uses    []use                   // the settings that were told; of the goroutine of run
	grouped chan struct{}           // closed once the start need not wait for the routing group
	group   sync.Once               // closes it
	binding sync.Once               // has what is bound watched
}

func newHubSide(c *connector, h *config.Hub) *hubSide {
	s := &hubSide{
		connector: c, thing: h.Thing, keys: newKeys(h),
		wake: make(chan struct{}, 1), anew: make(chan struct{}, 1), grouped: make(chan struct{}),
		state: state{start: errStarting, hubErr: errStarting},
	}
	s.file.Store(h)
	return s
}

// How long a hub rests that waiting alone does not mend, unless somebody changes a setting.
const (
	leastRest = 5 * time.Second
	mostRest  = time.Minute
)

// run serves the hub until ctx ends. What waiting does not mend is tried again slowly while other hubs are served. The
// error ends the process: that of the last hub, a bad routing group at the start, or a fault of the connector itself.
func (h *hubSide) run(ctx context.Context) error {
	rest := fault.Backoff{Min: leastRest, Max: mostRest}
	var said error
	for {
		began := time.Now()
		err := h.serve(ctx)
		if ctx.Err() != nil || err != nil && h.endsAll(err) {
			return err
		}
		if err == nil { // to begin anew
			continue
		}
		h.groupSettled()
		if time.Since(began) > mostRest { // it was served meanwhile
			rest.Reset()
			said = nil
		}
		if !fault.Same(err, said) {
			h.tellHubFailed(err)
		}
		said = err
		h.rest(ctx, rest.Next())
	}
}

// serve finds out what the hub is, and carries its messages and requests until ctx ends or the hub fails. It returns nil
// if it is to begin anew.
func (h *hubSide) serve(ctx context.Context) error {
	take(h.anew)
	k, err := h.settle(ctx)
	if err == nil {
		err = k.open()
	}
	switch {
	case ctx.Err() != nil:
		return nil // stopped while waiting
	case err != nil:
		h.state.setStart(err)
		return err
	}
	h.state.setStart(nil)
	if err = k.carry(ctx); err != nil && ctx.Err() == nil {
		h.state.fail(err)
	}
	return err
}

// endsAll reports whether an error of the hub ends the connector.
func (h *hubSide) endsAll(err error) bool {
	if errors.As(err, new(*startError)) && !h.start.over() {
		return true
	}
	ofHub := errors.As(err, new(*HubError)) || errors.As(err, new(*fault.Problem))
	return !ofHub || h.start.failed(h) == len(h.hubs)
}

// rest waits a while, or until something may be mended.
func (h *hubSide) rest(ctx context.Context, a time.Duration) {
	timer := time.NewTimer(a)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-h.wake:
	case <-timer.C:
	}
}

// groupSettled lets the other hubs go on: the routing group is known, or will not be soon.
func (h *hubSide) groupSettled() { h.group.Do(func() { close(h.grouped) }) }

// signal puts the token into a channel that holds one.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// take takes the token out, if it is there.
func take(from <-chan struct{}) {
	select {
	case <-from:
	default:
	}
}

// HubError is an error of the hub that waiting does not mend, such as a consumer group that is not there.
type HubError struct{ Cause error }

// Error is the cause's.
func (e *HubError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *HubError) Unwrap() error { return e.Cause }
