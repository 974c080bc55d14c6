package observe

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"azx/alwayson"
	"azx/internal/delivery"
	"azx/internal/message"
)

// known is a metric as Prometheus sees it.
type known struct {
	kind   string // "counter", "gauge" or "histogram"
	labels []string
}

// list returns every metric of the connector, by name: it uses all there is to use.
func list(t *testing.T) map[string]known {
	t.Helper()
	m := NewMetrics()
	m.Request("s", alwayson.Success, 1)
	m.Retried("r")
	m.LookedUp("table")
	m.Announced(true)
	m.Event("e", "sent")
	m.Reloaded("H", "same")
	m.Replayed("H", "delivered")
	m.Expired("H", "r")
	m.WatchQuarantine(func() map[string]Records { return map[string]Records{"r": {1, 1}} })
	m.KeyExpires(time.Unix(1, 0))
	m.traced("sent", 1)
	m.Ended("H", "0", delivery.Skipped, "r")
	m.Ended("H", "0", delivery.Quarantined, "r")
	m.Evicted("H", 1)
	m.TimeReplaced("H")
	m.ReceiveFailed("H", "0")
	m.CheckpointFailed("H", "0")
	m.PositionUnknown("H", "0")
	m.Missed("H", "0", 1)
	m.Stalled("H", "0")
	m.Lease("H", "0", "gained", "free")
	m.LeaseStoreFailed("H", "0")
	m.HubUsed("H", HubUse{Kind: "method", Result: "ok", Messages: 1, Waited: 1})
	e := m.Egress("H")
	e.Ended(message.VerbCall, "k", "ok", 1)
	e.Sent("c2d", 1)
	e.TwinEvent("pushed")
	e.Outcome("Success")
	e.Lived("message", "made")
	e.FellBack()
	m.Presence("H", "online", "told")
	m.SnapshotFailed("H", "0")
	m.Pinged("H", "answered")
	m.WatchPlatform(func() Platform { return Platform{ByURL: map[string]int{"ws://p": 1}} })
	m.WatchHub("H", func() Hub { return Hub{Told: time.Now()} })
	m.WatchChecks(func() map[string]bool { return map[string]bool{"c": true} })
	m.WatchBinding("H", func() Binding { return Binding{} })
	m.WatchPartitions("H", func() map[string]Partition {
		return map[string]Partition{"0": {Oldest: time.Now(), Retention: time.Hour, Checkpointed: time.Now()}}
	})
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]known{}
	for _, f := range families {
		one := known{kind: strings.ToLower(f.GetType().String())}
		for _, pair := range f.GetMetric()[0].GetLabel() {
			one.labels = append(one.labels, pair.GetName())
		}
		all[f.GetName()] = one
	}
	for name := range help {
		if _, ok := all[name]; !ok {
			t.Errorf("%s has a help and is not told: is it new, and not used here?", name)
		}
	}
	return all
}

// TestNoLabelIsOfADevice holds the labels to those whose values have a bound.
func TestNoLabelIsOfADevice(t *testing.T) {
	allowed := []string{"hub", "partition", "service", "reason", "result", "outcome", "verb", "kind", "via", "status", "event", "mode", "check", "version", "url", "state"}
	for name, one := range list(t) {
		for _, label := range one.labels {
			if strings.HasPrefix(name, "azx_") && !slices.Contains(allowed, label) {
				t.Errorf("%s has the label %s", name, label)
			}
		}
	}
}

func TestTheDocumentHasTheListOfMetrics(t *testing.T) {
	text, err := os.ReadFile("../../docs/observe.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `azx_.*$").FindAllString(section, -1) {
		rows[row] = true
	}
	all := list(t)
	for _, name := range slices.Sorted(maps.Keys(help)) {
		labels := make([]string, len(all[name].labels))
		for i, label := range all[name].labels {
			labels[i] = "`" + label + "`"
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s |", name, all[name].kind, strings.Join(labels, ", "), strings.TrimSuffix(help[name], "."))
		if !rows[row] {
			t.Errorf("docs/observe.md lacks the row\n%s", row)
		}
		delete(rows, row)
	}
	for row := range rows {
		t.Errorf("docs/observe.md has a row of no metric, or an old one:\n%s", row)
	}
}

func TestTheAlertsAskForMetricsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Groups) != 1 {
		t.Fatalf("%v, %d groups", err, len(file.Groups))
	}
	document, err := os.ReadFile("../../docs/observe.md")
	if err != nil {
		t.Fatal(err)
	}
	all := list(t)
	for _, rule := range file.Groups[0].Rules {
		asksForWhatThereIs(t, all, rule.Alert, rule.Expr)
		if !strings.Contains(string(document), "| `"+rule.Alert+"` | "+rule.Labels["severity"]+" |") {
			t.Errorf("docs/observe.md lacks %s, or has it with another severity", rule.Alert)
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" {
			t.Errorf("%s does not say what happened and what to do", rule.Alert)
		}
	}
	if listed := strings.Count(string(document), "| `Azx"); listed != len(file.Groups[0].Rules) {
		t.Errorf("docs/observe.md has %d alerts, there are %d", listed, len(file.Groups[0].Rules))
	}
}

func TestTheDashboardAsksForMetricsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/azx.json")
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		ID          int
		Title, Type string
		Description string
		Targets     []struct{ Expr string }
	}
	var board struct {
		Panels     []panel
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	all, ids, targets := list(t), map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] || p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%q has the id of another, no description or nothing to show", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			targets++
			asksForWhatThereIs(t, all, p.Title, target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		if name, labels, ok := strings.Cut(strings.TrimPrefix(v.Query, "label_values("), ", "); ok {
			asksForWhatThereIs(t, all, v.Name, name+"{"+strings.TrimSuffix(labels, ")")+`=""}`)
		}
	}
	if targets < 30 {
		t.Errorf("only %d expressions are found", targets)
	}
}

// scraped are the labels that Prometheus adds.
var scraped = []string{"instance", "job", "le"}

// errorer takes what is wrong.
type errorer interface {
	Errorf(format string, args ...any)
}

// counted counts it.
type counted int

func (c *counted) Errorf(string, ...any) { *c++ }

// asksForWhatThereIs checks the metrics of a PromQL expression and their labels; promtool checks the rest.
func asksForWhatThereIs(t errorer, all map[string]known, where, expr string) {
	names, labels := 0, slices.Clone(scraped)
	for _, selector := range regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})?`).FindAllStringSubmatch(bare(expr), -1) {
		name := selector[1]
		if !strings.Contains(name, "_") || regexp.MustCompile(regexp.QuoteMeta(name)+`\s*\(`).MatchString(expr) {
			continue // a word or a function of the language
		}
		one, ok := lookUp(all, name)
		if !ok {
			t.Errorf("%s: there is no metric %s", where, name)
			continue
		}
		names++
		labels = append(labels, one.labels...)
		for _, match := range regexp.MustCompile(`([a-z_]+)\s*(=|!=|=~|!~)`).FindAllStringSubmatch(selector[2], -1) {
			if !slices.Contains(one.labels, match[1]) && !slices.Contains(scraped, match[1]) {
				t.Errorf("%s: %s has no label %s", where, name, match[1])
			}
		}
	}
	if names == 0 {
		t.Errorf("%s: no metric is found in %s", where, expr)
	}
	for _, group := range regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(group[1], ",") {
			if !slices.Contains(labels, strings.TrimSpace(label)) {
				t.Errorf("%s: no metric in it has the label %s", where, label)
			}
		}
	}
}

// bare takes texts and the labels of groups out of an expression.
func bare(expr string) string {
	expr = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, `""`)
	expr = regexp.MustCompile(`\$[a-z_]+`).ReplaceAllString(expr, "")
	return regexp.MustCompile(`\b(by|without|on|ignoring)\s*\([^)]*\)`).ReplaceAllString(expr, "")
}

func lookUp(all map[string]known, name string) (known, bool) {
	if one, ok := all[name]; ok {
		return one, one.kind != "histogram"
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && all[base].kind == "histogram" {
			return all[base], true
		}
	}
	return known{}, false
}

func TestAnExpressionThatAsksForNothingIsSeen(t *testing.T) {
	all := map[string]known{"azx_a_total": {kind: "counter", labels: []string{"hub"}}, "azx_s": {kind: "histogram"}}
	for _, expr := range []string{"azx_b_total > 0", `azx_a_total{device="x"}`, "sum by (device) (azx_a_total)", "azx_s > 1", "vector(1)", "1"} {
		var seen counted
		asksForWhatThereIs(&seen, all, "", expr)
		if seen == 0 {
			t.Errorf("%s passes", expr)
		}
	}
	asksForWhatThereIs(t, all, "a good one", `sum by (hub) (rate(azx_a_total{hub=~"$hub"}[5m])) / histogram_quantile(0.5, azx_s_bucket) > 0`)
}
