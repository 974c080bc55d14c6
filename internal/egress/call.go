package egress

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

const (
	leastResponse = 5 * time.Second // that the hub takes (read: iot-hub-devguide-direct-methods.md)
	mostAnswer    = 1000            // bytes of an answer that an error shows
)

// call runs a remote service as a direct method of the same name.
func (d *Dispatcher) call(ctx context.Context, j *job) (infotable.Value, error) {
	s, err := d.declared(ctx, j)
	if err != nil {
		return infotable.Nothing(), err
	}
	ctx, cancel := j.within(ctx, s.Timeout)
	defer cancel()
	payload, err := mapping.Params(j.Params)
	if err != nil {
		return infotable.Nothing(), &fault.Problem{Op: j.op, Class: fault.Rejected, Cause: err, Hint: "parameters have to fit a JSON object"}
	}
	answer, err := d.invoke(ctx, j.target, Method{Name: j.name, Payload: payload}, d.now().Methods.of(j.Name))
	if err != nil {
		return infotable.Nothing(), err
	}
	v, err := mapping.Result(answer.Payload, s)
	if err != nil {
		return v, &fault.Problem{Op: j.op, Class: fault.Rejected, Cause: &AnswerError{Result: s.Result.String(), Cause: err},
			Hint: "change what the device answers, or the result's base type"}
	}
	return v, nil
}

func (d *Dispatcher) declared(ctx context.Context, j *job) (mapping.Service, error) {
	ctx, cancel := j.within(ctx, 0)
	defer cancel()
	s, err := d.Things.Service(ctx, j.Thing, j.Name)
	if err != nil {
		return s, fmt.Errorf("ask for the service's result: %w", err)
	}
	return s, nil
}

// invoke runs a direct method. An answer with a status other than 2xx is an error.
func (d *Dispatcher) invoke(ctx context.Context, to message.Target, m Method, times Times) (Answer, error) {
	m.Connect, m.Response = times.before(ctx)
	a, err := d.Hub.Call(ctx, to, m)
	if err == nil && (a.Status < 200 || a.Status > 299) {
		err = &fault.Problem{
			Op: "call " + short(m.Name, mostName) + " of " + to.String(), Class: fault.Rejected,
			Cause: &StatusError{Status: a.Status, Payload: short(string(a.Payload), mostAnswer)},
		}
	}
	return a, err
}

// of returns the time-outs of a service.
func (m Methods) of(edgeName string) Times {
	own, ok := m.Services[edgeName]
	if !ok {
		return m.Times
	}
	return Times{own.Connect, cmp.Or(own.Response, m.Response)}
}

// before cuts the time-outs in whole seconds to what is left of the request's time: first the one for connecting. The
// hub takes no response time-out under 5 s; with less time left than that, ctx ends the call.
func (t Times) before(ctx context.Context) (connect, response time.Duration) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return t.Connect, t.Response
	}
	left := time.Until(deadline).Truncate(time.Second)
	connect = min(t.Connect, max(0, left-leastResponse))
	return connect, max(leastResponse, min(t.Response, left-connect))
}
