package devices

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"azx/internal/fault"
	"azx/internal/message"
)

func TestTypesAreThoseThatTheMappingGivesToValues(t *testing.T) {
	for name, c := range map[string]struct {
		reported string
		module   string // of the messages
		messages []string
		want     string
		without  []string
	}{
		"each by itself":          {`{"n":1.5,"on":true,"mode":"eco","place":{"a":1},"list":[1],"none":null,"$version":3,"$metadata":{}}`, "", nil, "list JSON, mode STRING, n NUMBER, on BOOLEAN, place JSON", nil},
		"messages and the twin":   {`{"rate":5}`, "", []string{`{"n":1}`, `{"m":"x"}`, `[1]`, ``}, "m STRING, n NUMBER, rate NUMBER", nil},
		"text takes numbers":      {"", "", []string{`{"n":1}`, `{"n":"1"}`, `{"n":true}`}, "n STRING", nil},
		"JSON takes all":          {"", "", []string{`{"n":1}`, `{"n":{"a":1}}`, `{"n":"x"}`}, "n JSON", nil},
		"a null says nothing":     {"", "", []string{`{"n":null}`, `{"n":2}`}, "n NUMBER", nil},
		"of a module":             {"", "meter", []string{`{"n":1}`}, "meter::n NUMBER", nil},
		"names of no property":    {"", "", []string{`{"a b":1,"1x":1,"a.b":1,"":1,"x::y":1,"twinTags":1,"ok_1":1}`}, "ok_1 NUMBER", []string{"", "1x", "a b", "a.b"}},
		"a module with an odd id": {"", "$edgeHub", []string{`{"n":1}`}, "", []string{"$edgeHub::n"}},
		"no object":               {`[1]`, "", []string{`{"n":`}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := Sample{}
			s.Reported(json.RawMessage(c.reported))
			for _, body := range c.messages {
				s.Message(&message.Message{DeviceID: "pump", ModuleID: c.module, Body: []byte(body)})
			}
			can, cannot, err := s.Properties()
			if got := Declared(can).String(); err != nil || got != c.want || !slices.Equal(cannot, c.without) {
				t.Errorf("got %s without %q, %v", got, cannot, err)
			}
		})
	}
}

func TestAThingGetsABoundedNumberOfProperties(t *testing.T) {
	s := Sample{}
	for n := range 10 {
		members := map[string]int{}
		for k := range 1000 {
			members[fmt.Sprintf("p%d_%d", n, k)] = k
		}
		body, _ := json.Marshal(members)
		s.Message(&message.Message{Body: body})
	}
	if _, _, err := s.Properties(); fault.ClassOf(err) != fault.Rejected || len(s) > mostDeclared+1 {
		t.Errorf("%d are noted, %v", len(s), err)
	}
}

// reports is a hub whose devices report what is said of them.
func reports(of map[string]string) *hub {
	h := &hub{size: 2}
	for _, id := range slices.Sorted(maps.Keys(of)) {
		h.devices = append(h.devices, Device{ID: id, Report: json.RawMessage(of[id])})
	}
	return h
}

func ofTwin(d Device) Sample {
	s := Sample{}
	s.Reported(d.Report)
	return s
}

func TestAnImportDeclaresWhatThingsLack(t *testing.T) {
	h := reports(map[string]string{"new": `{"n":1,"mode":"eco","a b":1}`, "old": `{"n":1,"on":true}`, "silent": `{}`})
	for name, c := range map[string]struct {
		update, dry bool
		want        map[string]string // outcomes by device: what is declared, and why some is not
		left        map[string][]string
	}{
		"Things that are made":       {false, false, map[string]string{"new": `mode STRING;no property can be called ["a b"]`, "old": ";the Thing is there", "silent": ";"}, map[string][]string{"new": {"mode STRING"}}},
		"and those that are updated": {true, false, map[string]string{"new": `mode STRING;no property can be called ["a b"]`, "old": "on BOOLEAN;", "silent": ";"}, map[string][]string{"new": {"mode STRING"}, "old": {"on BOOLEAN"}}},
		"a dry run":                  {true, true, map[string]string{"new": `mode STRING;no property can be called ["a b"]`, "old": "on BOOLEAN;", "silent": ";"}, map[string][]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(Thing{Name: "old", Template: "Mine"})
			p.has = map[string]bool{"n": true}
			got := map[string]string{}
			r := mustRun(t, &Import{Source: h, Things: p, Sample: ofTwin, Update: c.update, DryRun: c.dry, Each: func(o Outcome) { got[o.Device] = o.Declared.String() + ";" + o.Reason }})
			if !maps.Equal(got, c.want) || !reflect.DeepEqual(p.declared, c.left) {
				t.Errorf("outcomes %q, Things have %q", got, p.declared)
			}
			if want := 1 + strings.Count(c.want["old"], "on"); r.Declared != want || r.Failed != 0 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestADeclarationThatIsRefusedEndsTheImportOrTheThingsShareOfIt(t *testing.T) {
	h := reports(map[string]string{"a": `{"n":1}`, "b": `{"n":1}`, "c": `{}`})
	for name, c := range map[string]struct {
		class fault.Class
		ends  string
		fails int
	}{
		"this Thing's fault":      {fault.Rejected, "", 2},
		"a right that is missing": {fault.Fatal, "the Thing was made: declare: refused", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform()
			p.fail = func(verb, _ string) error {
				if verb == "declare" {
					return &fault.Problem{Op: "declare", Class: c.class, Cause: errors.New("refused"), Hint: "grant it"}
				}
				return nil
			}
			r, err := (&Import{Hub: "Plant1Hub", Source: h, Things: p, Sample: ofTwin}).Run(t.Context())
			if r.Failed != c.fails || (err != nil) != (c.ends != "") {
				t.Fatalf("got %+v, %v", r, err)
			}
			if err != nil && (!strings.Contains(err.Error(), c.ends) || fault.HintOf(err) != "grant it") {
				t.Errorf("got %v; %s", err, fault.HintOf(err))
			}
		})
	}
}

func TestAThingThatIsMadeForAMessageHasPropertiesForIt(t *testing.T) {
	for name, c := range map[string]struct {
		declare bool
		refuses error
		want    []string
	}{
		"by choice": {true, nil, []string{"make pump of AzureIotThing", "declare n NUMBER, rate NUMBER", "= made"}},
		"not else":  {false, nil, []string{"make pump of AzureIotThing", "= made"}},
		"a platform that is away is asked again, though the Thing is there": {true, errAway, []string{"make pump of AzureIotThing", "declare n NUMBER, rate NUMBER", "= made"}},
		"a platform that refuses it holds nothing up":                       {true, fault.Reject("declare", "", "no"), []string{"make pump of AzureIotThing", "= made"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{owner: map[string]string{}, disabled: map[string]string{}, refuses: c.refuses}
				a, _ := lives(s, registry{"pump": {ID: "pump", Report: json.RawMessage(`{"rate":5}`)}}, nil)
				a.Declare = c.declare
				err := a.Missing(t.Context(), &message.Message{DeviceID: "pump", Body: []byte(`{"n":7}`)})
				if err != nil || !slices.Equal(s.done, c.want) {
					t.Errorf("done %q, %v", s.done, err)
				}
			})
		})
	}
}
