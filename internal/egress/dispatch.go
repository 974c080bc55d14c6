// Package egress carries the platform's requests to devices and modules: property writes, service calls, messages
// and twins, each with a deadline and one definite outcome.
//
// Start here: a Dispatcher lets a request in (gate.go), finds whom it is for (address.go) and carries it: a write waits
// shortly for others of its Thing and travels with them (writes.go, deliver.go), a service is a direct method (call.go),
// a twin is read from the hub and kept for a moment (twin.go, twins.go), and any other property is read from what the
// platform acknowledged last. change.go hears of twins that changed, outcome.go of what became of messages.
package egress

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/supervise"
)

// Dispatcher carries requests to devices and modules. All methods may be called from any goroutine.
type Dispatcher struct {
	Config
	live    atomic.Pointer[Settings]
	gate    gate
	writes  writes
	twins   twins
	changes changes
	told    told
}

// New returns a Dispatcher, which lets requests in while Run runs. The error is CheckWriteVia's.
func New(c Config) (*Dispatcher, error) {
	d := &Dispatcher{Config: c.withDefaults()}
	d.gate.init(d.MaxRequests)
	d.writes.init(func() time.Duration { return d.now().WriteWindow }, d.deliver)
	d.twins.init(d.Hub)
	d.changes.init()
	return d, d.Change(c.settings())
}

// Run lets requests in until ctx ends. Those in flight then have DrainTimeout to end by themselves before they are
// ended. It is called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	group := supervise.New(life)
	d.writes.group = group
	for _, queue := range d.changes.queues {
		group.Go("twin changes", func(ctx context.Context) error { return d.hearChanges(ctx, queue) })
	}
	d.gate.open(group.Context())
	select {
	case <-ctx.Done():
	case <-group.Context().Done(): // something of ours broke
	}
	empty := d.gate.close()
	drain := time.NewTimer(d.DrainTimeout)
	defer drain.Stop()
	select {
	case <-empty:
	case <-drain.C:
	case <-group.Context().Done():
	}
	end(ErrStopped)
	<-empty
	return group.Wait()
}

// Handle carries one request and returns its answer: the value of a read, the result of a call, and of a write or of
// AzureIotSendMessage the id of the message that the hub took, NOTHING if it went out another way. Every request ends
// before the platform gives it up. Errors are fault.Problems whose texts and hints are for people; see ErrBusy.
func (d *Dispatcher) Handle(ctx context.Context, r message.Request) (v infotable.Value, err error) {
	j := &job{Request: r, start: time.Now(), op: operation(r)}
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Panicked(j.op, cause, debug.Stack())
		}
		d.Meter.Ended(r.Verb, j.kind, j.outcome(err), time.Since(j.start))
	}()
	if err := j.find(d.HubThing); err != nil {
		return v, err
	}
	if j.kind == kindPing {
		return v, nil
	}
	ctx, leave, err := d.gate.enter(ctx)
	if err != nil {
		return v, busy(j.op, err)
	}
	defer leave()
	v, err = d.carry(ctx, j)
	return v, explain(ctx, j.op, err)
}

// carry brings one request on its way.
func (d *Dispatcher) carry(ctx context.Context, j *job) (infotable.Value, error) {
	if j.kind == kindService {
		return d.call(ctx, j) // the Thing says how long that may take
	}
	ctx, cancel := j.within(ctx, 0)
	defer cancel()
	read := j.Verb == message.VerbRead
	switch {
	case j.kind == kindHub:
		return d.ofHubThing(ctx, j)
	case j.kind == kindTwin && read:
		return d.readTwin(ctx, j)
	case j.kind == kindTwin:
		return d.writeTwin(ctx, j)
	case read:
		return d.last(j)
	default:
		return d.writes.write(ctx, j)
	}
}

// last returns the last value that the platform acknowledged: devices cannot be asked for one.
func (d *Dispatcher) last(j *job) (infotable.Value, error) {
	v, _, ok := d.Things.Last(j.Thing, j.Name)
	if !ok {
		return v, &fault.Problem{Op: j.op, Class: fault.Transient, Cause: errNoValue,
			Hint: "devices cannot be asked for a value: wait until it sends one, or let the remote binding read from the platform's cache"}
	}
	return v, nil
}
