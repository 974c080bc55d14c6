package e2e

import (
	"testing"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// TestThingsComeWithTheirDevices has one Thing made when the hub tells of its device, and another one by the first message of a
// device that was there before.
func TestThingsComeWithTheirDevices(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.Control("POST", "/routes", iothub.Route{Name: "lives", Source: "DeviceLifecycleEvents", Endpoint: iothub.BuiltInEndpoint})
	stack.AddHubThing(hubThing)
	stack.ConfigureFor(hubThing, "azx-1", func(config map[string]any) {
		hub := config["hubs"].([]any)[0].(map[string]any)
		hub["onUnknownThing"] = "create"
		hub["lifecycle"] = map[string]any{"onCreate": "create", "onDelete": "disable"}
	})
	stack.ConnectAs("azx-1")
	stack.AddDevice("made-1")
	reads(t, stack.Platform, "made-1", "gatewayThing", `"`+hubThing+`"`)
	stack.Control("DELETE", "/routes?name=lives", nil)
	d := connectDevice(t, stack, "spoke-1")
	if err := d.send(`{"n":1}`); err != nil {
		t.Fatal(err)
	}
	reads(t, stack.Platform, "spoke-1", "gatewayThing", `"`+hubThing+`"`)
}
