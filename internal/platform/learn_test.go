package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/mapping"
	"azx/internal/message"
)

func TestAnUnknownThingIsAskedForOnceInFiveSeconds(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		for range 100 {
			b.want(b.send("Ghost", `{"n":1}`), "no Thing no-thing")
			pass(49 * time.Millisecond)
		}
		b.wantCount(definitionsService, 1)
		pass(time.Second)
		b.want(b.send("Ghost", `{"n":1}`), "no Thing no-thing")
		b.wantCount(definitionsService, 2)
	})
}

func TestAThingThatIsMadeLaterIsWrittenWithinTenSeconds(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.want(b.send("Pump", `{"n":1}`), "no Thing no-thing")
		b.platform.add("Pump", "n:NUMBER")
		pass(9 * time.Second)
		b.want(b.send("Pump", `{"n":2}`), "accepted")
	})
}

func TestANewPropertyIsLearnedAfterFiveSeconds(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		pump := b.platform.add("Pump", "n:NUMBER")
		b.want(b.send("Pump", `{"n":1,"new":1}`), "accepted")
		b.platform.with(func() { pump.properties["new"] = infotable.TypeInteger })
		pass(4 * time.Second)
		b.want(b.send("Pump", `{"n":2,"new":2}`), "accepted")
		b.wantCount(remotePropertiesService, 1)
		pass(time.Second)
		b.want(b.send("Pump", `{"n":3,"new":3}`), "accepted")
		b.wantCalls("push", "push Pump n=1", "push Pump n=2", "push Pump n=3 new=3")
		b.wantCount(remotePropertiesService, 2)
	})
}

func TestAChangedBaseTypeIsLearnedFromTheRejection(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		pump := b.platform.add("Pump", "n:NUMBER")
		b.want(b.send("Pump", `{"n":1}`), "accepted")
		b.platform.with(func() { pump.properties["n"] = infotable.TypeString })
		b.want(b.send("Pump", `{"n":2}`), "accepted")
		b.wantCalls("", "GetAzureRemoteProperties Pump", "push Pump n=1", "push Pump n=2", "GetAzureRemoteProperties Pump", "push Pump n=2")
		if last := pump.values[len(pump.values)-1]; !last.Value.Equal(infotable.String("2")) {
			t.Errorf("got %s %v, want the text 2", last.Value.Type(), last.Value)
		}
	})
}

func TestAThingThatIsDeletedIsMissedFromTheRejection(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.want(b.send("Pump", `{"n":1}`), "accepted")
		b.platform.with(func() { delete(b.platform.things, "Pump") })
		b.want(b.send("Pump", `{"n":2}`), "no Thing no-thing")
		b.wantCount(string(ThingNotFoundError), 1)
	})
}

func TestARejectedMessageIsRefusedAfterTheTableProvedRight(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(alwayson.BadRequest, "over the maximum"), r.Target == alwayson.PushService, nil
		}
		r := b.send("Pump", `{"n":1}`)
		b.want(r, "refused bad-request")
		b.wantCount("push", 1)
		b.wantCount(remotePropertiesService, 2)
		if !strings.Contains(r.err().Error(), "over the maximum") {
			t.Errorf("the refusal says %v, want the platform's reason", r.err())
		}
	})
}

func TestATableIsUsedForTenMinutesOnly(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		for range 20 {
			b.want(b.send("Pump", `{"n":1}`), "accepted")
			pass(time.Minute)
		}
		b.wantCount(remotePropertiesService, 2)
	})
}

func TestNotifyPropertyUpdateDropsTheTable(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		link, err := NewLink(LinkConfig{URLs: []string{"ws://127.0.0.1:1/Thingworx/WS"}, AppKey: noKey, Forget: b.writer.Forget})
		if err != nil {
			t.Fatal(err)
		}
		pump := b.platform.add("Pump", "n:NUMBER")
		b.want(b.send("Pump", `{"n":1}`), "accepted")
		b.platform.with(func() { pump.properties["new"] = infotable.TypeNumber })
		if resp := link.handle(b.t.Context(), alwayson.CallService("Pump", "NotifyPropertyUpdate", nil)); resp.Code != alwayson.Success {
			t.Errorf("NotifyPropertyUpdate is answered with %s", resp.Code)
		}
		b.want(b.send("Pump", `{"n":2,"new":2}`), "accepted")
		b.wantCalls("push", "push Pump n=1", "push Pump n=2 new=2")
		if resp := link.handle(b.t.Context(), alwayson.CallService("Pump", "Reboot", nil)); resp.Code != alwayson.NotFound {
			t.Errorf("a service nobody has is answered with %s", resp.Code)
		}
	})
}

func noKey(context.Context) (string, error) { return "key", nil }

func TestAnAnswerThatANotificationOvertookIsNotKept(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		open := b.platform.gate(remotePropertiesService)
		b.send("Pump", `{"n":1}`)
		synctest.Wait()
		b.writer.Forget("Pump")
		open()
		b.want(b.send("Pump", `{"n":2}`), "accepted")
		b.want(b.send("Pump", `{"n":3}`), "accepted")
		b.wantCount(remotePropertiesService, 2)
	})
}

func TestWithoutOurExtensionThePlatformsOwnServicesAreAsked(t *testing.T) {
	tests := []struct {
		name              string
		extension, remote bool
		want              string
		calls             []string
	}{
		{"a Thing of our template", true, true, "accepted", []string{"GetAzureRemoteProperties"}},
		{"another remote Thing", false, true, "accepted", []string{"GetAzureRemoteProperties", "GetPropertyDefinitions", "GetPropertySubscriptions"}},
		{"a Thing that is not remote", false, false, "refused not-remote", []string{"GetAzureRemoteProperties", "GetPropertyDefinitions", "GetPropertySubscriptions"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(c *WriterConfig) { c.AllowThings = []string{"Pump"} }, func(b *bench) {
				pump := b.platform.add("Pump", "n:INTEGER")
				pump.extension, pump.remote = tt.extension, tt.remote
				b.want(b.send("Pump", `{"n":7}`), tt.want)
				var want []string
				for _, call := range tt.calls {
					want = append(want, call+" Pump")
				}
				b.wantCalls("Get", want...)
				if tt.want == "accepted" && !pump.values[0].Value.Equal(infotable.Integer(7)) {
					t.Errorf("got %s, want an INTEGER", pump.values[0].Value.Type())
				}
			})
		})
	}
}

func TestAServiceThatIsNotAllowedIsNoMissingThing(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.hook = func(context.Context, alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(alwayson.Forbidden, "no permission"), true, nil
		}
		b.want(b.send("Pump", `{"n":7}`), "refused lookup-forbidden")
		b.want(b.send("Pump", `{"n":7}`), "refused lookup-forbidden")
		b.wantCount("Pump", 1)
	})
}

func TestTablesAreReadTolerantly(t *testing.T) {
	text := func(names ...string) []infotable.Field {
		var fields []infotable.Field
		for _, name := range names {
			fields = append(fields, infotable.Column(name, infotable.TypeString))
		}
		return fields
	}
	s := infotable.String
	tests := []struct {
		name string
		got  *mapping.Table
		want *mapping.Table
	}{
		{"no rows", remoteTable(nil), mapping.NewTable(nil, "")},
		{"no edge name", remoteTable(infotable.New(text("name", "baseType")...).Add(s("n"), s("NUMBER"))),
			mapping.NewTable([]mapping.Property{{EdgeName: "n", Type: infotable.TypeNumber}}, "")},
		{"a base type nobody knows", remoteTable(infotable.New(text("edgeName", "baseType", "extra")...).Add(s("n"), s("QUATERNION"), s(""))),
			mapping.NewTable([]mapping.Property{{EdgeName: "n", Type: infotable.TypeVariant}}, "")},
		{"a base type that cannot travel", remoteTable(infotable.New(text("edgeName", "baseType")...).Add(s("n"), s("VEC3"))),
			mapping.NewTable([]mapping.Property{{EdgeName: "n", Type: infotable.TypeVariant}}, "")},
		{"a row without a name", remoteTable(infotable.New(text("name", "gatewayThing")...).Add(s(""), s("Hub"))),
			mapping.NewTable(nil, "Hub")},
		{"a remote name that is no property's name", mapping.NewTable(subscribedProperties(
			infotable.New(text("name", "baseType")...).Add(s("temperature"), s("NUMBER")),
			infotable.New(text("edgeName")...).Add(s("temp"))), ""),
			mapping.NewTable([]mapping.Property{{EdgeName: "temp", Type: infotable.TypeVariant}}, "")},
		{"no definitions", mapping.NewTable(subscribedProperties(nil, infotable.New(text("edgeName")...).Add(s("temp")).Add(s(""))), ""),
			mapping.NewTable([]mapping.Property{{EdgeName: "temp", Type: infotable.TypeVariant}}, "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.got.Equal(tt.want) {
				t.Errorf("got %s, want %s", tt.got.Fingerprint(), tt.want.Fingerprint())
			}
		})
	}
}

func TestATableInsideAResultColumnIsTaken(t *testing.T) {
	inner := infotable.New(infotable.Column("name", infotable.TypeString))
	for _, r := range []alwayson.Response{{Content: inner}, {Content: infotable.Single("result", infotable.FromTable(inner))}} {
		if got := content(r); got != inner && !got.Equal(inner) {
			t.Errorf("got %v", got)
		}
	}
}

func TestTheNumberOfTablesIsBoundedAndEqualOnesAreShared(t *testing.T) {
	tables := newTables(3, newInterner())
	table := func() *mapping.Table {
		return mapping.NewTable([]mapping.Property{{EdgeName: "n", Type: infotable.TypeNumber}}, "Hub")
	}
	first := tables.put("T0", knowledge{table: table()}, tables.mark())
	for i := 1; i < 10; i++ {
		if _, ok := tables.get("T0"); !ok {
			t.Fatal("the Thing that is used most recently was dropped")
		}
		if k := tables.put("T"+strconv.Itoa(i), knowledge{table: table()}, tables.mark()); k.table != first.table {
			t.Fatal("equal tables are not shared")
		}
	}
	if len(tables.entries) != 3 || tables.recent.count != 3 {
		t.Errorf("%d tables are kept, want 3", len(tables.entries))
	}
}

// shelf is a Backlog.
type shelf map[string][]*delivery.Queued

func (s shelf) Release(thing string) []*delivery.Queued {
	kept := s[thing]
	delete(s, thing)
	return kept
}

func TestKeptMessagesAreWrittenBeforeTheWaitingOnes(t *testing.T) {
	kept := shelf{}
	inBubble(t, func(c *WriterConfig) { c.Backlog = kept; c.MaxValues = 3 }, func(b *bench) {
		b.want(b.send("Pump", `{"n":0}`), "no Thing no-thing")
		var results []*result
		for i := 1; i <= 4; i++ {
			r := &result{}
			results = append(results, r)
			kept["Pump"] = append(kept["Pump"], &delivery.Queued{Telemetry: b.telemetry("Pump", `{"n":`+strconv.Itoa(i)+`}`), Settle: r.settle})
		}
		b.platform.add("Pump", "n:NUMBER")
		pass(10 * time.Second)
		results = append(results, b.send("Pump", `{"n":5}`))
		if err := b.writer.Drain(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			b.want(r, "accepted")
		}
		b.wantCalls("push", "push Pump n=1 n=2 n=3", "push Pump n=4 n=5")
	})
}

func TestKeptMessagesWaitForTheFirstProperty(t *testing.T) {
	kept := shelf{}
	inBubble(t, func(c *WriterConfig) { c.Backlog = kept }, func(b *bench) {
		pump := b.platform.add("Pump")
		r := &result{}
		kept["Pump"] = []*delivery.Queued{{Telemetry: b.telemetry("Pump", `{"n":1}`), Settle: r.settle}}
		b.want(b.send("Pump", `{"n":2}`), "nothing no-property")
		b.want(r, "open")
		b.platform.with(func() { pump.properties["n"] = infotable.TypeNumber })
		pass(10 * time.Second)
		b.want(b.send("Pump", `{"n":3}`), "accepted")
		b.want(r, "accepted")
		b.wantCalls("push", "push Pump n=1 n=3")
	})
}

func TestAVisitWritesWhatWasKeptWithoutANewMessage(t *testing.T) {
	kept := shelf{}
	inBubble(t, func(c *WriterConfig) { c.Backlog = kept }, func(b *bench) {
		b.want(b.send("Pump", `{"n":0}`), "no Thing no-thing")
		r := &result{}
		kept["Pump"] = []*delivery.Queued{{Telemetry: b.telemetry("Pump", `{"n":1}`), Settle: r.settle}}
		b.writer.Visit("Pump")
		b.want(r, "open")
		b.platform.add("Pump", "n:NUMBER")
		b.writer.Visit("Pump")
		b.want(r, "accepted")
		b.wantCount(definitionsService, 2)
	})
}

func TestAThingThatIsNotFoundIsAnnounced(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		for range 5 {
			b.send("Pump", `{"temperature":21.5,"on":true,"s":"x","o":{"a":1},"none":null,"s":"y"}`)
		}
		b.wantCount(string(ThingNotFoundError), 1)
		event := b.platform.events[0]
		if event.Name != "ConnectionServicesHub" || event.Code != alwayson.Post || event.Kind != alwayson.Event {
			t.Errorf("the event goes to %s as %s of a %s", event.Name, event.Code, event.Kind)
		}
		if device, _ := event.Params.First("edgeIdentifier").Text(); device != "Pump" {
			t.Errorf("edgeIdentifier is %q", device)
		}
		if id, _ := event.Params.First("id").Text(); len(id) != 36 || id[14] != '4' {
			t.Errorf("id is %q, want a UUID", id)
		}
		context := event.Params.First("context")
		text, _ := context.Text()
		const want = `{"hubThing":"Hub","thing":"Pump","properties":{"temperature":{"baseType":"NUMBER","value":21.5},` +
			`"on":{"baseType":"BOOLEAN","value":true},"s":{"baseType":"STRING","value":"x"},"o":{"baseType":"JSON","value":{"a":1}}},"time":1}`
		if context.Type() != infotable.TypeJSON || text != want {
			t.Errorf("context is %s\n%s, want\n%s", context.Type(), text, want)
		}
	})
}

func TestAnAnnouncementIsBoundedAndStaysJSON(t *testing.T) {
	body := []byte(`{"long":"` + strings.Repeat("x", 9000) + `"`)
	for i := range 1000 {
		body = fmt.Appendf(body, `,"key \"%d\"\n":1`, i)
	}
	text := appendContext(nil, message.Telemetry{Message: &message.Message{Body: append(body, '}')}, Thing: "T", Time: 5})
	var got struct {
		Properties map[string]any
		Time       int64
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(text) > maxContext || len(got.Properties) < 100 || got.Time != 5 {
		t.Errorf("%d bytes with %d properties and time %d", len(text), len(got.Properties), got.Time)
	}
}

func TestAnnouncementsStopForAWhileWhenThePlatformHasNoSuchEvent(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(alwayson.NotFound, ""), r.Kind == alwayson.Event, nil
		}
		for range 59 {
			b.send("Ghost", `{"n":1}`)
			pass(10 * time.Second)
		}
		b.wantCount(string(ThingNotFoundError), 1)
		pass(20 * time.Second)
		b.send("Ghost", `{"n":1}`)
		b.wantCount(string(ThingNotFoundError), 2)
	})
}

func TestAnnouncementsThatPileUpAreDropped(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		open := b.platform.gate(string(ThingNotFoundError))
		for i := range 3 * eventBurst {
			b.want(b.send("Ghost"+strconv.Itoa(i), `{"n":1}`), "no Thing no-thing")
		}
		open()
		b.wantCount(string(ThingNotFoundError), eventBurst)
	})
}

func TestWhatIsForgottenOfAllThingsIsAskedForAgain(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("A", "n:NUMBER")
		b.platform.add("B", "n:NUMBER")
		for range 2 {
			b.want(b.send("A", `{"n":1}`), "accepted")
			b.want(b.send("B", `{"n":1}`), "accepted")
		}
		b.wantCount(remotePropertiesService, 2)
		b.writer.ForgetAll()
		b.want(b.send("A", `{"n":1}`), "accepted")
		b.want(b.send("B", `{"n":1}`), "accepted")
		b.wantCount(remotePropertiesService, 4)
		things, err := NewThings(ThingsConfig{Writer: b.writer, AzxExtension: true})
		if err != nil {
			b.t.Fatal(err)
		}
		declared := func(asked int) {
			if _, ok, err := things.Property(b.t.Context(), "A", "n"); !ok || err != nil {
				b.t.Errorf("the property is not declared: %v", err)
			}
			b.wantCount(remotePropertiesService+" A", asked)
		}
		declared(3)
		declared(3)
		things.ForgetAll()
		declared(4)
	})
}

func TestWithoutOurTemplateTheGatewayThingOfAThingIsRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		gateway string // "none": the Thing has no such property
		refused bool   // it may not be read
		want    string
	}{
		{"its devices may write to it", "Hub", false, "accepted"},
		{"it belongs to another hub", "OtherHub", false, "refused not-allowed"},
		{"it belongs to none", "", false, "refused not-allowed"},
		{"it has no such property", "none", false, "refused not-allowed"},
		{"it may not be read", "Hub", true, "refused not-allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(cfg *WriterConfig) { cfg.AzxExtension, cfg.AllowThings = false, nil }, func(b *bench) {
				thing := b.platform.add("T", "temp:NUMBER")
				thing.gateway, thing.extension, thing.routed = c.gateway, false, c.gateway != "none"
				b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
					return alwayson.Refuse(alwayson.Forbidden, "no"), c.refused && r.Kind == alwayson.Property, nil
				}
				b.want(b.send("T", `{"temp":1}`), c.want)
			})
		})
	}
}
