package thingworx

import (
	"context"
	"sync/atomic"
)

// Bounds of what waits to be run, and of what runs at once.
const (
	maxJobs    = 10_000
	maxWorkers = 8
)

// job is something that runs while its caller goes on.
type job struct {
	what string
	as   *acting // nil: the platform itself
	run  func(ctx context.Context) error
}

// queue holds what waits to be run by the workers of Run.
type queue struct {
	jobs    chan job
	dropped atomic.Uint64
}

func newQueue() queue { return queue{jobs: make(chan job, maxJobs)} }

// add puts a job into the queue, or refuses it when the queue is full.
func (q *queue) add(j job) error {
	select {
	case q.jobs <- j:
		return nil
	default:
		q.dropped.Add(1)
		return Refuse(Forbidden, "%d runs of subscriptions and services wait already, so this one is dropped", maxJobs)
	}
}

// work runs jobs until ctx ends.
func (p *Platform) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case j := <-p.queue.jobs:
			as := context.WithValue(ctx, callerKey{}, j.as)
			if err := j.run(as); err != nil && ctx.Err() == nil {
				p.log(as, "error", j.what, err.Error())
			}
		}
	}
}
