package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// lifeEvent is what AzureThingLifecycleEvent tells.
const lifeEvent = "AzureThingLifecycleEvent"

// tellsLives has a hub tell of devices that are made and deleted.
func tellsLives(hub *process.Stack) {
	hub.Control("POST", "/routes", iothub.Route{Name: "lives", Source: "DeviceLifecycleEvents", Endpoint: iothub.BuiltInEndpoint})
}

// lives has a connector follow the devices of its hub, with the policy that may make and delete them.
func lives(stack *process.Stack, keys map[string]any) func(config map[string]any) {
	return func(config map[string]any) {
		hub := config["hubs"].([]any)[0].(map[string]any)
		hub["connectionString"] = stack.Hub.OwnerConnectionString
		hub["onUnknownThing"] = "create"
		hub["lifecycle"] = keys
	}
}

// addTemplate puts a template of a package of its own on the platform, whose Things have one remote property, an INTEGER.
func addTemplate(t *testing.T, platform *process.Platform, name, property string) {
	t.Helper()
	answer := upload(t, platform, "", archive(t, map[string]string{
		"metadata.xml": `<Entities><ExtensionPackages><ExtensionPackage name="plant" packageVersion="1.0.0"/></ExtensionPackages></Entities>`,
		"Entities/Mine.xml": fmt.Sprintf(`<Entities><ThingTemplates><ThingTemplate name=%q baseThingTemplate="AzureIotThing"><ThingShape>
<PropertyDefinitions><PropertyDefinition name=%[2]q baseType="INTEGER"/></PropertyDefinitions></ThingShape>
<RemotePropertyBindings><RemotePropertyBinding name=%[2]q sourceName=%[2]q pushType="ALWAYS"/></RemotePropertyBindings>
</ThingTemplate></ThingTemplates></Entities>`, name, property),
	}))
	if answer.status != http.StatusOK {
		t.Fatalf("%d %s", answer.status, answer.text)
	}
}

// deleteDevice deletes a device at a hub, through the connector.
func deleteDevice(t *testing.T, platform *process.Platform, hub, id string) {
	t.Helper()
	if _, err := platform.TryCall("Things/ConnectionServicesHub", "DeleteAzureIotDevice", map[string]any{"thingName": id, "hubThingName": hub}); err != nil {
		t.Fatal(err)
	}
}

// isEnabled waits until a Thing is, or is not.
func isEnabled(t *testing.T, platform *process.Platform, thing string, want bool) {
	t.Helper()
	process.Eventually(t, time.Minute, fmt.Sprintf("%s is enabled: %v", thing, want), func() error {
		raw, err := platform.Result("Things/"+thing, "IsEnabled", map[string]any{})
		if err == nil && string(raw) != fmt.Sprint(want) {
			err = fmt.Errorf("it is %s", raw)
		}
		return err
	})
}

// TestThingsFollowTheirDevices has one Thing made when the hub tells of its device, and another one by the first message of a
// device that was there before, which arrives. A deletion disables the one and leaves the other; a device that is made again has
// its Thing again.
func TestThingsFollowTheirDevices(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	tellsLives(stack)
	stack.AddHubThing(hubThing)
	addTemplate(t, stack.Platform, "Counters", "n")
	stack.ConfigureFor(hubThing, "azx-1", lives(stack, map[string]any{"onCreate": "create", "onDelete": "disable", "rules": []any{"Counters"}}))
	stack.ConnectAs("azx-1")
	stack.AddDevice("made-1")
	reads(t, stack.Platform, "made-1", "gatewayThing", `"`+hubThing+`"`)
	told := fired(t, stack.Platform, lifeEvent, `"made-1"`, `"createDeviceIdentity"`)
	var twin struct {
		DeviceID string `json:"deviceId"`
	}
	if text := told.Data.Rows[0]["twin"]; json.Unmarshal(text, &twin) != nil || twin.DeviceID != "made-1" {
		t.Errorf("the twin is %s", text)
	}
	stack.Send("made-1", `{"n":7}`)
	reads(t, stack.Platform, "made-1", "n", "7")

	stack.Control("DELETE", "/routes?name=lives", nil)
	stack.AddDevice("spoke-1")
	stack.Send("spoke-1", `{"n":1}`)
	reads(t, stack.Platform, "spoke-1", "n", "1")
	tellsLives(stack)

	deleteDevice(t, stack.Platform, hubThing, "made-1")
	isEnabled(t, stack.Platform, "made-1", false)
	told = fired(t, stack.Platform, lifeEvent, `"made-1"`, `"deleteDeviceIdentity"`)
	if len(told.Data.Rows) != 1 || told.Row("deviceId") != "made-1" || told.Row("status") != "deleteDeviceIdentity" || len(told.Data.Rows[0]["twin"]) == 0 {
		t.Errorf("told of %v", told.Data.Rows)
	}
	reads(t, stack.Platform, "spoke-1", "n", "1")

	stack.AddDevice("made-1")
	isEnabled(t, stack.Platform, "made-1", true)
	stack.Send("made-1", `{"n":8}`)
	reads(t, stack.Platform, "made-1", "n", "8")
}

// TestADeviceThatMovedIsRefusedOrAdopted moves a device from one hub to another: its messages are put aside, or its Thing goes with
// it, by choice. Either way it is told.
func TestADeviceThatMovedIsRefusedOrAdopted(t *testing.T) {
	for _, policy := range []string{"refuse", "adopt"} {
		t.Run(policy, func(t *testing.T) {
			p := newPair(t)
			p.key(p.second.Hub.OwnerConnectionString)
			follow := map[string]any{"onMoved": policy}
			p.configure(func(first, second map[string]any) {
				first["connectionString"] = p.first.Hub.OwnerConnectionString
				first["lifecycle"], second["lifecycle"] = follow, follow
			})
			connector := p.connect()
			p.untilReadyz(http.StatusOK, "hub open of "+secondThing+": ok")
			platform := p.first.Platform
			p.first.AddDevice("pump-1")
			p.first.Send("pump-1", `{"target":1}`)
			reads(t, platform, "pump-1", "target", "1")
			deleteDevice(t, platform, hubThing, "pump-1")
			p.second.AddDevice("pump-1")
			p.second.Send("pump-1", `{"target":2}`)

			if policy == "adopt" {
				reads(t, platform, "pump-1", "target", "2")
				reads(t, platform, "pump-1", "gatewayThing", `"`+secondThing+`"`)
			} else {
				look := func() error {
					if aside := putAside(t, p.first); aside.Total != 1 || aside.Records[0].Reason != "not-allowed" {
						return fmt.Errorf("put aside are %+v", aside)
					}
					return nil
				}
				connector.Until(time.Minute, "its message is put aside", look)
				reads(t, platform, "pump-1", "target", "1")
				reads(t, platform, "pump-1", "gatewayThing", `"`+hubThing+`"`)
			}
			told := fired(t, platform, lifeEvent, `"pump-1"`, `"deviceMoved"`)
			if told.Row("deviceId") != "pump-1" || told.Row("status") != "deviceMoved" {
				t.Errorf("told of %v", told.Data.Rows)
			}
			if policy == "adopt" {
				if aside := putAside(t, p.first); aside.Total != 0 {
					t.Errorf("put aside are %+v", aside)
				}
			}
			if code := connector.Stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestTheDeviceOfAThingMadeInComposerIsMadeAtItsFirstRequest has the platform write to such a Thing: with a policy that may not
// make devices the refusal names the right, with one that may the hub has the device.
func TestTheDeviceOfAThingMadeInComposerIsMadeAtItsFirstRequest(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDeviceThing("composed-1", hubThing, "--property", "target:INTEGER")
	create := map[string]any{"onNoDevice": "create"}
	write := func() error { return stack.Platform.WriteProperty("composed-1", "target", 5) }

	stack.ConfigureFor(hubThing, "azx-1", lives(stack, create), func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["connectionString"] = stack.Hub.ServiceConnectionString
	})
	connector := stack.ConnectAs("azx-1")
	process.Eventually(t, time.Minute, "the right is named", func() error {
		if err := write(); err == nil || !strings.Contains(err.Error(), "RegistryWrite") {
			return fmt.Errorf("the write ends with %v", err)
		}
		return nil
	})
	if code := connector.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	stack.ConfigureFor(hubThing, "azx-1", lives(stack, create))
	stack.ConnectAs("azx-1")
	process.Eventually(t, time.Minute, "the write is taken", write)
	if devices := string(stack.Control("GET", "/devices", nil)); !strings.Contains(devices, "composed-1") {
		t.Errorf("the hub has %s", devices)
	}
}
