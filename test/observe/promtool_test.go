package observe

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"azx/test/process"
)

// promtool runs Prometheus's own tool.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(root, "bin", "promtool")
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("%v: scripts/test.sh unpacks it from Debian's package prometheus: make e2e", err)
	}
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir, cmd.Stdin = root, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("promtool %s\n%s", strings.Join(args, " "), out)
}

func TestPromtoolTakesTheAlertsAndTheyFireWhenTheyShould(t *testing.T) {
	promtool(t, "", "check", "rules", "--lint=all", "--lint-fatal", "deploy/prometheus/alerts.yaml")
	promtool(t, "", "test", "rules", "test/observe/testdata/alerts_test.yaml")
}

func TestEveryAlertHasATestInWhichItFiresAndOneInWhichItDoesNot(t *testing.T) {
	var alerts struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	read(t, "../../deploy/prometheus/alerts.yaml", &alerts)
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string `yaml:"alertname"`
				ExpAlerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	read(t, "testdata/alerts_test.yaml", &tests)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, one := range test.AlertRuleTest {
			if len(one.ExpAlerts) > 0 {
				fires[one.Alertname] = true
			} else {
				silent[one.Alertname] = true
			}
		}
	}
	for _, rule := range alerts.Groups[0].Rules {
		if !fires[rule.Alert] || !silent[rule.Alert] {
			t.Errorf("%s: fires in a test: %v, does not in another: %v", rule.Alert, fires[rule.Alert], silent[rule.Alert])
		}
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestPromtoolTakesTheDashboardsExpressions makes a rule of each, since that is what promtool reads.
func TestPromtoolTakesTheDashboardsExpressions(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/azx.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	var rules []map[string]any
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
			rules = append(rules, map[string]any{"record": fmt.Sprintf("panel:%d", len(rules)), "expr": expr})
		}
	}
	text, err = yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

func TestPromtoolTakesAScrapeOfAConnectorThatWorks(t *testing.T) {
	stack := process.NewStack(t, azx)
	stack.AddHubThing("Plant")
	stack.AddDeviceThing("pump", "Plant", "--property", "n:INTEGER")
	d := connect(t, stack, "pump")
	stack.ConfigureFor("Plant", "azx-1")
	admin := adminOf(stack.ConnectAs("azx-1"))
	works(t, stack, d, 1)
	d.send(`{"n":`)
	if err := stack.Platform.WriteProperty("pump", "n", 5); err != nil {
		t.Fatal(err)
	}
	_, text := get(t, admin, "/metrics")
	if own := len(regexp.MustCompile(`(?m)^# TYPE azx_`).FindAllString(text, -1)); own < 25 {
		t.Errorf("only %d metrics are there", own)
	}
	for _, device := range []string{"pump", "Pump"} {
		if strings.Contains(text, device) {
			t.Errorf("a device is in the metrics: %s", text)
		}
	}
	promtool(t, text, "check", "metrics")
}
