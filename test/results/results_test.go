package main

import (
	"os"
	"strings"
	"testing"
)

// log is what go test -json prints, as far as it matters.
const log = `{"Action":"start","Package":"azx/test/faults"}
{"Action":"output","Test":"TestF01AKill","Output":"    main_test.go:63: seed 2, fast, long, 1234567\n"}
{"Action":"output","Test":"TestF34Clocks/2m0s","Output":"    main_test.go:63: seed 2, fast, long, 1234567\n"}
{"Action":"output","Test":"TestF34Clocks/2m0s","Output":"    f34_test.go:35: 20 sent, 21 accepted by the hub, 20 written, 1 times again; 4 checkpoints\n"}
{"Action":"pass","Test":"TestF34Clocks/2m0s","Elapsed":40}
{"Action":"output","Test":"TestF34Clocks/-2m0s","Output":"    f34_test.go:35: 30 sent, 30 accepted by the hub, 30 written, 0 times again; 5 checkpoints\n"}
{"Action":"pass","Test":"TestF34Clocks/-2m0s","Elapsed":41}
{"Time":"2026-11-27T09:22:30Z","Action":"pass","Test":"TestF34Clocks","Elapsed":0}
# azx/test/rig
{"Action":"output","Test":"TestF01AKill","Output":"    f01_test.go:20: 7 sent, 7 accepted by the hub, 7 written, 0 times again; 1 checkpoints\n"}
{"Action":"output","Test":"TestF01AKill","Output":"    f01_test.go:22: I1 no loss: message 7 is nowhere\n"}
{"Action":"output","Test":"TestF01AKill","Output":"    f01_test.go:23: 12345 sent, 12346 accepted by the hub, 12345 written, 1765 times again; 120 checkpoints\n"}
{"Time":"2026-11-27T09:22:40Z","Action":"fail","Test":"TestF01AKill","Elapsed":62.6}
{"Time":"2026-11-27T09:22:41Z","Action":"pass","Test":"TestThePageListsTheCases","Elapsed":0.01}
{"Time":"2026-11-27T09:22:41Z","Action":"fail","Package":"azx/test/faults"}
`

func TestALogIsFollowedCaseByCase(t *testing.T) {
	var out strings.Builder
	if err := follow(&out, strings.NewReader(log)); err != errFailed {
		t.Errorf("got %v", err)
	}
	want := `TestF34Clocks, seed 2: passed, 50 sent, 51 accepted, 50 written, 1 again, 9 checkpoints, 81 s
# azx/test/rig
    main_test.go:63: seed 2, fast, long, 1234567
    f01_test.go:20: 7 sent, 7 accepted by the hub, 7 written, 0 times again; 1 checkpoints
    f01_test.go:22: I1 no loss: message 7 is nowhere
    f01_test.go:23: 12345 sent, 12346 accepted by the hub, 12345 written, 1765 times again; 120 checkpoints
TestF01AKill, seed 2: failed, 12,345 sent, 12,346 accepted, 12,345 written, 1,765 again, 120 checkpoints, 63 s
TestThePageListsTheCases: passed, 0 s
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

func TestTheTableKeepsWhatALogDoesNotHave(t *testing.T) {
	const before = "# Page\n" + casesMark + "| id | what |\n|---|---|\n| F01 | a | |\n| F34 | b | |\n| F45 | c | |\n" + endMark + "\ntext\n" + resultsMark
	const empty = before + endMark + "\nrest\n"
	add := func(page, log, as string) string {
		t.Helper()
		table, err := parse(page)
		if err != nil {
			t.Fatal(err)
		}
		if err := (&reader{run: as, ended: table.add}).read(strings.NewReader(log)); err != nil {
			t.Fatal(err)
		}
		return table.within(page)
	}
	first := add(empty, log, "")
	want := before + `- seed 2: fast, long, 1234567, 27 November 2026

| id | seed 2 |
|---|---|
| F01 | **failed** · 12,345 · 12,345 · 1,765 · 120 · 63 s |
| F34 | passed · 50 · 50 · 1 · 9 · 81 s |
| F45 | - |
` + endMark + "\nrest\n"
	if first != want {
		t.Errorf("got\n%s", first)
	}
	const later = `{"Action":"output","Test":"TestF01AKill","Output":"    main_test.go:63: seed 2\n"}
{"Time":"2026-12-01T09:00:00Z","Action":"pass","Test":"TestF01AKill","Elapsed":60}
{"Action":"output","Test":"TestF45ASoak","Output":"    main_test.go:63: seed 1, sdk, long, abcdef0\n"}
{"Time":"2026-12-02T09:00:00Z","Action":"pass","Test":"TestF45ASoak","Elapsed":600}
{"Action":"output","Test":"TestF45ASoak","Output":"    main_test.go:63: seed 2, fast, long, 1234567\n"}
{"Time":"2026-11-27T19:00:00Z","Action":"pass","Test":"TestF45ASoak","Elapsed":601}
`
	want = before + `- seed 1: sdk, long, abcdef0, 2 December 2026
- seed 2: fast, long, 1234567, 27 November 2026

| id | seed 1 | seed 2 |
|---|---|---|
| F01 | - | passed · 60 s (sdk, quick, 7654321, 1 December 2026) |
| F34 | - | passed · 50 · 50 · 1 · 9 · 81 s |
| F45 | passed · 600 s | passed · 601 s |
` + endMark + "\nrest\n"
	second := add(first, later, "sdk, quick, 7654321")
	if second != want {
		t.Errorf("got\n%s", second)
	}
	if third := add(second, "", ""); third != second {
		t.Errorf("a table that was read and written is\n%s", third)
	}
}

func TestThePageHasATableOfResults(t *testing.T) {
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	table, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(table.ids) < 30 {
		t.Errorf("it lists %d cases", len(table.ids))
	}
}

func TestAPageWithoutMarksOrWithAnOddRowIsNotWritten(t *testing.T) {
	for page, want := range map[string]string{
		"# Page\n": "does not have the marks",
		casesMark + endMark + resultsMark + "- seed 1: fast\n| F01 | - | - |\n" + endMark: "the row of F01 has 2 columns, and there are 1 seeds",
	} {
		if _, err := parse(page); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
