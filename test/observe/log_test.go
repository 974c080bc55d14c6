package observe

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// works sends a message through a connector and waits for its value.
func works(t *testing.T, stack *process.Stack, d *device, n int, properties ...string) {
	t.Helper()
	d.send(fmt.Sprintf(`{"n":%d}`, n), properties...)
	process.Eventually(t, 30*time.Second, "the value on the Thing", func() error {
		value, err := stack.Platform.ReadProperty(d.id, "n")
		if err == nil && string(value) != fmt.Sprint(n) {
			err = fmt.Errorf("it is %s", value)
		}
		return err
	})
}

func TestAConnectorThatWorksIsSilentAtWarnAndHasAnEventInEveryLineAtInfo(t *testing.T) {
	stack := process.NewStack(t, azx)
	stack.AddHubThing("Plant")
	stack.AddDeviceThing("pump", "Plant", "--property", "n:INTEGER")
	d := connect(t, stack, "pump")
	stack.ConfigureFor("Plant", "azx-1")
	for n, level := range []string{"warn", "info"} {
		connector := stack.Start("run", "-c", "azx-1.yaml", "--log-format", "json", "--log-level", level)
		adminOf(connector)
		works(t, stack, d, n+1)
		if code := connector.Stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		lines := 0
		for line := range strings.Lines(connector.Stderr()) {
			lines++
			var fields struct{ Time, Level, Msg, Event string }
			if err := json.Unmarshal([]byte(line), &fields); err != nil || fields.Time == "" || fields.Msg == "" || fields.Event == "" {
				t.Errorf("%v: %s", err, line)
			}
		}
		if level == "warn" && lines > 0 || level == "info" && lines == 0 {
			t.Errorf("at %s %d lines: %s", level, lines, connector.Stderr())
		}
	}
}

func TestAProcessLivesWithoutHubAndPlatformAndSaysWhatIsMissing(t *testing.T) {
	stack := process.NewStack(t, azx)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	stack.Configure(func(config map[string]any) {
		config["admin"] = map[string]any{"listen": address}
		config["platform"].(map[string]any)["urls"] = []string{"ws://127.0.0.1:1/Thingworx/WS"}
		config["hubs"].([]any)[0].(map[string]any)["endpoints"] = map[string]any{"amqps": "127.0.0.1:1", "https": "127.0.0.1:1"}
	})
	connector := stack.Start("run", "-c", "azx.yaml")
	admin := "http://" + address
	connector.Until(30*time.Second, "lines of what is missing", func() error {
		for _, event := range []string{"event=hub-unreachable", "event=platform-unreachable"} {
			if !strings.Contains(connector.Stderr(), event) {
				return fmt.Errorf("no %s", event)
			}
		}
		return nil
	})
	if code, text := get(t, admin, "/livez"); code != http.StatusOK {
		t.Errorf("/livez answers %d: %s", code, text)
	}
	code, text := get(t, admin, "/readyz?verbose")
	t.Logf("/readyz?verbose:\n%s", text)
	if code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", code)
	}
	for check, ok := range map[string]bool{"hub open": false, "partitions read": false, "platform connected": false, "quarantine writable": true} {
		if strings.Contains(text, check+": ok\n") != ok || !strings.Contains(text, check+": ") {
			t.Errorf("%s is not told: %s", check, text)
		}
	}
	checks := map[string]float64{}
	all := scrape(t, admin)
	for _, s := range all["azx_check_ok"] {
		checks[s.labels["check"]] = s.value
	}
	if checks["hub open"] != 0 || checks["platform connected"] != 0 || checks["quarantine writable"] != 1 || len(checks) != strings.Count(text, "\n") {
		t.Errorf("the checks in metrics are %v", checks)
	}
	if all["azx_hub_connected"][0].value != 0 || all["azx_platform_connections"][0].value != 0 {
		t.Errorf("connected: %v %v", all["azx_hub_connected"], all["azx_platform_connections"])
	}
	if code, _ := get(t, admin, "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles are shown without being asked for: %d", code)
	}
}
