package browser

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"azx/internal/local/devices"
	"azx/internal/local/iothub"
	"azx/test/process"
)

// connect registers a device at the hub and connects it. Its methods answer what they were given.
func connect(t *testing.T, stack *process.Stack, id string) *devices.Device {
	t.Helper()
	credentials, err := iothub.ParseCredentials(stack.AddDevice(id))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(stack.Hub.CA)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the hub's CA: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	device, err := devices.Connect(ctx, devices.Config{Credentials: credentials, Roots: roots,
		Method: func(_ *devices.Device, name string, payload []byte) (int, []byte) {
			return 200, fmt.Appendf(nil, `{"method":%q,"given":%s}`, name, payload)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	return device
}

func send(t *testing.T, device *devices.Device, format string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := device.Send(ctx, fmt.Appendf(nil, format, args...)); err != nil {
		t.Fatal(err)
	}
}

// registerConnector makes the Thing of a second connector and has it tell its health, as one does that connects.
func registerConnector(t *testing.T, stack *process.Stack) {
	t.Helper()
	stack.Platform.Call("Things/ConnectionServicesHub", "RegisterProtocolAdapter",
		map[string]any{"name": "connector-b", "availabilityGroup": "plant-3", "instanceId": "b-1", "version": "0.1.0"})
	stack.Platform.Call("Things/connector-b", "UpdateSubscribedPropertyValues", map[string]any{"values": map[string]any{
		"dataShape": map[string]any{"fieldDefinitions": map[string]any{
			"name": map[string]any{"name": "name", "baseType": "STRING"}, "value": map[string]any{"name": "value", "baseType": "VARIANT"},
		}},
		"rows": []any{
			map[string]any{"name": "healthState", "value": "healthy"},
			map[string]any{"name": "healthStateUpdated", "value": map[string]any{"baseType": "DATETIME", "value": time.Now().UnixMilli()}},
			map[string]any{"name": "hubThings", "value": `["Hub"]`},
		},
	}})
}

func TestAPersonUsesThePage(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing("Hub")
	stack.AddDeviceThing("press-1", "Hub", "--property", "temperature:NUMBER", "--service", "Restart(delay:INTEGER):JSON:reboot")
	stack.ConfigureFor("Hub", "connector")
	stack.ConnectAs("connector")
	registerConnector(t, stack)
	press, pump := connect(t, stack, "press-1"), connect(t, stack, "pump-7")
	send(t, press, `{"temperature": 19.25}`)
	send(t, pump, `{"temp": 20}`) // it has no Thing yet

	person := play(t, "person.js", stack.Platform.Page)
	for _, value := range []float64{21.5, 22.5} {
		person.UntilPrinted(scenarioWithin, fmt.Sprintf(`{"sends":%v}`, value))
		send(t, pump, `{"temp": %v}`, value)
	}
	got := ended(t, person)
	result, err := json.Marshal(got["result"])
	if err != nil || string(result) != `{"given":{"delay":5},"method":"reboot"}` {
		t.Errorf("the method's result on the page is %s (%v)", result, err)
	}
	stored, err := stack.Platform.Result("Things/Hub", "GetRoutingGroup", map[string]any{})
	if got["group"] != "north" || err != nil || string(stored) != `"north"` {
		t.Errorf("the routing group is %v on the page, and %s (%v)", got["group"], stored, err)
	}
}
