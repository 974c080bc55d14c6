package thingworx

import (
	"context"
	"slices"
	"sync"
	"testing"

	"azx/alwayson/infotable"
)

// fakeEdge is an edge that remembers what it was told and asked. It answers as serve does, without it with nothing.
type fakeEdge struct {
	name  string
	serve func(context.Context, EdgeRequest) (*infotable.Table, error)

	mu    sync.Mutex
	told  []string
	asked []EdgeRequest
}

func (e *fakeEdge) String() string { return e.name }

func (e *fakeEdge) NotifyPropertyUpdate(thing string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, thing)
}

func (e *fakeEdge) Ask(ctx context.Context, r EdgeRequest) (*infotable.Table, error) {
	e.mu.Lock()
	e.asked = append(e.asked, r)
	e.mu.Unlock()
	if e.serve == nil {
		return nil, nil
	}
	return e.serve(ctx, r)
}

func connected(t *testing.T, p *Platform, thing string) bool {
	t.Helper()
	v, err := p.Thing(t.Context(), thing)
	must(t, err)
	return v.Connected
}

func TestTheFirstToBindKeepsAThing(t *testing.T) {
	p := plant(t, Options{})
	a, b := &fakeEdge{name: "edge a"}, &fakeEdge{name: "edge b"}
	must(t, p.Bind(t.Context(), a, []string{"Pump-1"}))
	must(t, p.Bind(t.Context(), a, []string{"Pump-1"}))
	refused(t, p.Bind(t.Context(), b, []string{"Pump-1"}), Forbidden, "bind Pump-1: edge a stands for it already")
	refused(t, p.Bind(t.Context(), b, []string{"Pump-9"}), NotFound, `there is no Thing "Pump-9"`)
	refused(t, p.Bind(t.Context(), b, []string{"*serial"}), NotFound, "no Thing has that identifier")
	refused(t, p.Bind(t.Context(), b, []string{thingRepository}), Forbidden, "is no RemoteThing")
	if !connected(t, p, "Pump-1") {
		t.Error("a bound Thing is not connected")
	}
	if v, _ := p.Read(t.Context(), "Pump-1", propLastConnection); v.Value.IsNothing() {
		t.Error("lastConnection is not set")
	}
	p.UnbindAll(a)
	if connected(t, p, "Pump-1") {
		t.Error("an unbound Thing is connected")
	}
	must(t, p.Bind(t.Context(), b, []string{"Pump-1"}))
	p.Unbind(b, []string{"Pump-1", "Pump-9"})
	if p.IsBound("Pump-1") {
		t.Error("still bound")
	}
}

func TestSeveralMayBindAMultiBindThingAndDevicesFollowTheirGateway(t *testing.T) {
	p := plant(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Hub", Template: TemplateRemote, Enabled: true, Shapes: []string{ShapeMultiBind, ShapeEgressGate}}))
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Dev", Template: TemplateRemote, Enabled: true, Gateway: "Hub"}))
	a, b := &fakeEdge{name: "a"}, &fakeEdge{name: "b"}
	must(t, p.Bind(t.Context(), a, []string{"Hub"}))
	must(t, p.Bind(t.Context(), b, []string{"Hub"}))
	p.UnbindAll(a)
	if !connected(t, p, "Hub") || !connected(t, p, "Dev") {
		t.Error("one of two left, but Hub or Dev is not connected")
	}
	must(t, p.AddProperty(t.Context(), "Dev", remoteProperty("x", infotable.TypeNumber, "")))
	if !slices.Equal(b.told, []string{"Dev"}) || a.told != nil {
		t.Errorf("told a %v, b %v", a.told, b.told)
	}
	_, err := p.Call(context.Background(), EntityResource, "EntityServices", "AddShapeToThing",
		infotable.OneRow(cell("name", text("Pump-1")), cell("thingShapeName", text(ShapeRoutedEgress))))
	must(t, err)
	must(t, p.Set(t.Context(), "Pump-1", []Write{{Property: propGateway, Value: infotable.Text(infotable.TypeThingName, "Hub")}}))
	if !connected(t, p, "Pump-1") {
		t.Error("Pump-1 does not follow the gateway it was given")
	}
	for _, step := range []struct {
		service string
		follows bool
	}{{"RemoveShapeFromThing", false}, {"AddShapeToThing", true}} {
		_, err := p.Call(context.Background(), EntityResource, "EntityServices", step.service,
			infotable.OneRow(cell("name", text("Hub")), cell("thingShapeName", text(ShapeEgressGate))))
		must(t, err)
		if connected(t, p, "Dev") != step.follows {
			t.Errorf("after %s a device follows its gateway: %v", step.service, !step.follows)
		}
	}
	p.UnbindAll(b)
	for _, name := range []string{"Hub", "Dev", "Pump-1"} {
		if connected(t, p, name) {
			t.Errorf("%s is connected through nobody", name)
		}
	}
}
