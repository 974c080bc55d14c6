package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"azx/test/process"
)

// TestCredentialFilesAreReplacedWithoutAGap puts other keys into the files of the hub's key and of the application key while
// messages flow: wrong ones first, which change nothing and are told once, then good ones, which are taken within seconds.
// No message is lost or written twice, and the connector does not start again.
func TestCredentialFilesAreReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	old, next := stack.Platform.AddApplicationKey("old"), stack.Platform.AddApplicationKey("next")
	first, second := policyKeys(t, stack)
	putKey := func(key string) {
		text, _, _ := strings.Cut(stack.Hub.ServiceConnectionString, "SharedAccessKey=")
		stack.WriteFile("hub-key", []byte(text+"SharedAccessKey="+key+"\n"))
	}
	putKey(first)
	stack.WriteFile("key", []byte(old+"\n"))
	stack.Configure(func(config map[string]any) {
		config["platform"].(map[string]any)["appKey"] = "${file:key}"
		hub := config["hubs"].([]any)[0].(map[string]any)
		delete(hub, "eventHubsConnectionString")
		hub["connectionString"] = "${file:hub-key}"
	})
	connector := stack.Connect()
	stack.AddThing("late-1", "n:INTEGER")
	stop := startSender(t, connectDevice(t, stack, "late-1"), 0)
	told := func(event, op string, times int) {
		t.Helper()
		connector.Until(takesEffectWithin, fmt.Sprintf("%s %s is told", event, op), func() error {
			if n := logLines(connector, "event="+event, op); n != times {
				return fmt.Errorf("it is told %d times, want %d", n, times)
			}
			return nil
		})
	}

	putKey("d3Jvbmcga2V5IG9mIGEgdGVzdA==")
	stack.WriteFile("key", []byte("a-wrong-key\n"))
	told("settings-refused", "try the new connection strings", 1)
	told("settings-refused", "try the new application key", 1)
	stack.WriteFile("key", []byte(next+"\n")) // it is taken though the other file is still wrong
	told("settings-changed", "platform.appKey", 1)
	putKey(second)
	told("settings-changed", "connectionString", 1)
	stack.Platform.Call("Resources/EntityServices", "DeleteApplicationKey", map[string]any{"name": "old"})

	stop()
	inOrder(t, stack.Platform)
	for _, gap := range []string{"partition-lost", "hub-unreachable"} {
		if logged(connector, gap) == nil {
			t.Errorf("there was a gap: %s", gap)
		}
	}
	stack.RestartPlatform() // which lets it in with the next key alone
	device := connectDevice(t, stack, "late-2")
	stack.AddThing("late-2", "n:INTEGER")
	device.sendNumber(7)
	reads(t, stack.Platform, "late-2", "n", "7")
	told("settings-refused", "", 2)
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}

// logLines counts the lines of a connector's log that have all parts.
func logLines(connector *process.Child, parts ...string) (n int) {
	for line := range strings.Lines(connector.Stderr()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			n++
		}
	}
	return n
}
