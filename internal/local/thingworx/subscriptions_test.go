package thingworx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/history"
)

// listening returns a Thing that appends to its property heard what each of its subscriptions hears.
func listening(name string, subscriptions ...entity.Subscription) ThingSpec {
	spec := ThingSpec{Name: name, Template: TemplateGeneric, Enabled: true, Properties: []Definition{local("heard", tString, "")}}
	for i, s := range subscriptions {
		s.Enabled, s.Handler = true, "Script"
		s.Name = fmt.Sprint("on", i)
		if s.Code == "" {
			s.Code = `me.heard = (me.heard || "") + eventName + " of " + source + "." + sourceProperty + ";";`
		}
		spec.Subscriptions = append(spec.Subscriptions, s)
	}
	return spec
}

func TestSubscriptionsHearOtherThingsTheirTemplatesAndShapes(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   entity.Subscription
		do   func(p *Platform) error
		want string
	}{
		{"a data change of another Thing", entity.Subscription{Event: "DataChange", Source: "Pump-1", Property: "mode"}, nil, "DataChange of Pump-1.mode;"},
		{"any data change", entity.Subscription{Event: "AnyDataChange", Source: "Pump-1"}, nil, "AnyDataChange of Pump-1.mode;"},
		{"of all Things of a template", entity.Subscription{Event: "DataChange", SourceType: "ThingTemplate", Source: TemplateRemote, Property: "mode"}, nil,
			"DataChange of Pump-1.mode;"},
		{"of all Things of a shape", entity.Subscription{Event: "DataChange", SourceType: "ThingShape", Source: ShapeConnectable, Property: "isConnected"},
			func(p *Platform) error { return p.Bind(t.Context(), &fakeEdge{name: "e"}, []string{"Pump-1"}) }, "DataChange of Pump-1.isConnected;"},
		{"the start of a Thing", entity.Subscription{Event: "ThingStart", Source: "Pump-1"},
			func(p *Platform) error { _, err := invoke(p, "Pump-1", "RestartThing"); return err }, "ThingStart of Pump-1.;"},
		{"an error of its own", entity.Subscription{Event: "ThingStart", Source: "Pump-1", Code: `throw new Error("no way");`},
			func(p *Platform) error { _, err := invoke(p, "Pump-1", "RestartThing"); return err }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := plant(t, Options{})
			stop := running(t, p)
			must(t, p.CreateThing(t.Context(), listening("Ear", tc.in)))
			if tc.do == nil {
				tc.do = func(p *Platform) error {
					write := []Write{{Property: "mode", Value: text("x")}}
					return errors.Join(p.Set(t.Context(), "Pump-1", write), p.Set(t.Context(), "Pump-1", write)) // the second is no change
				}
			}
			must(t, tc.do(p))
			if tc.want == "" {
				eventually(t, "the error is logged", func() bool {
					logs := p.Logs(0, 0)
					return len(logs) == 1 && strings.Contains(logs[0].Text, "no way") && logs[0].Logger == "subscription on0 of Thing Ear"
				})
			} else {
				eventually(t, tc.want, func() bool { return valueOf(t, p, "Ear", "heard").Equal(text(tc.want)) })
			}
			must(t, stop())
		})
	}
}

func TestWhatIsAChangeIsForThePropertyToSay(t *testing.T) {
	yes, no := infotable.Boolean(true), infotable.Boolean(false)
	for _, tc := range []struct {
		change    string
		threshold float64
		old, now  infotable.Value
		want      bool
	}{
		{"", 0, num(1), num(1), false}, {"", 0, num(1), num(2), true}, {"", 0, infotable.Nothing(), num(1), true},
		{ChangeValue, 5, num(1), num(4), false}, {ChangeValue, 5, num(1), num(6), true},
		{ChangeAlways, 0, num(1), num(1), true}, {ChangeNever, 0, num(1), num(2), false},
		{ChangeOn, 0, no, yes, true}, {ChangeOn, 0, yes, no, false}, {ChangeOff, 0, yes, no, true}, {ChangeOff, 0, no, yes, false},
		{ChangeOn, 0, infotable.Nothing(), yes, true}, {ChangeOn, 0, yes, yes, false},
	} {
		d := Definition{Change: tc.change, Threshold: tc.threshold}
		if got := d.isChange(VTQ{Value: tc.old}, VTQ{Value: tc.now}); got != tc.want {
			t.Errorf("%s from %v to %v: %v", tc.change, tc.old, tc.now, got)
		}
	}
}

func TestEventsThatFireEachOtherEnd(t *testing.T) {
	p := plant(t, Options{})
	stop := running(t, p)
	spec := listening("Loop", entity.Subscription{Event: "DataChange", Property: "heard", Code: `me.heard = me.heard + "x";`})
	must(t, p.CreateThing(t.Context(), spec))
	must(t, p.Set(t.Context(), "Loop", []Write{{Property: "heard", Value: text("x")}}))
	eventually(t, "the chain is cut", func() bool {
		logs := p.Logs(0, 0)
		return len(logs) > 0 && strings.Contains(logs[len(logs)-1].Text, "16 events have fired each other")
	})
	must(t, stop())
	if got, _ := valueOf(t, p, "Loop", "heard").Text(); len(got) != 1+maxChain {
		t.Errorf("ran until %q", got)
	}
}

func TestADynamicSubscriptionCallsAServiceUntilItIsRemoved(t *testing.T) {
	p := installed(t, Options{})
	stop := running(t, p)
	parameters := []infotable.Cell{cell("thingName", infotable.Text(infotable.TypeThingName, "Pump-1")), cell("eventName", text("DataChange")),
		cell("propertyName", text("mode")), cell("serviceName", text("Tell"))}
	_, err := invoke(p, "MainPump", "AddDynamicSubscription", parameters...)
	must(t, err)
	must(t, p.Set(t.Context(), "Pump-1", []Write{{Property: "mode", Value: text("x")}}))
	eventually(t, "the service was called", func() bool { return len(p.Events("MainPump", 0)) == 1 })
	_, err = invoke(p, "MainPump", "RemoveDynamicSubscription", parameters...)
	must(t, err)
	_, err = invoke(p, "MainPump", "RemoveDynamicSubscription", parameters...)
	refused(t, err, NotFound, "no such dynamic subscription")
	must(t, stop())
	if p.sources.data.Load() != 0 {
		t.Error("somebody waits for data changes still")
	}
}

func TestATimerFiresAtItsRateOnBehalfOfItsUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Options{})
		must(t, err)
		stop := running(t, p)
		set := func(cells ...infotable.Cell) {
			t.Helper()
			_, err := invoke(p, "Clock", "SetConfigurationTableRows", cell("tableName", text("Settings")), cell("values", infotable.FromTable(infotable.OneRow(cells...))))
			must(t, err)
		}
		count := func(want float64) {
			t.Helper()
			synctest.Wait()
			if got, _ := valueOf(t, p, "Counter", "count").Number(); got != want {
				t.Errorf("counted %v, want %v", got, want)
			}
		}
		must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Clock", Template: TemplateTimer, Enabled: true}))
		counter := listening("Counter", entity.Subscription{Event: "Timer", Source: "Clock",
			Code: `me.count = (me.count || 0) + 1; me.heard = Resources["CurrentSessionInfo"].GetCurrentUser() + (eventData.timestamp > 0);`})
		counter.Properties = append(counter.Properties, local("count", tNumber, ""))
		must(t, p.CreateThing(t.Context(), counter))
		set(cell("updateRate", num(1000)))
		<-time.After(10 * time.Second)
		count(0)
		if logs := p.Logs(0, 0); len(logs) == 0 || !strings.Contains(logs[0].Text, "runAsUser of its table Settings is empty") {
			t.Errorf("logged %+v", logs)
		}
		set(cell("runAsUser", infotable.Text(infotable.TypeUserName, "Administrator")))
		<-time.After(10*time.Second + 500*time.Millisecond)
		count(10)
		if got := valueOf(t, p, "Counter", "heard"); !got.Equal(text("Administratortrue")) {
			t.Errorf("heard %v", got)
		}
		set(cell("updateRate", num(5000)))
		<-time.After(11 * time.Second)
		count(12)
		_, err = invoke(p, "Clock", "DisableTimer")
		must(t, err)
		<-time.After(time.Minute)
		count(12)
		must(t, stop())
	})
}

func TestAConnectorThatSaysNothingIsNoLongerActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Options{})
		must(t, err)
		extended(t, p)
		stop := running(t, p)
		for _, name := range []string{"azx-1", "azx-2"} {
			_, err := invoke(p, ConnectionServicesHub, "RegisterProtocolAdapter", cell("name", text(name)), cell("availabilityGroup", text("g")))
			must(t, err)
		}
		healthy := func(names ...string) {
			t.Helper()
			for range 8 {
				for _, name := range names {
					must(t, p.Push(t.Context(), name, []Write{{Property: "healthState", Value: text("healthy")},
						{Property: "healthStateUpdated", Value: infotable.DateTime(time.Now().UnixMilli())}}))
				}
				<-time.After(5 * time.Second)
			}
			synctest.Wait()
		}
		active := func() string {
			var out []string
			for _, name := range []string{"azx-1", "azx-2"} {
				if is, _ := valueOf(t, p, name, "active").Boolean(); is {
					out = append(out, name)
				}
			}
			return strings.Join(out, " ")
		}
		healthy("azx-1", "azx-2")
		first := active()
		if first != "azx-1" && first != "azx-2" {
			t.Fatalf("active: %q; logged %+v", first, p.Logs(0, 0))
		}
		other := map[string]string{"azx-1": "azx-2", "azx-2": "azx-1"}[first]
		healthy(other)
		if got := active(); got != other {
			t.Errorf("%s has said nothing for 40 s, and active is %q", first, got)
		}
		must(t, stop())
	})
}

func TestALoggedPropertyHasEachValueOnceAtItsTime(t *testing.T) {
	h := history.Memory(history.Options{})
	p := plant(t, Options{History: h})
	logged := remoteProperty("level", tNumber, "")
	logged.Logged = true
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Tank", Template: TemplateRemote, Enabled: true, Properties: []Definition{logged,
		remoteProperty("other", tNumber, "")}}))
	push := func(from, to int64) {
		for at := from; at <= to; at++ {
			must(t, p.Push(t.Context(), "Tank", []Write{{Property: "level", Value: num(float64(at)), Time: at * 1000}, {Property: "other", Value: num(1), Time: at * 1000}}))
		}
	}
	push(1, 5)
	push(3, 6) // a suffix is repeated, as after a crash
	ask := func(service string, cells ...infotable.Cell) string {
		t.Helper()
		got, err := invoke(p, "Tank", service, cells...)
		must(t, err)
		return fmt.Sprint(got.Rows)
	}
	oldest := cell("oldestFirst", infotable.Boolean(true))
	for want, got := range map[string]string{
		"[[1970-01-01T00:00:01.000Z 1] [1970-01-01T00:00:02.000Z 2] [1970-01-01T00:00:03.000Z 3] [1970-01-01T00:00:04.000Z 4]" +
			" [1970-01-01T00:00:05.000Z 5] [1970-01-01T00:00:06.000Z 6]]": ask("QueryPropertyHistory", oldest),
		"[[Tank 1970-01-01T00:00:06.000Z 6] [Tank 1970-01-01T00:00:05.000Z 5]]": ask("QueryNumberPropertyHistory", cell("propertyName", text("level")), cell("maxItems", num(2))),
		"[[1970-01-01T00:00:02.000Z 2] [1970-01-01T00:00:03.000Z 3]]": ask("QueryNamedPropertyHistory", oldest, cell("startDate", infotable.DateTime(2000)),
			cell("endDate", infotable.DateTime(3000)), cell("propertyNames", infotable.FromTable(infotable.Single("name", text("level"))))),
		"[[1970-01-01T00:00:05.000Z 5]]": ask("QueryPropertyHistory", cell("query", infotable.Text(tQuery,
			`{"filters":{"type":"AND","filters":[{"type":"GT","fieldName":"level","value":4},{"type":"NE","fieldName":"level","value":6}]}}`))),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if logs := p.Logs(0, 0); len(logs) != 1 || !strings.Contains(logs[0].Text, "value stream") {
		t.Errorf("logged %+v", logs)
	}
	_, err := invoke(p, "Tank", "QueryStringPropertyHistory", cell("propertyName", text("level")))
	refused(t, err, Invalid, "is NUMBER, not STRING")
	must(t, p.DeleteThing(t.Context(), "Tank"))
	if size, err := h.Size(); err != nil || size.Entries != 0 {
		t.Errorf("%+v is left, %v", size, err)
	}
}

func TestIsReportingFollowsTheStrategy(t *testing.T) {
	p := plant(t, Options{})
	e := &fakeEdge{name: "e"}
	must(t, p.Bind(t.Context(), e, []string{"Pump-1"}))
	if got := valueOf(t, p, "Pump-1", "isReporting"); !got.IsNothing() {
		t.Errorf("without a strategy: %v", got)
	}
	p.UnbindAll(e)
	_, err := invoke(p, "Pump-1", "SetReportingStrategy", cell("strategyThing", infotable.Text(infotable.TypeThingName, "AlwaysOnReporting")))
	must(t, err)
	must(t, p.Bind(t.Context(), e, []string{"Pump-1"}))
	if got := valueOf(t, p, "Pump-1", "isReporting"); !got.Equal(infotable.Boolean(true)) {
		t.Errorf("connected: %v", got)
	}
	p.UnbindAll(e)
	if got := valueOf(t, p, "Pump-1", "isReporting"); !got.Equal(infotable.Boolean(false)) {
		t.Errorf("disconnected: %v", got)
	}
	_, err = invoke(p, "Pump-1", "SetReportingStrategy", cell("strategyThing", infotable.Text(infotable.TypeThingName, "Pump-1")))
	refused(t, err, Invalid, "is no ReportingStrategy")
}
