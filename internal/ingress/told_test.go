package ingress

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// ear collects what is told.
type ear struct {
	mu  sync.Mutex
	all []string
}

func (e *ear) hear(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, fmt.Sprintf(format, args...))
}

func (e *ear) want(t *testing.T, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.all, want) {
		t.Errorf("told is %q, want %q", e.all, want)
	}
	e.all = nil
}

func (r *rig) listen() *ear {
	e := &ear{}
	r.aside.Told = func(d Dead) { e.hear("%s %s/%s", d.DeviceID, d.Stage, d.Reason) }
	r.aside.Failed = func(err error) { e.hear("%v", err) }
	r.flow.Failed = func(err error) { e.hear("%v", err) }
	r.flow.Lost = func(partition string, err error) { e.hear("lost %s: %v", partition, err) }
	return e
}

func TestWhoeverWantsToHearsWhatWasPutAsideAndWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(q *delivery.Queued) *delivery.Outcome {
			if q.Thing == "good" {
				return &delivery.Outcome{}
			}
			if q.Thing == "nobody" {
				return &delivery.Outcome{Kind: delivery.NoThing, Reason: "no-thing"}
			}
			return &delivery.Outcome{Kind: delivery.Refused, Reason: "wrong-type", Err: fault.Reject("map", "", "no")}
		}
		r := newRig(KeepUnknown, refuse, msg(0, "good", `{"a":1}`), msg(1, "bad", `{"a":`), msg(2, "odd", `{"a":1}`), msg(3, "nobody", `{"a":1}`))
		e := r.listen()
		stop := r.start(t)
		elapse(time.Second)
		e.want(t, "bad decode/undecodable", "odd write/wrong-type")
		stop()
	})
}

func TestAFailureIsToldOnceUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "bad", `{"a":`), msg(1, "good", `{"a":1}`))
		r.hub.refuse = 3
		r.quarantine.err = errors.New("the disk is full")
		e := r.listen()
		stop := r.start(t)
		elapse(time.Minute)
		e.want(t, "lost 0: receive: connection refused", "store messages in quarantine: the disk is full")
		r.quarantine.heal()
		elapse(time.Minute)
		e.want(t, "bad decode/undecodable")
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "good", `{"a":1}`))
		r.store.err = errors.New("the disk is full")
		e := r.listen()
		stop := r.start(t)
		elapse(time.Minute)
		e.want(t, "save checkpoint of partition 0: the disk is full")
		stop()
	})
}
