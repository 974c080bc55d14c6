package platform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
)

// routingGroupService of a hub Thing tells the name of its routing group.
const routingGroupService = "GetRoutingGroup"

// askGroup asks the hub Thing for its routing group. A Thing that does not know the question is of another package,
// or of none: its group has the name that is the default, the Thing's own.
func (b *Binder) askGroup(ctx context.Context) (string, error) {
	resp, v := call(ctx, b.cfg.Socket, alwayson.CallService(b.cfg.Hub, routingGroupService, nil), b.cfg.Timeout)
	op := "read the routing group of hub Thing " + b.cfg.Hub
	switch {
	case isNotFound(resp, v):
		return b.cfg.Hub, nil
	case v != accepted:
		return "", failure(op, resp, v)
	}
	name, ok := resp.Result().Text()
	if !ok && !resp.Result().IsNothing() {
		return "", noGroup(op, "is a "+resp.Result().Type().String()+", not a text")
	}
	if !ok {
		return "", noGroup(op, "is null")
	}
	return name, checkGroup(name, op)
}

func checkGroup(name, op string) error {
	switch {
	case name == "":
		return noGroup(op, "is empty")
	case strings.TrimSpace(name) == "":
		return noGroup(op, "is blank")
	}
	return nil
}

func noGroup(op, what string) error {
	return &fault.Problem{Op: op, Class: fault.Fatal, Cause: errors.New("the routing group " + what),
		Hint: "set the routing group of the hub Thing to a name, or back to ${hub-thing-name}; or set routingGroup in the file"}
}

func (b *Binder) setGroup(name string) {
	b.group = name
	b.change(func(s *BindState) { s.Group = name })
}

// renewGroup asks for the name again, unless the file names it. A name that is none is not taken.
func (b *Binder) renewGroup(ctx context.Context) {
	if b.cfg.Group != "" {
		return
	}
	name, err := b.askGroup(ctx)
	b.cleared = err != nil && fault.ClassOf(err) == fault.Fatal
	switch {
	case b.cleared:
		b.warn("routing-group-refused", "the routing group is no name any more; the old one stays", err)
	case err != nil: // the platform is busy, or away: the name stays until it says another one
	case name != b.group:
		b.cfg.Log.Info("the routing group has changed", "event", "routing-group-changed", "hub", b.cfg.Hub, "from", b.group, "to", name)
		b.setGroup(name)
		fallthrough
	default:
		delete(b.said, "routing-group-refused")
	}
}

// bindGroup binds the group: first it gives back an old one, so that whatever the platform makes of two names for one
// hub Thing, the last that it hears is the right one. A refused bind is tried again each time.
func (b *Binder) bindGroup(ctx context.Context) {
	if b.bound != "" && b.bound != b.group {
		b.unbind(ctx, b.bound)
		b.bound = ""
	}
	if b.bound == b.group && (b.bindErr == nil || time.Now().Before(b.nextRetry)) {
		return
	}
	if b.bound != b.group {
		b.hubReached = false
		b.change(func(s *BindState) { s.Verified = false })
	}
	b.bound = b.group
	b.bind(ctx, b.group)
}

// bind binds names and notes what stands in the way.
func (b *Binder) bind(ctx context.Context, names ...string) {
	b.nextRetry = time.Now().Add(bindAgain)
	err := b.cfg.Socket.Bind(ctx, names...)
	var refusal *alwayson.Error
	if err != nil && !errors.As(err, &refusal) {
		b.bindErr = err // the connection ended, or the platform is slow
		return
	}
	b.bindErr = b.refusals()
	if b.bindErr == nil {
		delete(b.said, "bind-refused")
		return
	}
	b.warn("bind-refused", "the platform refuses a bind; trying again", b.bindErr)
}

// refused returns the Binder's names that are refused on this connection.
func (b *Binder) refused() map[string]error {
	own := map[string]error{}
	for name, err := range b.cfg.Socket.State().Refused {
		if name == b.bound || b.names[name] {
			own[name] = err
		}
	}
	return own
}

// refusals is the error of a Binder some of whose names are refused; nil if none is.
func (b *Binder) refusals() error {
	refused := b.refused()
	if len(refused) == 0 {
		return nil
	}
	first := keys(refused)[0]
	return &fault.Problem{Op: "bind " + first, Class: fault.Rejected, Cause: refused[first],
		Hint: fmt.Sprintf("%d names of hub Thing %s are refused: does each exist, with a template that derives from RemoteThing, visible to"+
			" the connector's user and bound by nobody else?", len(refused), b.cfg.Hub)}
}

func (b *Binder) unbind(ctx context.Context, names ...string) {
	if len(names) == 0 {
		return
	}
	if err := b.cfg.Socket.Unbind(ctx, names...); err != nil { // the names are off the list, and go with the connection
		b.cfg.Log.Debug("the platform did not take an unbind", "event", "unbind-refused", "hub", b.cfg.Hub, "names", len(names), "error", err)
	}
}

// settle brings the state up to date after a step.
func (b *Binder) settle() {
	now, socket, refused := time.Now(), b.cfg.Socket.State(), b.refused()
	names, err := len(b.names), b.bindErr
	if b.byGroup() {
		names = 1
	} else if refused[b.cfg.Hub] == nil && fault.ClassOf(err) == fault.Rejected {
		err = nil // of devices, which another connector may have
	}
	b.change(func(s *BindState) {
		s.Names, s.Refused, s.Err = names, len(refused), err
		switch {
		case err != nil || socket.Phase != alwayson.PhaseConnected:
			s.Since = time.Time{}
		case s.Since.IsZero() || b.session != socket.Session:
			s.Since, b.session = now, socket.Session
		}
	})
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
