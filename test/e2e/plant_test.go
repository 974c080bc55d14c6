package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// newPlant is a stack with a hub Thing that has its connection string, so that a connector's file needs none.
func newPlant(t *testing.T, flags ...process.Flags) *process.Stack {
	t.Helper()
	stack := process.NewStack(t, azx, flags...)
	stack.AddHubThing(hubThing)
	setTable(stack.Platform, hubThing, "ConnectionSettings", map[string]any{"connectionString": stack.Hub.ServiceConnectionString})
	return stack
}

// fromPlatform has a connector take its connection string from the hub Thing.
func fromPlatform(config map[string]any) {
	hub := config["hubs"].([]any)[0].(map[string]any)
	delete(hub, "connectionString")
	delete(hub, "consumerGroup")
}

// setTable writes rows of a configuration table of a Thing, as Composer does.
func setTable(platform *process.Platform, thing, table string, rows ...map[string]any) {
	platform.Call("Things/"+thing, "SetConfigurationTableRows", map[string]any{"tableName": table, "persistent": true, "values": rowsOf(rows...)})
}

// rowsOf is an infotable whose columns are texts.
func rowsOf(rows ...map[string]any) map[string]any {
	fields := map[string]any{}
	for _, row := range rows {
		for name := range row {
			fields[name] = map[string]any{"name": name, "baseType": "STRING"}
		}
	}
	return map[string]any{"dataShape": map[string]any{"fieldDefinitions": fields}, "rows": rows}
}

// newThing makes an enabled Thing of a template.
func newThing(platform *process.Platform, name, template string) {
	platform.Call("Resources/EntityServices", "CreateThing", map[string]any{"name": name, "thingTemplateName": template})
	platform.Call("Things/"+name, "EnableThing", map[string]any{})
	platform.Call("Things/"+name, "RestartThing", map[string]any{})
}

// fired waits for an event of ConnectionServicesHub whose texts have all parts, and returns it.
func fired(t *testing.T, platform *process.Platform, event string, parts ...string) (found process.Fired) {
	t.Helper()
	process.Eventually(t, time.Minute, event+" is fired", func() error {
		told, err := platform.Events("ConnectionServicesHub")
		if err != nil {
			return err
		}
		var last string
		for _, e := range told {
			if e.Event != event {
				continue
			}
			text, _ := json.Marshal(e.Data.Rows) // of what was read as JSON
			if last = string(text); !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(last, part) }) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("there is none with %q, the last is %s", parts, last)
	})
	return found
}

// reads waits until a property of a Thing has a value in JSON.
func reads(t *testing.T, platform *process.Platform, thing, property, want string) {
	t.Helper()
	process.Eventually(t, time.Minute, fmt.Sprintf("%s of %s is %s", property, thing, want), func() error {
		raw, err := platform.ReadProperty(thing, property)
		if err == nil && string(raw) != want {
			err = fmt.Errorf("it is %s", raw)
		}
		return err
	})
}
