package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"azx/test/process"
)

// TestAnotherConnectorOfTheGroupBecomesTheActiveOne stops the active one, and then kills the next. The timer that decides runs
// faster here than as it is shipped, and silence is too long after 11 s instead of 30 s: a connector tells its health every 10 s.
func TestAnotherConnectorOfTheGroupBecomesTheActiveOne(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	platform := stack.Platform
	platform.Call("Things/ProtocolAdapterLeaderElectionTimer", "SetConfigurationTableRows", map[string]any{
		"tableName": "Settings", "persistent": true, "values": map[string]any{
			"dataShape": map[string]any{"fieldDefinitions": map[string]any{"updateRate": map[string]any{"name": "updateRate", "baseType": "NUMBER"}}},
			"rows":      []any{map[string]any{"updateRate": 200}},
		},
	})
	connectors := map[string]*process.Child{}
	for _, name := range []string{"azx-1", "azx-2", "azx-3", "alone"} {
		stack.Run("hub", "group", "add", name, "--dir", "hub") // each reads all messages, so that all are healthy
		stack.ConfigureFor(hubThing, name, fromPlatform, func(config map[string]any) {
			config["hubs"].([]any)[0].(map[string]any)["consumerGroup"] = name
			if name != "alone" {
				config["availabilityGroup"] = "hall 3"
			}
		})
		connectors[name] = stack.ConnectAs(name)
		reads(t, platform, name, "healthState", `"healthy"`)
		if name == "azx-1" {
			active(t, platform, 0, "azx-1")
		}
	}
	reads(t, platform, "azx-2", "availabilityGroup", `"hall 3"`)
	active(t, platform, 0, "alone", "azx-1") // that one stays

	if code := connectors["azx-1"].Stop(); code != 0 {
		t.Errorf("azx-1 ended with exit code %d", code)
	}
	active(t, platform, 0, "alone", "azx-2")

	platform.Call("Things/ProtocolAdapterLeaderElectionTimer", "DisableTimer", map[string]any{}) // it would use 30 s
	connectors["azx-2"].Kill()
	killed := time.Now()
	active(t, platform, 11, "alone", "azx-3")
	t.Logf("azx-3 is the active one %s after the other was killed", time.Since(killed).Round(time.Second))
}

// active waits until the connectors named are the active ones. With a number of seconds it has that decided, and takes those
// that were silent for longer for gone.
func active(t *testing.T, platform *process.Platform, silence int, want ...string) {
	t.Helper()
	service, with := "GetProtocolAdaptersWithAvailability", map[string]any{}
	if silence > 0 {
		service, with = "EvaluateAvailability", map[string]any{"healthTimeout": silence}
	}
	process.Eventually(t, time.Minute, fmt.Sprintf("%q are active", want), func() error {
		var list struct {
			Rows []struct {
				Name   string
				Active bool
			}
		}
		text, err := platform.TryCall("Things/ProtocolAdapterServices", service, with)
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			return err
		}
		var now []string
		for _, c := range list.Rows {
			if c.Active {
				now = append(now, c.Name)
			}
		}
		if fmt.Sprint(now) != fmt.Sprint(want) {
			return fmt.Errorf("%q are", now)
		}
		return nil
	})
}
