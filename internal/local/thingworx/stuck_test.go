package thingworx

import (
	"context"
	"errors"
	"slices"
	"testing"

	"azx/alwayson/infotable"
)

func TestAPushToAStuckThingGoesWithoutAnAnswer(t *testing.T) {
	p := plant(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Pump-2", Template: TemplateRemote, Enabled: true, Properties: []Definition{
		remoteProperty("temperature", infotable.TypeNumber, "temp"),
	}}))
	writes := []Write{{Property: "temp", Value: num(21), Time: 5}}
	p.SetStuck([]string{"Pump-1", "No-Pump"})
	if got := p.Stuck(); !slices.Equal(got, []string{"No-Pump", "Pump-1"}) {
		t.Errorf("%v are stuck", got)
	}
	before := p.Stats().Values
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- p.Push(ctx, "Pump-1", writes) }()
	if err := p.Push(t.Context(), "Pump-2", writes); err != nil {
		t.Errorf("another Thing: %v", err)
	}
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("the stuck one answers %v", err)
	}
	p.SetStuck(nil)
	if err := p.Push(t.Context(), "Pump-1", writes); err != nil {
		t.Errorf("it is stuck for ever: %v", err)
	}
	if got := p.Stats().Values - before; got != 2 {
		t.Errorf("%d values were taken, want 2", got)
	}
}
