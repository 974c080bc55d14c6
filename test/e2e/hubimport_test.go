package e2e

import (
	"testing"
	"time"

	"azx/test/process"
)

// TestAnImportByServiceTellsItsEnd imports through ConnectionServicesHub, and hears of it by events.
func TestAnImportByServiceTellsItsEnd(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	platform := stack.Platform
	setTable(platform, hubThing, "ConnectionSettings", map[string]any{"connectionString": stack.Hub.OwnerConnectionString})
	stack.AddDevice("pump-1")
	stack.AddDevice("gate-1", "--edge")
	stack.AddDeviceThing("pump-2", hubThing)
	stack.AddDevice("pump-2")
	stack.ConfigureFor(hubThing, "azx-1", fromPlatform)
	stack.ConnectAs("azx-1")
	run := func(with map[string]any, parts ...string) {
		t.Helper()
		process.Eventually(t, time.Minute, "the import is taken", func() error {
			_, err := platform.TryCall("Things/ConnectionServicesHub", "ImportAzureIotDevices", with)
			return err
		})
		fired(t, platform, "AzureThingImportStatusEvent", parts...)
	}
	run(map[string]any{"dryRun": true}, `"created":2`, `"skipped":1`, "nothing was changed", `"completed"`)
	run(map[string]any{"rules": []any{map[string]any{"edge": true, "template": "NoTemplate"}}}, `"created":1`, `"failed":1`, "gate-1", `"completed"`)
	reads(t, platform, "pump-1", "gatewayThing", `"`+hubThing+`"`)
	run(map[string]any{"update": true, "thingTemplateName": "AzureIotThing"}, `"created":1`, `"updated":2`, `"failed":0`)
	run(map[string]any{"queryCondition": "deviceId ="}, `"failed"`, "query")
}
