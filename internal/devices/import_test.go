package devices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/internal/fault"
	"azx/internal/message"
)

func mustRun(t *testing.T, i *Import) Result {
	t.Helper()
	i.Hub = "Plant1Hub"
	r, err := i.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEachDeviceBecomesAThingWithItsTwinAndTheTemplateOfItsRule(t *testing.T) {
	p := newPlatform()
	var each []Outcome
	var told []Progress
	r := mustRun(t, &Import{Source: many(250), Things: p, Rules: Rules{{Template: "EdgeThing", Edge: true}, {Template: "Seven", Tag: "n", Value: "7"}, {Template: "PumpThing", Tag: "kind", Value: "pump"}},
		Each: func(o Outcome) { each = append(each, o) }, Told: func(p Progress) { told = append(told, p) }})
	if want := (Counts{Created: 250}); r.Counts != want || len(r.Reasons) != 0 {
		t.Errorf("got %+v", r)
	}
	for n, template := range map[int]string{0: "EdgeThing", 7: "Seven", 8: "PumpThing", 240: "EdgeThing"} {
		d := device(n)
		if got, want := p.things[d.ID], (Thing{d.ID, template, "Plant1Hub", d}); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if len(each) != 250 || !reflect.DeepEqual(each[249], Outcome{"dev-000249", "dev-000249", "PumpThing", Created, "", nil}) {
		t.Errorf("%d outcomes", len(each))
	}
	if want := []Progress{{100, 250, Counts{Created: 100}}, {200, 250, Counts{Created: 200}}, {250, 250, Counts{Created: 250}}}; !reflect.DeepEqual(told, want) {
		t.Errorf("told %+v", told)
	}
}

func TestThingsThatAreThereAreLeftOrUpdatedByChoice(t *testing.T) {
	for name, c := range map[string]struct {
		update, dry bool
		want        Counts
		rate        string
	}{
		"left":                 {false, false, Counts{Created: 1, Skipped: 1, Failed: 1}, ""},
		"updated":              {true, false, Counts{Created: 1, Updated: 1, Failed: 1}, `{"rate": 5, "$version": 3}`},
		"a dry run":            {true, true, Counts{Created: 1, Updated: 1, Failed: 1}, ""},
		"a dry run that skips": {false, true, Counts{Created: 1, Skipped: 1, Failed: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(Thing{Name: "dev-000000", Template: "Mine"}, Thing{Name: "dev-000001", Template: "Mine", Hub: "Plant2Hub"})
			r := mustRun(t, &Import{Source: many(3), Things: p, Update: c.update, DryRun: c.dry})
			if r.Counts != c.want || !strings.Contains(r.Reasons[0].Text, `belongs to hub "Plant2Hub"`) {
				t.Errorf("got %+v", r)
			}
			if got := p.things["dev-000000"]; got.Template != "Mine" || string(got.Device.Desired) != c.rate {
				t.Errorf("got %+v", got)
			}
			if _, made := p.things["dev-000002"]; made == c.dry {
				t.Errorf("made: %v", made)
			}
		})
	}
}

func TestIDsThatDifferOnlyInCaseAreRefusedWithBothNames(t *testing.T) {
	for name, c := range map[string]struct {
		there []Thing
		ids   []string
		size  int
		dry   bool
	}{
		"on one page":           {nil, []string{"Pump1", "pump1"}, 10, false},
		"on two pages":          {nil, []string{"Pump1", "pump1"}, 1, false},
		"in a dry run":          {nil, []string{"Pump1", "pump1"}, 1, true},
		"a Thing that is there": {[]Thing{{Name: "Pump1"}}, []string{"pump1"}, 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := of(c.ids...)
			h.size = c.size
			r := mustRun(t, &Import{Source: h, Things: newPlatform(c.there...), DryRun: c.dry})
			if r.Failed != 1 || r.Reasons[0].Device != "pump1" || !strings.Contains(r.Reasons[0].Text, `"pump1" differs from "Pump1" only in case`) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestEveryIDOfAzureBecomesAThingThatLeadsBackToIt(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:.+%_#*?!(),=@;$'"
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 1, 128, 128), rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 128, 128, 128), rapid.SampledFrom([]string{"me", ".a", "_x2E_", "Me"})), 1, 20, strings.ToLower).Draw(t, "ids")
		p := newPlatform()
		r, err := (&Import{Source: of(ids...), Things: p}).Run(context.Background())
		if err != nil || r.Created != len(ids) {
			t.Fatalf("got %+v, %v", r, err)
		}
		for _, thing := range p.things {
			if id, ok := message.DeviceID(thing.Name); !ok || id != thing.Device.ID {
				t.Fatalf("%q leads to %q", thing.Name, id)
			}
		}
	})
}

func TestAnImportThatIsEndedFiveTimesHasTheResultOfOne(t *testing.T) {
	clean := newPlatform()
	whole := mustRun(t, &Import{Source: many(1000), Things: clean})

	p, h, state := newPlatform(), many(1000), File(filepath.Join(t.TempDir(), "import.json"))
	h.fails = map[int]error{}
	p.fail = func(verb, thing string) error {
		if verb == "create" && p.calls%170 == 169 {
			return &fault.Problem{Op: "create", Class: fault.Credential, Cause: errAway}
		}
		return nil
	}
	ended := 0
	for ; ; ended++ {
		i := &Import{Hub: "Plant1Hub", Source: h, Things: p, State: state, About: "all"}
		r, err := i.Run(t.Context())
		if err == nil {
			if r.Done() != 1000 || r.Failed != 0 {
				t.Errorf("got %+v", r)
			}
			break
		}
		if !errors.Is(err, errAway) || !strings.Contains(fault.HintOf(err), "run it again") {
			t.Fatalf("got %v, %q", err, fault.HintOf(err))
		}
	}
	if ended < 5 {
		t.Errorf("ended %d times", ended)
	}
	if !reflect.DeepEqual(p.things, clean.things) || whole.Created != 1000 {
		t.Errorf("%d Things instead of %d", len(p.things), len(clean.things))
	}
	if at, found, err := state.Load(); err != nil || !found || !at.Over {
		t.Errorf("kept %+v, %v, %v", at, found, err)
	}
}

func TestThingsWhoseMakingWasCutOffAreFinishedAndOthersLeft(t *testing.T) {
	clean, there := newPlatform(), Thing{Name: "dev-000005", Template: "Other"}
	mustRun(t, &Import{Source: many(1000), Things: clean})
	clean.things["dev-000005"] = there

	p, state := newPlatform(there), File(filepath.Join(t.TempDir(), "import.json"))
	ended, cuts := 0, 0
	p.cut = func(string) bool {
		cut := cuts < 40 && p.calls%90 > 80 // several Things of a page, and some pages more than once
		if cut {
			cuts++
		}
		return cut
	}
	for ; ; ended++ {
		r, err := (&Import{Hub: "Plant1Hub", Source: many(1000), Things: p, State: state, About: "all"}).Run(t.Context())
		if err == nil {
			if want := (Counts{Created: 999, Skipped: 1}); r.Counts != want {
				t.Errorf("got %+v", r.Counts)
			}
			break
		}
		if !errors.Is(err, errAway) {
			t.Fatal(err)
		}
	}
	if ended < 5 || !reflect.DeepEqual(p.things, clean.things) {
		t.Errorf("ended %d times; %d Things instead of %d", ended, len(p.things), len(clean.things))
	}
	if at, _, err := state.Load(); err != nil || !at.Over || len(at.Making) != 0 {
		t.Errorf("kept %+v, %v", at, err)
	}
}

func TestAnotherImportDoesNotGoOnWithThisOnesPlace(t *testing.T) {
	state := File(filepath.Join(t.TempDir(), "import.json"))
	h := many(300)
	h.fails = map[int]error{200: fault.Reject("query", "", "the continuation is over")}
	if _, err := (&Import{Source: h, Things: newPlatform(), State: state, About: "tags.a = 1"}).Run(t.Context()); err == nil || fault.ClassOf(err) != fault.Rejected || !strings.Contains(err.Error(), "after 200 devices") {
		t.Fatalf("got %v", err)
	}
	_, err := (&Import{Source: h, Things: newPlatform(), State: state, About: "tags.a = 2"}).Run(t.Context())
	if fault.ClassOf(err) != fault.Rejected || !strings.Contains(err.Error(), "tags.a = 1") {
		t.Errorf("got %v", err)
	}
	if _, err := (&Import{Source: h, Things: newPlatform(), State: state, About: "tags.a = 2", DryRun: true}).Run(t.Context()); fault.ClassOf(err) != fault.Rejected || strings.Contains(err.Error(), "tags.a = 1") {
		t.Errorf("a dry run minds it: %v", err)
	}
}

func TestWhatPassesIsRepeatedAndWhatIsRefusedIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, busy := newPlatform(), 3
		p.fail = func(verb, thing string) error {
			if verb == "find" && busy > 0 {
				busy--
				return errAway
			}
			if thing == "dev-000001" {
				return fault.Reject("create", "give the connector the right", "not allowed")
			}
			return nil
		}
		start := time.Now()
		r := mustRun(t, &Import{Source: many(3), Things: p})
		if want := (Counts{Created: 2, Failed: 1}); r.Counts != want || r.Reasons[0] != (Reason{"dev-000001", "create: not allowed; give the connector the right"}) {
			t.Errorf("got %+v", r)
		}
		if took := time.Since(start); took == 0 || took > 2*time.Second {
			t.Errorf("after %s", took)
		}
		p.fail = func(string, string) error { return errAway }
		if _, err := (&Import{Source: many(3), Things: p}).Run(t.Context()); !errors.Is(err, errAway) || fault.ClassOf(err) != fault.Transient {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := (&Import{Source: many(3), Things: p}).Run(ctx); err == nil {
			t.Error("an import that was ended says it is done")
		}
	})
}

func TestADeviceThatCannotBeReadFailsAlone(t *testing.T) {
	h := of("a", "", "b")
	h.devices[1].Bad = errors.New("line 2: it has no id")
	if r := mustRun(t, &Import{Source: h, Things: newPlatform()}); r.Created != 2 || r.Failed != 1 || r.Reasons[0].Text != "line 2: it has no id" {
		t.Errorf("got %+v", r)
	}
}

func TestTheReasonsAreBounded(t *testing.T) {
	p := newPlatform()
	p.fail = func(verb, _ string) error {
		if verb == "create" {
			return fault.Reject("create", "", "no")
		}
		return nil
	}
	if r := mustRun(t, &Import{Source: many(1000), Things: p}); r.Failed != 1000 || len(r.Reasons) != maxReasons {
		t.Errorf("%d failed, %d reasons", r.Failed, len(r.Reasons))
	}
}

func TestRulesChooseTheTemplate(t *testing.T) {
	d := Device{Edge: true, Tags: json.RawMessage(`{"kind": "pump", "n": 7, "on": true, "old": null, "place": {"floor": 2}}`)}
	for name, c := range map[string]struct {
		rules Rules
		want  string
	}{
		"none":                {nil, DefaultTemplate},
		"the first that fits": {Rules{{Template: "A", Edge: true}, {Template: "B", Edge: true}}, "A"},
		"a tag of any value":  {Rules{{Template: "A", Tag: "kind"}}, "A"},
		"a text":              {Rules{{Template: "A", Tag: "kind", Value: "pump"}}, "A"},
		"another text":        {Rules{{Template: "A", Tag: "kind", Value: "Pump"}}, DefaultTemplate},
		"a number":            {Rules{{Template: "A", Tag: "n", Value: "7"}}, "A"},
		"a truth value":       {Rules{{Template: "A", Tag: "on", Value: "true"}}, "A"},
		"within":              {Rules{{Template: "A", Tag: "place.floor", Value: "2"}}, "A"},
		"within a text":       {Rules{{Template: "A", Tag: "kind.of"}}, DefaultTemplate},
		"a tag that is null":  {Rules{{Template: "A", Tag: "old"}}, DefaultTemplate},
		"a tag that is not":   {Rules{{Template: "A", Tag: "new"}}, DefaultTemplate},
		"both must be true":   {Rules{{Template: "A", Edge: true, Tag: "new"}}, DefaultTemplate},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.rules.Template(d); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if got := (Rules{{Template: "A", Edge: true}, {Template: "B", Tag: "x"}}).Template(Device{}); got != DefaultTemplate {
		t.Errorf("a device without tags gets %s", got)
	}
	for _, rules := range []Rules{{{}}, {{Template: "A", Value: "x"}}} {
		if _, err := (&Import{Rules: rules}).Run(t.Context()); fault.ClassOf(err) != fault.Rejected {
			t.Errorf("%+v: %v", rules, err)
		}
	}
}

func TestAPlaceThatCannotBeReadIsRefusedByName(t *testing.T) {
	file := File(filepath.Join(t.TempDir(), "import.json"))
	if _, found, err := file.Load(); found || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
	want := Place{About: "all", Position: "x", Counts: Counts{Created: 3}, Reasons: []Reason{{"d", "no"}}}
	if err := file.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, found, err := file.Load(); !found || err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	for _, text := range []string{"nonsense", strings.Repeat(" ", maxFile+1)} {
		write(t, string(file), text)
		if _, err := (&Import{Source: many(1), Things: newPlatform(), State: file}).Run(t.Context()); fault.ClassOf(err) != fault.Rejected || !strings.Contains(err.Error(), string(file)) {
			t.Errorf("got %v", err)
		}
	}
	if err := File(filepath.Join(t.TempDir(), "no", "import.json")).Save(want); err == nil {
		t.Error("a file was written into no folder")
	}
}

func ExampleRules() {
	rules := Rules{{Template: "GatewayThing", Edge: true}, {Template: "PumpThing", Tag: "kind", Value: "pump"}}
	fmt.Println(rules.Template(Device{Edge: true}))
	fmt.Println(rules.Template(Device{Tags: json.RawMessage(`{"kind": "pump"}`)}))
	fmt.Println(rules.Template(Device{}))
	// Output:
	// GatewayThing
	// PumpThing
	// AzureIotThing
}
