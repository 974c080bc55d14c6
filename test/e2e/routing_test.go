package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// TestTheRoutingGroupIsTakenOrRefusedAtStart starts a connector for each state that the group's name may have.
func TestTheRoutingGroupIsTakenOrRefusedAtStart(t *testing.T) {
	for _, c := range []struct {
		name    string
		onThing any // the column's value; nil is null
		fresh   bool
		inFile  func(hub map[string]any)
		refused string // in what the connector says; "" if it starts
	}{
		{name: "a fresh hub Thing: its own name", fresh: true},
		{name: "a name of its own", onThing: "North"},
		{name: "the Thing's name in a text", onThing: "group-${hub-thing-name}"},
		{name: "empty on the Thing", onThing: "", refused: "routing group"},
		{name: "blank on the Thing", onThing: " \t", refused: "routing group"},
		{name: "null on the Thing", onThing: nil, refused: "routing group"},
		{name: "in the file", onThing: "North", inFile: func(hub map[string]any) { hub["routingGroup"] = "North" }},
		{name: "empty in the file", onThing: "North", inFile: func(hub map[string]any) { hub["routingGroup"] = "" }, refused: "routingGroup"},
		{name: "null in the file", onThing: "North", inFile: func(hub map[string]any) { hub["routingGroup"] = nil }, refused: "routingGroup"},
		{name: "blank in the file", onThing: "North", inFile: func(hub map[string]any) { hub["routingGroup"] = "  " }, refused: "routingGroup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stack := process.NewStack(t, azx)
			stack.AddHubThing(hubThing)
			if !c.fresh {
				setGroup(stack.Platform, c.onThing)
			}
			stack.AddDeviceThing("pump-7", hubThing, "--service", "Echo(n:INTEGER):JSON:echo")
			connectDevice(t, stack, "pump-7").echoes()
			stack.ConfigureFor(hubThing, "azx-1", func(config map[string]any) {
				if c.inFile != nil {
					c.inFile(config["hubs"].([]any)[0].(map[string]any))
				}
			})
			if c.refused == "" {
				stack.ConnectAs("azx-1")
				if _, err := stack.Platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1}); err != nil {
					t.Error(err)
				}
				return
			}
			connector := stack.Start("run", "-c", "azx-1.yaml")
			if code := connector.Wait(time.Minute); code != 3 || !strings.Contains(connector.Stderr(), c.refused) {
				t.Errorf("exit code %d: %s", code, connector.Stderr())
			}
		})
	}
}

// TestAGroupClearedWhileTheConnectorRunsIsRefusedAndTheOldOneStays clears the name, and later changes it.
func TestAGroupClearedWhileTheConnectorRunsIsRefusedAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing, "--routing-group", "North")
	stack.AddDeviceThing("pump-7", hubThing, "--service", "Echo(n:INTEGER):JSON:echo")
	connectDevice(t, stack, "pump-7").echoes()
	stack.ConfigureFor(hubThing, "azx-1")
	connector := stack.ConnectAs("azx-1")

	setGroup(stack.Platform, "")
	stack.RestartPlatform() // who connects again asks again
	connector.Until(2*time.Minute, "the empty name is refused", func() error { return logged(connector, "routing-group-refused") })
	if connector.Ended() {
		t.Fatalf("the connector has ended: %s", connector.Stderr())
	}
	setGroup(stack.Platform, "North")
	connector.Until(2*time.Minute, "calls go through again", func() error {
		_, err := stack.Platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1})
		return err
	})
}

// setGroup changes the routing group of the hub Thing as Composer does.
func setGroup(platform *process.Platform, group any) {
	platform.Call("Things/"+hubThing, "SetConfigurationTableRows", map[string]any{
		"tableName": "RoutingSettings", "persistent": true,
		"values": map[string]any{
			"dataShape": map[string]any{"fieldDefinitions": map[string]any{"routingGroup": map[string]any{"name": "routingGroup", "baseType": "STRING"}}},
			"rows":      []any{map[string]any{"routingGroup": group}},
		},
	})
}

func logged(connector *process.Child, event string) error {
	if strings.Contains(connector.Stderr(), event) {
		return nil
	}
	return fmt.Errorf("not logged: %s", event)
}

// TestOnAPlatformThatIgnoresGroupBindsEveryFlowWorks has the connector bind the devices one by one.
func TestOnAPlatformThatIgnoresGroupBindsEveryFlowWorks(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx, process.Flags{Platform: []string{"--no-group-bind"}})
	stack.AddHubThing(hubThing)
	stack.AddDeviceThing("pump-7", hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	d := connectDevice(t, stack, "pump-7")
	d.echoes()
	messages, desired := make(chan string, 10), make(chan string, 10)
	d.takes(func(body []byte) { messages <- string(body) })
	d.desires(func(body []byte) { desired <- string(body) })
	stack.ConfigureFor(hubThing, "azx-1")
	connector := stack.ConnectAs("azx-1")

	connector.Until(time.Minute, "the connector binds devices one by one", func() error { return logged(connector, "group-bind-ignored") })
	connector.Until(time.Minute, "a service call", func() error {
		_, err := stack.Platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1})
		return err
	})
	if err := stack.Platform.WriteProperty("pump-7", "target", 7); err != nil {
		t.Fatal(err)
	}
	arrives(t, "the write", messages, func(body string) bool { return body == `{"target":7}` })
	if err := d.send(`{"target":7}`); err != nil {
		t.Fatal(err)
	}
	connector.Until(time.Minute, "the device's echo", func() error {
		return is(stack.Platform, "target", func(raw string) bool { return raw == "7" })
	})
	if err := stack.Platform.WriteProperty("pump-7", "twinDesired", map[string]any{"interval": 5}); err != nil {
		t.Fatal(err)
	}
	arrives(t, "the desired property", desired, func(body string) bool { return strings.Contains(body, `"interval":5`) })
	d.reports(`{"mode":"eco"}`)
	connector.Until(time.Minute, "the reported property", func() error {
		return is(stack.Platform, "twinReported", func(raw string) bool { return strings.Contains(raw, `"mode":"eco"`) })
	})
	if n := strings.Count(connector.Stderr(), "group-bind-ignored"); n != 1 {
		t.Errorf("said %d times that group binds are ignored", n)
	}
}

// is reads a property of pump-7.
func is(platform *process.Platform, property string, fits func(raw string) bool) error {
	raw, err := platform.ReadProperty("pump-7", property)
	if err == nil && !fits(string(raw)) {
		err = fmt.Errorf("%s is %s", property, raw)
	}
	return err
}

// arrives waits until something fits.
func arrives(t *testing.T, what string, from <-chan string, fits func(string) bool) {
	t.Helper()
	limit := time.After(ackWithin)
	for last := "nothing"; ; {
		select {
		case last = <-from:
			if fits(last) {
				return
			}
		case <-limit:
			t.Fatalf("%s does not arrive in the device; last was %s", what, last)
		}
	}
}
