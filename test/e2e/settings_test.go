package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/test/process"
)

// TestAChangeOnTheHubThingReachesEveryConnector has three connectors, one of them down while settings change.
func TestAChangeOnTheHubThingReachesEveryConnector(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	stack.AddDeviceThing("pump-7", hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	d := connectDevice(t, stack, "pump-7")
	d.echoes()
	desired := make(chan string, 10)
	d.desires(func(body []byte) { desired <- string(body) })
	connectors := map[string]*process.Child{}
	for _, name := range []string{"azx-1", "azx-2", "azx-3", "azx-4"} {
		stack.ConfigureFor(hubThing, name, fromPlatform)
		connectors[name] = stack.ConnectAs(name)
	}
	down := connectors["azx-4"]
	delete(connectors, "azx-4")
	if code := down.Stop(); code != 0 {
		t.Errorf("azx-4 ended with exit code %d", code)
	}

	setTable(stack.Platform, hubThing, "ConnectorSettings", map[string]any{"name": "writeVia", "value": "desired"})
	for name, connector := range connectors {
		took := func() float64 {
			return metrics(t, connector)[`azx_settings_reloads_total{hub="Plant",result="changed"}`]
		}
		connector.Until(takesEffectWithin, name+" takes the change", func() error {
			if took() != 1 {
				return fmt.Errorf("it has reloaded %v times", took())
			}
			return nil
		})
	}
	down = stack.ConnectAs("azx-4")
	if err := logged(down, "setting=writeVia value=desired from=\"hub Thing\""); err != nil {
		t.Error(err)
	}
	if err := stack.Platform.WriteProperty("pump-7", "target", 7); err != nil {
		t.Fatal(err)
	}
	arrives(t, "the write as a desired property", desired, func(body string) bool { return strings.Contains(body, `"target":7`) })

	connectors["azx-4"] = down
	setGroup(stack.Platform, "North")
	for name, connector := range connectors {
		connector.Until(takesEffectWithin, name+" binds the new routing group", func() error { return logged(connector, "to=North") })
	}
	process.Eventually(t, takesEffectWithin, "calls travel through the new group", func() error {
		_, err := stack.Platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1})
		return err
	})
	for name, connector := range connectors {
		if code := connector.Stop(); code != 0 {
			t.Errorf("%s ended with exit code %d", name, code)
		}
	}
}

// TestAKeyIsReplacedWithoutAGap rotates the hub's keys as people do: the connector gets the second one on the hub Thing, and
// then the first one is made anew at the hub. Messages flow all the while; each is written once, in order. When both are
// made anew the connector says that it is refused, and goes on when it has one of them.
func TestAKeyIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	stack := process.NewPlatform(t, azx)
	hub := hubProcess(stack)
	stack.AddHubThing(hubThing)
	first, second := policyKeys(t, stack)
	setKey(t, stack, first)
	stack.AddDeviceThing("late-1", hubThing, "--property", "n:INTEGER", "--property", "level:INTEGER")
	stack.ConfigureFor(hubThing, "azx-1", fromPlatform)
	connector := stack.ConnectAs("azx-1")
	device := connectDevice(t, stack, "late-1")
	for n := range 20 {
		if n == 10 {
			setKey(t, stack, second)
		}
		device.sendNumber(n)
	}
	connector.Until(takesEffectWithin, "the second key is taken", func() error { return logged(connector, "event=settings-changed") })
	for n := 20; n < 40; n++ {
		device.sendNumber(n)
	}
	reads(t, stack.Platform, "late-1", "n", "39")
	for _, gap := range []string{"partition-lost", "hub-unreachable"} {
		if logged(connector, gap) == nil {
			t.Errorf("there was a gap: %s", gap)
		}
	}

	hub = withKeys(t, stack, hub, "a new first key", second)
	device = connectDevice(t, stack, "late-1")
	device.sendNumber(40)
	reads(t, stack.Platform, "late-1", "n", "40")
	if told, err := stack.Platform.Events("ConnectionServicesHub"); err != nil || len(told) != 0 {
		t.Errorf("people were told of %v, %v", told, err)
	}

	withKeys(t, stack, hub, "a newer first key", "a new second key")
	device = connectDevice(t, stack, "late-1")
	device.sendNumber(41)
	fired(t, stack.Platform, "AuthenticationError", `"ThingName":"Plant"`)
	first, _ = policyKeys(t, stack)
	setKey(t, stack, first)
	reads(t, stack.Platform, "late-1", "n", "41")
	inOrder(t, stack.Platform)
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}

// hubState is what a hub keeps of its policies.
func hubState(t *testing.T, stack *process.Stack) (path string, state map[string]any) {
	t.Helper()
	path = filepath.Join(stack.Dir, "hub", "iothub.json")
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, state
}

// policyKeys are the two keys of the policy service.
func policyKeys(t *testing.T, stack *process.Stack) (first, second string) {
	t.Helper()
	_, state := hubState(t, stack)
	keys := state["policies"].(map[string]any)["service"].([]any)
	return keys[0].(string), keys[1].(string)
}

// withKeys makes the keys of the policy service other ones, for which the hub has to start again; it listens where it did.
func withKeys(t *testing.T, stack *process.Stack, hub *process.Child, first, second string) *process.Child {
	t.Helper()
	hub.Stop()
	path, state := hubState(t, stack)
	keys := []any{first, second}
	for i, key := range keys {
		if _, err := base64.StdEncoding.DecodeString(key.(string)); err != nil {
			keys[i] = base64.StdEncoding.EncodeToString([]byte(key.(string)))
		}
	}
	state["policies"].(map[string]any)["service"] = keys
	text, err := json.Marshal(state)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ports := stack.Hub.Ports
	return hubProcess(stack, "--mqtt", fmt.Sprint(ports.MQTT), "--amqps", fmt.Sprint(ports.AMQPS), "--https", fmt.Sprint(ports.HTTPS))
}
