package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"azx/internal/app"
)

func TestRulesOfAnImportAreRead(t *testing.T) {
	for text, want := range map[string]app.ImportRule{
		"PumpThing":                {Template: "PumpThing"},
		"edge=GatewayThing":        {Template: "GatewayThing", Edge: true},
		"tags.kind=PumpThing":      {Template: "PumpThing", Tag: "kind"},
		"kind:pump=PumpThing":      {Template: "PumpThing", Tag: "kind", Value: "pump"},
		"tags.place.floor:2=Floor": {Template: "Floor", Tag: "place.floor", Value: "2"},
	} {
		if got, err := parseRules([]string{text}); err != nil || !reflect.DeepEqual(got, []app.ImportRule{want}) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "edge=", "=PumpThing"} {
		if _, err := parseRules([]string{text}); err == nil {
			t.Errorf("%q is taken for a rule", text)
		}
	}
}

// progressOf is an import that has made n Things of total.
func progressOf(n, total int) app.ImportProgress {
	p := app.ImportProgress{Done: n, Total: total}
	p.Created = n
	return p
}

func TestProgressIsABarOnATerminalAndALineForEachThousandElsewhere(t *testing.T) {
	var out strings.Builder
	p := &progress{out: &out}
	p.expected(2500, 75*time.Second)
	for n := 500; n <= 2500; n += 500 {
		p.told(progressOf(n, 2500))
	}
	p.end()
	want := "2500 devices: the hub's quota of queries lets that take 1m15s at least\n" +
		"1000 devices: 1000 created, 0 updated, 0 left, 0 failed\n2000 devices: 2000 created, 0 updated, 0 left, 0 failed\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
	out.Reset()
	p = &progress{out: &out, bar: true}
	p.told(progressOf(1250, 2500))
	p.told(progressOf(7, 0))
	p.end()
	want = "\r[####################....................] 1250 of 2500: 1250 created, 0 updated, 0 left, 0 failed\r7: 7 created, 0 updated, 0 left, 0 failed\n"
	if out.String() != want {
		t.Errorf("got %q", out.String())
	}
	if isTerminal(&out) {
		t.Error("a text is a terminal")
	}
}

func TestAReportNamesWhatFailed(t *testing.T) {
	var out strings.Builder
	var r app.ImportResult
	r.Created, r.Failed = 1, 3
	r.Reasons = append(r.Reasons, struct {
		Device string `json:"device"`
		Text   string `json:"text"`
	}{"pump1", "no"})
	reportImport(&out, r, true)
	if want := "device pump1 failed: no\nand 2 more\n4 devices: 1 created, 0 updated, 0 left, 3 failed; nothing was changed\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}
