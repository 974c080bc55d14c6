package thingworx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/alwayson/infotable"
)

// Edge is a connection that stands for Things.
type Edge interface {
	// NotifyPropertyUpdate tells the edge that the remote bindings of a Thing changed. It must not block.
	NotifyPropertyUpdate(thing string)
	// Ask sends one request and waits for its answer until ctx ends. The content of the answer is one row with the
	// column Name for a read, nil for a write, and that of a service as Platform.Call returns it. The error wraps
	// ErrNotSent or ErrLost, or what ended ctx, or it is a Refusal: what the edge answered.
	Ask(ctx context.Context, r EdgeRequest) (*infotable.Table, error)
	// String names the connection in reasons.
	String() string
}

// EdgeVerb says what an edge is asked to do.
type EdgeVerb uint8

// Verbs of requests to an edge.
const (
	EdgeRead EdgeVerb = iota
	EdgeWrite
	EdgeService
)

// EdgeRequest is a request of the platform to an edge.
type EdgeRequest struct {
	Verb   EdgeVerb
	Thing  string           // the Thing itself, also when another Thing's binding carries the request
	Name   string           // of the property or service, as the edge calls it
	Params *infotable.Table // of a write: one row, the column Name; of a service: one row, nil without parameters
}

// Errors of Edge.Ask, to be matched with errors.Is.
var (
	// ErrNotSent: the connection had ended before, so the edge knows nothing of the request.
	ErrNotSent = errors.New("the connection had ended")
	// ErrLost: the connection ended before the answer came.
	ErrLost = errors.New("the connection ended before the answer came")
)

// ask sends a request for a Thing to one of the edges that carry its requests: one at random, each with the same
// chance. One that has gone away meanwhile is passed over; once a request was sent, whatever becomes of it is its
// outcome. A timeout of 0 is the platform's own.
func (p *Platform) ask(ctx context.Context, t *thing, r EdgeRequest, timeout time.Duration) (*infotable.Table, error) {
	if timeout <= 0 {
		timeout = p.opts.EdgeTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.Thing = t.name
	edges := p.carriersOf(t)
	for len(edges) > 0 {
		i := p.opts.Pick(len(edges))
		answer, err := edges[i].Ask(limited, r)
		if !errors.Is(err, ErrNotSent) {
			return answer, outcome(ctx, edges[i], timeout, err)
		}
		edges = append(edges[:i], edges[i+1:]...)
	}
	return nil, p.nobody(t)
}

// outcome says how a request to an edge ended, so that its caller knows what to expect.
func outcome(ctx context.Context, e Edge, timeout time.Duration, err error) error {
	const open = "; the edge may or may not have carried it out"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLost):
		return Refuse(Failed, "%s ended before the answer came%s", e, open)
	case ctx.Err() != nil:
		return Refuse(Unbound, "nobody waits for the answer any more (%v)%s", context.Cause(ctx), open)
	case errors.Is(err, context.DeadlineExceeded):
		return Refuse(TimedOut, "no answer over %s within %v%s", e, timeout, open)
	default:
		return fmt.Errorf("over %s: %w", e, err)
	}
}

// nobody says why no edge carries the requests of a Thing.
func (p *Platform) nobody(t *thing) error {
	if group, ok := p.routingGroup(t); ok {
		return Refuse(Unbound, "nobody has bound hub Thing %s or its routing group %q: is the connector running?", t.name, group)
	}
	gateway := t.gateway()
	switch {
	case gateway == "":
		return Refuse(Unbound, "nobody stands for Thing %s: its edge is not connected, or has not bound it", t.name)
	case p.opts.NoGroupBind:
		return Refuse(Unbound, "nobody has bound Thing %s itself, and this platform ignores binds of routing groups", t.name)
	}
	g, err := p.find(gateway)
	if err != nil {
		return Refuse(Unbound, "nobody stands for Thing %s, and its gatewayThing is wrong: %v", t.name, err)
	}
	if !p.implements(g, ShapeEgressGate) {
		return Refuse(Unbound, "nobody stands for Thing %s, and its gatewayThing %s cannot carry requests: it lacks the shape %s",
			t.name, gateway, ShapeEgressGate)
	}
	group, ok := p.routingGroup(g)
	if g.groupProblem() != nil {
		return Refuse(Unbound, "nobody stands for Thing %s, and its gatewayThing %s cannot say its routing group: %v", t.name, gateway, g.groupProblem())
	}
	if !ok {
		return Refuse(Unbound, "nobody stands for Thing %s, and its gatewayThing %s has an empty routing group, which nobody can bind",
			t.name, gateway)
	}
	return Refuse(Unbound, "nobody stands for Thing %s, and nobody has bound the routing group %q of its gatewayThing %s:"+
		" is the connector running?", t.name, group, gateway)
}
