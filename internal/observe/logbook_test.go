package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"azx/internal/secret"
)

func newBook(t *testing.T, level string) (*Logbook, *slog.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	log, err := NewLogger(&out, "text", level)
	if err != nil {
		t.Fatal(err)
	}
	book := NewLogbook(log.Handler())
	return book, slog.New(book), &out
}

func texts(lines []LogLine) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Level+" "+l.Text)
	}
	return strings.Join(all, "|")
}

func TestTheLogbookHasTheLevelOfTheLogUntilItIsChanged(t *testing.T) {
	for _, level := range []string{"debug", "info", "warn", "error"} {
		book, _, _ := newBook(t, level)
		if book.Level() != strings.ToUpper(level) {
			t.Errorf("%s is %s", level, book.Level())
		}
	}
	book, log, out := newBook(t, "info")
	log.Debug("left out")
	if err := book.SetLevel("debug"); err != nil {
		t.Fatal(err)
	}
	log.With("a", 1).Debug("kept")
	if err := book.SetLevel("ERROR"); err != nil {
		t.Fatal(err)
	}
	log.Warn("left out, too")
	if err := book.SetLevel("loud"); err == nil || book.Level() != "ERROR" {
		t.Errorf("a level that there is not: %v, now %s", err, book.Level())
	}
	lines, _ := book.Lines(LogQuery{})
	if got := texts(lines); got != "DEBUG kept a=1" || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), "msg=kept a=1") {
		t.Errorf("kept is %q, written was %s", got, out)
	}
}

func TestTheNewestLinesAreKept(t *testing.T) {
	book, log, _ := newBook(t, "info")
	for n := range logbookLines + 5 {
		log.Info(fmt.Sprint("line ", n))
	}
	lines, err := book.Lines(LogQuery{})
	if err != nil || len(lines) != logbookLines || lines[0].Text != "line 1004" || lines[logbookLines-1].Text != "line 5" {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	log.Info("long", "x", strings.Repeat("é", maxLine))
	lines, _ = book.Lines(LogQuery{Most: 1})
	if len(lines[0].Text) > maxLine+len("...") || !strings.HasSuffix(lines[0].Text, "é...") {
		t.Errorf("a line has %d bytes", len(lines[0].Text))
	}
}

func TestLinesAreAskedForByTimeLevelAndText(t *testing.T) {
	book, log, _ := newBook(t, "debug")
	log.Debug("one", "device", "Pump")
	log.WithGroup("g").With("b", 2).Info("two", "c", slog.GroupValue(slog.Int("d", 3)))
	log.Warn("three", "key", secret.New("canary"))
	log.Error("four")
	for name, c := range map[string]struct {
		query LogQuery
		want  string
	}{
		"all, the newest first":   {LogQuery{}, "ERROR four|WARN three key=***|INFO two g.b=2 g.c.d=3|DEBUG one device=Pump"},
		"the oldest first":        {LogQuery{Oldest: true, Most: 2}, "WARN three key=***|ERROR four"},
		"a level and above":       {LogQuery{Level: "warn"}, "ERROR four|WARN three key=***"},
		"a text in another case":  {LogQuery{Contains: "pump"}, "DEBUG one device=Pump"},
		"of the future":           {LogQuery{From: time.Now().Add(time.Hour)}, ""},
		"of the past":             {LogQuery{To: time.Now().Add(-time.Hour)}, ""},
		"between now and an hour": {LogQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour), Most: 1}, "ERROR four"},
	} {
		lines, err := book.Lines(c.query)
		if got := texts(lines); got != c.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	if _, err := book.Lines(LogQuery{Level: "loud"}); err == nil {
		t.Error("a level that there is not is taken")
	}
}

func TestTheMetricsAreListed(t *testing.T) {
	m := NewMetrics()
	m.Egress("H").Sent("c2d", 3)
	m.Request("Ping", 0, time.Second)
	all, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Sample{}
	for i, s := range all {
		found[s.Name] = s
		if i > 0 && all[i-1].Name > s.Name || s.Help == "" || strings.HasPrefix(s.Name, "go_") {
			t.Errorf("%d is %+v", i, s)
		}
	}
	for name, value := range map[string]float64{
		`azx_writes_sent_total{hub="H",via="c2d"}`: 3, "azx_platform_request_seconds_count": 1, "azx_platform_request_seconds_sum": 1,
	} {
		if s, ok := found[name]; !ok || s.Value != value {
			t.Errorf("%s is %+v", name, s)
		}
	}
}
