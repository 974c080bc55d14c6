package alwayson

import (
	"context"
	"fmt"
	"strings"

	wire "azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// contentColumn carries JSON text instead of a typed value in a write (read).
const contentColumn = "_content_"

// request answers a request of an edge, and has the platform remember refusals. A question for what is not there is
// none: connectors ask for every device, whether it has a Thing, and for services that only some templates have.
func (f *Front) request(ctx context.Context, s *wire.Session, r wire.Request) wire.Response {
	content, err := f.serve(thingworx.WithCaller(ctx, caller(s)), s, &r)
	if err != nil {
		if kind, _ := thingworx.KindOf(err); kind != thingworx.NotFound || !isQuestion(&r) {
			f.platform.Refused(caller(s), fmt.Sprintf("%s %s %s of %s", r.Code, r.Kind, r.Target, r.Name), err)
		}
		e := refusal(err)
		return wire.Refuse(e.Code, e.Reason)
	}
	return wire.Response{Code: wire.Success, Content: content}
}

func isQuestion(r *wire.Request) bool {
	return r.Code == wire.Get || r.Kind == wire.Service && strings.HasPrefix(r.Target, "Get")
}

func (f *Front) serve(ctx context.Context, s *wire.Session, r *wire.Request) (*infotable.Table, error) {
	switch {
	case r.Code == wire.Post && r.Kind == wire.Service:
		return f.call(ctx, r)
	case r.Entity != wire.Thing:
		return nil, thingworx.Refuse(thingworx.NotFound,
			"%s of a %s of entity type 0x%02X: only Things, and services of templates, Resources and Subsystems, are served",
			r.Code, r.Kind, uint8(r.Entity))
	case r.Code == wire.Post && r.Kind == wire.Event:
		return nil, f.platform.Fire(ctx, r.Name, r.Target, r.Params)
	case r.Code == wire.Get && r.Kind == wire.Property:
		return f.read(ctx, s, r)
	case r.Code == wire.Put && r.Kind == wire.Property:
		return nil, f.write(ctx, s, r)
	default:
		return nil, thingworx.Refuse(thingworx.Invalid, "%s of a %s is not possible: use GET or PUT of a property,"+
			" POST of a service or event", r.Code, r.Kind)
	}
}

func (f *Front) call(ctx context.Context, r *wire.Request) (*infotable.Table, error) {
	switch r.Entity {
	case wire.Thing:
		return f.platform.Call(ctx, thingworx.EntityThing, r.Name, r.Target, r.Params)
	case wire.ThingTemplate:
		return f.platform.Call(ctx, thingworx.EntityTemplate, r.Name, r.Target, r.Params)
	case wire.Resource:
		return f.platform.Call(ctx, thingworx.EntityResource, r.Name, r.Target, r.Params)
	case wire.Subsystem:
		return f.platform.Call(ctx, thingworx.EntitySubsystem, r.Name, r.Target, r.Params)
	case wire.ApplicationKey:
		return f.platform.Call(ctx, thingworx.EntityApplicationKey, r.Name, r.Target, r.Params)
	default:
		return nil, thingworx.Refuse(thingworx.NotFound, "service %s of %s: entity type 0x%02X has no services here",
			r.Target, r.Name, uint8(r.Entity))
	}
}

// read returns one property, or all of them when none is named (read): one row, one column per property. All of them,
// and one that is asked for by whoever stands for the Thing, come as they are stored.
func (f *Front) read(ctx context.Context, s *wire.Session, r *wire.Request) (*infotable.Table, error) {
	if r.Target == "" || r.Target == "*" {
		view, err := f.platform.Thing(ctx, r.Name)
		return thingworx.ValueTable(view.Properties), err
	}
	read := f.platform.Read
	if !f.platform.StandsFor(f.edge(s), r.Name) {
		read = f.platform.Fetch
	}
	view, err := read(ctx, r.Name, r.Target)
	if err != nil {
		return nil, err
	}
	return thingworx.ValueTable([]thingworx.PropertyView{view}), nil
}

// write writes one property, or with the target "*" one per column (read). What whoever stands for the Thing writes to
// its remote-bound properties is stored; what anybody else writes to them is asked of the edge.
func (f *Front) write(ctx context.Context, s *wire.Session, r *wire.Request) error {
	writes, err := f.writes(ctx, r)
	if err != nil {
		return err
	}
	if f.platform.StandsFor(f.edge(s), r.Name) {
		return f.platform.SetByEdge(ctx, r.Name, writes)
	}
	return f.platform.Set(ctx, r.Name, writes)
}

func (f *Front) writes(ctx context.Context, r *wire.Request) ([]thingworx.Write, error) {
	if r.Target == "*" {
		return thingworx.RowWrites(r.Params)
	}
	v := r.Param(r.Target)
	if content, ok := r.Param(contentColumn).Text(); ok {
		view, err := f.platform.Read(ctx, r.Name, r.Target)
		if err != nil {
			return nil, err
		}
		if v, err = tablejson.DecodeValue(view.Type, []byte(content)); err != nil {
			return nil, thingworx.Refuse(thingworx.Invalid, "property %s of Thing %s: %v", r.Target, r.Name, err)
		}
	}
	if v.IsNothing() {
		return nil, thingworx.Refuse(thingworx.Invalid, "write of property %s of Thing %s: no column %q with a value",
			r.Target, r.Name, r.Target)
	}
	return []thingworx.Write{{Property: r.Target, Value: v}}, nil
}
