package thingworx

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"azx/alwayson/infotable"
)

// hubs makes the hub Thing LocalHub and the device Things dev-0 to dev-9 behind it.
func hubs(t *testing.T, o Options) *Platform {
	t.Helper()
	p := extended(t, plant(t, o))
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "LocalHub", Template: TemplateAzureHub, Enabled: true}))
	for i := range 10 {
		must(t, p.CreateThing(t.Context(), ThingSpec{Name: fmt.Sprintf("dev-%d", i), Template: TemplateAzureThing, Enabled: true, Gateway: "LocalHub",
			Properties: []Definition{remoteProperty("n", infotable.TypeNumber, "")},
			Services:   []ServiceDefinition{remoteService("Do", tNothing)},
		}))
	}
	return p
}

// setGroup sets the routing group of LocalHub; nil is null.
func setGroup(t *testing.T, p *Platform, v infotable.Value) {
	t.Helper()
	table := infotable.New(infotable.Column(ColumnRoutingGroup, tString)).Add(v)
	_, err := invoke(p, "LocalHub", "SetConfigurationTable", cell("tableName", text(TableRouting)), cell("configurationTable", infotable.FromTable(table)))
	must(t, err)
}

func do(p *Platform, thing string) error {
	_, err := p.Call(context.Background(), EntityThing, thing, "Do", nil)
	return err
}

func TestRequestsAreSpreadEvenlyOverTheBindersOfAGroup(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	p := hubs(t, Options{Pick: source.IntN})
	edges := []*fakeEdge{{name: "a"}, {name: "b"}, {name: "c"}}
	for _, e := range edges {
		must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
	}
	const calls = 3000
	for i := range calls {
		thing := fmt.Sprintf("dev-%d", i%10)
		must(t, do(p, thing))
		must(t, p.Set(t.Context(), thing, []Write{{Property: "n", Value: num(1)}}))
	}
	for _, e := range edges {
		for _, verb := range []EdgeVerb{EdgeService, EdgeWrite} {
			got := 0
			for _, r := range e.asked {
				if r.Verb == verb {
					got++
				}
			}
			if share := float64(got) / calls; share < 0.25 || share > 0.42 {
				t.Errorf("edge %s got %.0f %% of verb %d", e.name, 100*share, verb)
			}
		}
		if slices.ContainsFunc(e.asked, func(r EdgeRequest) bool { return r.Thing == "LocalHub" }) {
			t.Error("a request names the hub Thing instead of the device's")
		}
	}
}

func TestABinderThatIsGoneIsPassedOverAndOneThatDiesEndsItsRequest(t *testing.T) {
	p := hubs(t, Options{Pick: func(int) int { return 0 }})
	gone := &fakeEdge{name: "gone", serve: answering(nil, ErrNotSent)}
	dying := &fakeEdge{name: "dying", serve: answering(nil, ErrLost)}
	alive := &fakeEdge{name: "alive"}
	for _, e := range []*fakeEdge{gone, dying, alive} {
		must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
	}
	refused(t, do(p, "dev-0"), Failed, "dying ended before the answer came; the edge may or may not have carried it out")
	if len(gone.asked) != 1 || len(dying.asked) != 1 || len(alive.asked) != 0 {
		t.Errorf("asked %d, %d and %d", len(gone.asked), len(dying.asked), len(alive.asked))
	}
	p.UnbindAll(dying)
	must(t, do(p, "dev-0"))
	p.UnbindAll(alive)
	const nobody = `nobody has bound the routing group "LocalHub" of its gatewayThing LocalHub: is the connector running?`
	refused(t, do(p, "dev-0"), Unbound, nobody)
	refused(t, p.Set(t.Context(), "dev-0", []Write{{Property: "n", Value: num(1)}}), Unbound, nobody)
	_, err := p.Fetch(t.Context(), "dev-0", "twinTags")
	refused(t, err, Unbound, nobody)
}

func TestEveryRequestHasOneOutcomeWhileBindersComeAndGo(t *testing.T) {
	p := hubs(t, Options{})
	stable := &fakeEdge{name: "stable"}
	must(t, p.Bind(t.Context(), stable, []string{"LocalHub"}))
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for range 200 {
				e := &fakeEdge{name: fmt.Sprint("passing ", i)}
				if err := p.Bind(t.Context(), e, []string{"LocalHub"}); err != nil {
					t.Error(err)
				}
				p.UnbindAll(e)
			}
		})
		wait.Go(func() {
			for range 200 {
				if err := do(p, "dev-1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if !connected(t, p, "LocalHub") || !connected(t, p, "dev-1") {
		t.Error("not connected although one stayed")
	}
}

func TestARequestThatNobodyCarriesSaysWhy(t *testing.T) {
	gateway := func(t *testing.T, p *Platform, name string) {
		must(t, p.Set(t.Context(), "dev-0", []Write{{Property: propGateway, Value: text(name)}}))
	}
	for _, tc := range []struct {
		name string
		make func(*testing.T, *Platform, Edge)
		want string
	}{
		{"nothing bound", func(*testing.T, *Platform, Edge) {}, `nobody has bound the routing group "LocalHub"`},
		{"another group", func(t *testing.T, p *Platform, e Edge) {
			setGroup(t, p, text("G-${hub-thing-name}"))
			must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
		}, `nobody has bound the routing group "G-LocalHub" of its gatewayThing LocalHub`},
		{"an empty group", func(t *testing.T, p *Platform, e Edge) {
			setGroup(t, p, text(" "))
			must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
		}, "its gatewayThing LocalHub has an empty routing group, which nobody can bind"},
		{"no gateway", func(t *testing.T, p *Platform, e Edge) {
			must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
			gateway(t, p, "")
		}, "nobody stands for Thing dev-0: its edge is not connected"},
		{"a gateway that is no Thing", func(t *testing.T, p *Platform, _ Edge) { gateway(t, p, "Nowhere") },
			`its gatewayThing is wrong: there is no Thing "Nowhere"`},
		{"a gateway that carries nothing", func(t *testing.T, p *Platform, e Edge) {
			must(t, p.Bind(t.Context(), e, []string{"Pump-1"}))
			gateway(t, p, "Pump-1")
		}, "its gatewayThing Pump-1 cannot carry requests: it lacks the shape EgressGateway"},
		{"a deleted gateway", func(t *testing.T, p *Platform, e Edge) {
			must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
			must(t, p.DeleteThing(t.Context(), "LocalHub"))
		}, `there is no Thing "LocalHub"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, e := hubs(t, Options{}), &fakeEdge{name: "e"}
			tc.make(t, p, e)
			refused(t, do(p, "dev-0"), Unbound, tc.want)
			if connected(t, p, "dev-0") || len(e.asked) != 0 {
				t.Errorf("connected, or asked %+v", e.asked)
			}
		})
	}
}

func TestAGroupIsBoundByItsNameAndKeptWhenItIsRenamed(t *testing.T) {
	p := hubs(t, Options{})
	setGroup(t, p, text("plant"))
	a, b := &fakeEdge{name: "a"}, &fakeEdge{name: "b"}
	must(t, p.Bind(t.Context(), a, []string{"plant", "dev-9"}))
	if got := p.BoundBy("plant"); !slices.Equal(got, []string{"LocalHub"}) || !p.StandsFor(a, "dev-0") || p.StandsFor(b, "dev-0") {
		t.Errorf("plant is %v", got)
	}
	for _, name := range []string{"LocalHub", "dev-0", "dev-9"} {
		if !connected(t, p, name) {
			t.Errorf("%s is not connected", name)
		}
	}
	for _, v := range []infotable.Value{text(""), text(" "), infotable.Nothing(), text("other")} {
		setGroup(t, p, v)
		refused(t, p.Bind(t.Context(), b, []string{"plant"}), NotFound, `there is no Thing "plant", and no hub Thing has that routing group`)
		must(t, do(p, "dev-0")) // the old bind stays
	}
	must(t, p.Bind(t.Context(), b, []string{"other"}))
	p.Unbind(a, []string{"plant"})
	if p.StandsFor(a, "dev-0") || !p.StandsFor(a, "dev-9") || !p.StandsFor(b, "dev-0") {
		t.Error("an unbind of the group took too much or too little")
	}
	must(t, p.Bind(t.Context(), b, []string{"LocalHub"})) // besides: the hub Thing alone
	p.Unbind(b, []string{"other"})
	if p.StandsFor(b, "dev-0") || !p.StandsFor(b, "LocalHub") || connected(t, p, "dev-0") || !connected(t, p, "LocalHub") {
		t.Error("a bind of the hub Thing by its name carries the requests of another group")
	}
}

func TestAThingBoundItselfIsAskedThereAndNotThroughItsGroup(t *testing.T) {
	p := hubs(t, Options{})
	a, b := &fakeEdge{name: "a"}, &fakeEdge{name: "b"}
	must(t, p.Bind(t.Context(), a, []string{"LocalHub"}))
	must(t, p.Bind(t.Context(), b, []string{"dev-0"}))
	for range 20 {
		must(t, do(p, "dev-0"))
	}
	if len(a.asked) != 0 || len(b.asked) != 20 {
		t.Errorf("asked %d and %d", len(a.asked), len(b.asked))
	}
}

func TestADeviceThatGetsAGatewayIsToldToWhoBoundIt(t *testing.T) {
	p, e := hubs(t, Options{}), &fakeEdge{name: "e"}
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "late", Template: TemplateAzureThing, Enabled: true}))
	must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
	must(t, p.Set(t.Context(), "late", []Write{{Property: propGateway, Value: text("LocalHub")}}))
	if !connected(t, p, "late") || !slices.Equal(e.told, []string{"late"}) {
		t.Errorf("told %v", e.told)
	}
}

func TestAPlatformThatIgnoresGroupsRoutesOnlyToWhoBoundTheDevice(t *testing.T) {
	p := hubs(t, Options{NoGroupBind: true})
	setGroup(t, p, text("plant"))
	e := &fakeEdge{name: "e"}
	_, err := invoke(p, "LocalHub", "Ping")
	refused(t, err, Unbound, `nobody has bound hub Thing LocalHub or its routing group "plant": is the connector running?`)
	must(t, p.Bind(t.Context(), e, []string{"plant"}))
	_, err = invoke(p, "LocalHub", "Ping")
	must(t, err)
	_, err = invoke(p, "dev-0", "Ping")
	const nobody = "nobody has bound Thing dev-0 itself, and this platform ignores binds of routing groups"
	refused(t, err, Unbound, nobody)
	refused(t, p.Set(t.Context(), "dev-0", []Write{{Property: "n", Value: num(1)}}), Unbound, nobody)
	_, err = p.Fetch(t.Context(), "dev-0", "twinTags")
	refused(t, err, Unbound, nobody)
	if connected(t, p, "dev-0") || !connected(t, p, "LocalHub") {
		t.Error("isConnected is wrong")
	}
	must(t, p.Bind(t.Context(), e, []string{"dev-0"}))
	_, err = invoke(p, "dev-0", "Ping")
	must(t, err)
	must(t, p.Set(t.Context(), "dev-0", []Write{{Property: "n", Value: num(1)}}))
	if len(e.asked) != 3 || e.asked[0].Thing != "LocalHub" || e.asked[1].Thing != "dev-0" || e.asked[1].Name != "Ping" || e.asked[2].Verb != EdgeWrite {
		t.Errorf("asked %+v", e.asked)
	}
}
