package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"azx/test/process"
)

// TestDevicesOfTheHubBecomeThings imports through the whole way: the local hub's registry and queries, azx import, the local
// platform.
func TestDevicesOfTheHubBecomeThings(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDevice("gateway-1", "--edge")
	for n := range 20 {
		stack.AddDevice(fmt.Sprintf("pump-%d", n))
	}
	stack.AddDevice("a:b#c")
	stack.AddDeviceThing("pump-3", hubThing, "--property", "temperature:NUMBER")
	stack.ConfigureFor(hubThing, "azx-1")
	look(t, stack, 4, []string{"import", "-c", "azx-1.yaml"}, `policy "service" lacks the right`)
	stack.WriteFile("owner", []byte(stack.Hub.OwnerConnectionString))
	run := []string{"import", "-c", "azx-1.yaml", "--registry-connection-string-file", "owner", "--rule", "edge=AzureIotThing"}

	dry := look(t, stack, 0, append(run[:len(run):len(run)], "--dry-run"), "created gateway-1 of AzureIotThing", "skipped pump-3: the Thing is there", "for device a:b#c",
		"22 devices: 21 created, 0 updated, 1 left, 0 failed; nothing was changed")
	if strings.Contains(dry, "$edgeHub") {
		t.Errorf("a module became a Thing:\n%s", dry)
	}
	look(t, stack, 0, append(run[:len(run):len(run)], "--state", "import.json"), "22 devices: 21 created, 0 updated, 1 left, 0 failed\n")
	look(t, stack, 0, append(run[:len(run):len(run)], "--state", "import.json"), "22 devices: 0 created, 0 updated, 22 left, 0 failed\n")
	look(t, stack, 0, append(run[:len(run):len(run)], "--update", "--where", "deviceId = 'pump-3'"), "1 device: 0 created, 1 updated, 0 left, 0 failed\n")

	reads(t, stack.Platform, "pump-7", "gatewayThing", `"`+hubThing+`"`)
	written := map[string]bool{}
	for _, e := range stack.Platform.Ledger(0) {
		if e.Thing == "pump-7" && json.Valid(e.Value) {
			written[e.Property] = true
		}
	}
	if len(written) != 4 || !written["gatewayThing"] || !written["twinDesired"] || !written["twinReported"] || !written["twinTags"] {
		t.Errorf("of pump-7 were written: %v", written)
	}
	press := connectDevice(t, stack, "press")
	press.reports(`{"rate":5,"mode":"eco"}`)
	stack.Send("press", `{"n":7,"on":true,"a b":1}`)
	declare := append(run[:len(run):len(run)], "--where", "deviceId = 'press'", "--declare", "twin,messages")
	const lacks = "created press of AzureIotThing with mode STRING, n NUMBER, on BOOLEAN, rate NUMBER: no property can be called [\"a b\"]"
	look(t, stack, 0, append(declare[:len(declare):len(declare)], "--dry-run"), lacks, "0 failed, 4 properties declared; nothing was changed")
	look(t, stack, 0, declare, "1 created, 0 updated, 0 left, 0 failed, 4 properties declared\n")
	look(t, stack, 0, append(declare[:len(declare):len(declare)], "--update"), "0 created, 1 updated, 0 left, 0 failed\n")
	look(t, stack, 3, append(run[:len(run):len(run)], "--declare", "tags"), "want twin or messages")
	stack.ConnectAs("azx-1")
	stack.Send("press", `{"n":8,"on":false}`)
	reads(t, stack.Platform, "press", "n", "8")
	reads(t, stack.Platform, "press", "on", "false")

	stack.AddHubThing("Plant2")
	stack.AddDevice("moved")
	stack.AddDeviceThing("moved", "Plant2")
	look(t, stack, 5, append(run[:len(run):len(run)], "--update", "--where", "deviceId = 'moved'"), `device moved failed: Thing "moved" belongs to hub "Plant2"`)
	look(t, stack, 3, append(run[:len(run):len(run)], "--where", "deviceId ="), "query, character")
	look(t, stack, 2, append(run[:len(run):len(run)], "--rule", "edge="), "want TEMPLATE")
	stack.AddDevice("new")
	look(t, stack, 5, append(run[:5:5], "--rule", "NoTemplate", "--where", "deviceId = 'new'"), "1 device: 0 created", "device new failed: make Thing new")
}
