package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// reloadWithin is how long a connector may take to read its file again.
const reloadWithin = 20 * time.Second

// TestAConnectorReadsItsFileAgainWhileMessagesFlow changes the file four times under load: what can takes effect, what
// cannot is named, a broken file changes nothing. No message is lost or written twice.
func TestAConnectorReadsItsFileAgainWhileMessagesFlow(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.Configure()
	connector := stack.Connect()
	admin := strings.TrimSuffix(strings.TrimPrefix(connector.UntilPrinted(reloadWithin, "ready: "), "ready: http://"), "/readyz")
	stack.AddThing("late-1", "n:INTEGER")
	device := connectDevice(t, stack, "late-1")
	stop := startSender(t, device, 0)

	reload := func(code int, says ...string) {
		t.Helper()
		child := stack.Start("reload", "--admin", admin)
		if got := child.Wait(reloadWithin); got != code {
			t.Errorf("exit code %d, want %d", got, code)
		}
		for _, part := range says {
			if out := child.Stdout() + child.Stderr(); !strings.Contains(out, part) {
				t.Errorf("%q is not in\n%s", part, out)
			}
		}
	}
	reload(0, "azx-1: nothing has changed")

	stack.Configure(func(config map[string]any) {
		config["log"] = map[string]any{"level": "debug"}
		config["hubs"].([]any)[0].(map[string]any)["writeVia"] = "desired"
	})
	reload(0, "azx-1: in effect", "  hubs[0].writeVia: c2d -> desired", "  log.level: info -> debug")

	stack.Configure(func(config map[string]any) { config["lanes"] = 8 })
	reload(5, "azx-1: in effect", "  log.level: debug -> info", "azx-1: waiting for a restart", "  lanes: 32 -> 8", "Try: restart the connector")

	stack.WriteFile("azx.yaml", []byte("lans: 8\n"))
	reload(3, "azx-1 keeps its settings: check configuration: 6 problems", "azx.yaml:1:1: lans: unknown key; did you mean lanes?")

	stack.Configure(func(config map[string]any) { config["hubs"].([]any)[0].(map[string]any)["writeWindow"] = "50ms" })
	connector.Hangup()
	connector.Until(reloadWithin, "the hang-up is heard", func() error {
		if !strings.Contains(connector.Stderr(), "settings=writeWindow") {
			return errors.New("writeWindow has not changed")
		}
		return nil
	})

	stop()
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
	for _, event := range []string{"settings-changed", "settings-restart", "settings-refused"} {
		if !strings.Contains(connector.Stderr(), "event="+event) {
			t.Errorf("the log does not have %s", event)
		}
	}
	inOrder(t, stack.Platform)
}
