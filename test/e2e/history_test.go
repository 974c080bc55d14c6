package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"azx/test/process"
)

// TestALoggedPropertyHasEachValueOnceAtItsOwnTime kills the platform and the connector while values come, so that some of
// them are written again.
func TestALoggedPropertyHasEachValueOnceAtItsOwnTime(t *testing.T) {
	t.Parallel()
	const values = 300
	stack := newPlant(t)
	platform := stack.Platform
	newThing(platform, "Tanks", "ValueStream")
	platform.Call("Resources/EntityServices", "CreateThing", map[string]any{"name": "tank", "thingTemplateName": "AzureIotThing", "gatewayThing": hubThing})
	platform.Call("Things/tank", "SetValueStream", map[string]any{"name": "Tanks"})
	platform.Call("Things/tank", "AddPropertyDefinition", map[string]any{"name": "level", "type": "INTEGER", "logged": true, "persistent": true})
	platform.Call("Things/tank", "SetRemotePropertyBinding", map[string]any{"propertyName": "level", "sourcePropertyName": "level", "pushType": "ALWAYS"})
	platform.Call("Things/tank", "EnableThing", map[string]any{})
	platform.Call("Things/tank", "RestartThing", map[string]any{})
	stack.ConfigureFor(hubThing, "azx-1", fromPlatform, func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["timeField"] = "ts"
	})
	connector := stack.ConnectAs("azx-1")
	device := connectDevice(t, stack, "tank")
	first := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	at := func(n int) time.Time { return first.Add(time.Duration(n) * 7 * time.Millisecond) }
	written := 0
	for n := range values {
		if err := device.send(`{"ts":%q,"level":%d}`, at(n).Format(time.RFC3339Nano), n); err != nil {
			t.Fatal(err)
		}
		switch n {
		case values / 3:
			reads(t, platform, "tank", "level", fmt.Sprint(n))
			stack.PlatformProcess.Kill()
			stack.RestartPlatform()
			platform = stack.Platform
			checkHistory(t, platform, n+1, at) // what it has acknowledged it still has
		case 2 * values / 3:
			reads(t, platform, "tank", "level", fmt.Sprint(n))
			connector.Kill() // before it has saved how far it came
			written = len(platform.Ledger(0))
			connector = stack.ConnectAs("azx-1")
		}
	}
	reads(t, platform, "tank", "level", fmt.Sprint(values-1))
	t.Logf("%d values were written again", len(platform.Ledger(0))-written-values/3+1)
	checkHistory(t, platform, values, at)
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}

func checkHistory(t *testing.T, platform *process.Platform, values int, at func(int) time.Time) {
	t.Helper()
	var history struct {
		Rows []struct {
			Timestamp int64 `json:"timestamp"`
			Level     int   `json:"level"`
		} `json:"rows"`
	}
	text := platform.Call("Things/tank", "QueryPropertyHistory", map[string]any{"maxItems": 10 * values, "oldestFirst": true})
	if err := json.Unmarshal(text, &history); err != nil {
		t.Fatal(err)
	}
	if len(history.Rows) != values {
		t.Errorf("the history has %d rows, want %d", len(history.Rows), values)
	}
	for n, row := range history.Rows {
		if row.Level != n || !time.UnixMilli(row.Timestamp).Equal(at(n)) {
			t.Fatalf("row %d is %d at %s, want %s", n, row.Level, time.UnixMilli(row.Timestamp).UTC(), at(n))
		}
	}
}
