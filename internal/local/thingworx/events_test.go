package thingworx

import (
	"fmt"
	"strings"
	"testing"

	"azx/alwayson/infotable"
)

func outcome1(status string) *infotable.Table {
	return infotable.OneRow(cell("messageId", text("1")), cell("status", text(status)), cell("description", text("")),
		cell("time", infotable.DateTime(1000)))
}

func TestEventsAreRememberedByThingTheNewestFirst(t *testing.T) {
	p := hubs(t, Options{})
	must(t, p.Fire(t.Context(), "dev-0", eventMessageOutcome, outcome1("Expired")))
	must(t, p.Fire(t.Context(), "dev-1", eventMessageOutcome, outcome1("Rejected")))
	must(t, p.Fire(t.Context(), "dev-0", eventMessageOutcome, outcome1("Success")))
	var got []string
	for _, f := range append(p.Events("dev-0", 0), p.Events("", 2)...) {
		status, _ := f.Data.First("status").Text()
		got = append(got, fmt.Sprint(f.Index, f.Thing, f.Event, status))
	}
	want := "3dev-0AzureIotMessageOutcomeSuccess 1dev-0AzureIotMessageOutcomeExpired" +
		" 3dev-0AzureIotMessageOutcomeSuccess 2dev-1AzureIotMessageOutcomeRejected"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
}

func TestEventsThatAreRefusedAreNotRemembered(t *testing.T) {
	p := hubs(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "off", Template: TemplateAzureThing}))
	two := outcome1("a")
	two.Rows = append(two.Rows, two.Rows[0])
	for _, tc := range []struct {
		name, thing, event string
		data               *infotable.Table
		kind               Kind
		want               string
	}{
		{"of no Thing", "nobody", eventMessageOutcome, nil, NotFound, "there is no Thing"},
		{"of a disabled Thing", "off", eventMessageOutcome, nil, Forbidden, "is disabled"},
		{"that the template lacks", "Pump-1", eventMessageOutcome, nil, NotFound, `has no event "AzureIotMessageOutcome"`},
		{"with two rows", "dev-0", eventMessageOutcome, two, Invalid, "its data is one row"},
		{"with too many columns", "dev-0", eventMessageOutcome, &infotable.Table{Fields: make([]infotable.Field, maxEventColumns+1)}, Invalid, "at most 100 columns"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, p.Fire(t.Context(), tc.thing, tc.event, tc.data), tc.kind, tc.want)
			if got := p.Events("", 0); len(got) != 0 {
				t.Errorf("remembered %v", got)
			}
		})
	}
}

func TestAThingFloodsOnlyItsOwnShareOfTheEvents(t *testing.T) {
	p := hubs(t, Options{})
	must(t, p.Fire(t.Context(), "dev-1", eventMessageOutcome, outcome1("quiet")))
	for range 3 * keptOfOneThing {
		must(t, p.Fire(t.Context(), "dev-0", eventMessageOutcome, outcome1("loud")))
	}
	loud, all := p.Events("dev-0", 0), p.Events("", 0)
	if len(loud) != keptOfOneThing || loud[0].Index != 3*keptOfOneThing+1 || len(all) != keptOfOneThing+1 || len(p.Events("dev-1", 0)) != 1 {
		t.Errorf("kept %d of %d", len(loud), len(all))
	}
}

func TestEventsAreBoundedInNumberAndBytes(t *testing.T) {
	large := infotable.Single("text", text(strings.Repeat("x", 1<<20)))
	for name, data := range map[string]*infotable.Table{"small ones": nil, "large ones": large} {
		t.Run(name, func(t *testing.T) {
			var l eventLog
			for i := range keptEvents + 10 {
				l.add(Fired{Thing: fmt.Sprint("t", i%200), Data: data})
				if data != nil && i == 100 {
					break
				}
			}
			if len(l.entries) > keptEvents || l.bytes > keptEventBytes || len(l.ofThing) > len(l.entries) || len(l.entries) < 20 {
				t.Errorf("%d events of %d Things with %d bytes", len(l.entries), len(l.ofThing), l.bytes)
			}
			for len(l.entries) > 0 {
				l.drop(0)
			}
			if l.bytes != 0 || len(l.ofThing) != 0 {
				t.Errorf("%d bytes of nothing, %v", l.bytes, l.ofThing)
			}
		})
	}
}
