package e2e

import (
	"bytes"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"

	tenants "azx/internal/local/entra"
	"azx/internal/local/iothub"
	"azx/test/process"
)

const (
	tenantID = "11111111-2222-3333-4444-555555555555"
	clientID = "aaaaaaaa-2222-3333-4444-555555555555"
	objectID = "bbbbbbbb-2222-3333-4444-555555555555"
)

// newTenant is a tenant of Entra ID that listens, and that the hub trusts. The connector is its only application, with the
// secret "first" and roles on the hub.
func newTenant(t *testing.T, stack *process.Stack, roles ...string) (*tenants.Tenant, func(config map[string]any)) {
	t.Helper()
	tenant, err := tenants.New(tenantID)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(tenant)
	t.Cleanup(server.Close)
	var root bytes.Buffer
	_ = pem.Encode(&root, &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	stack.WriteFile("entra.pem", root.Bytes())
	stack.WriteFile("client-secret", []byte("first\n"))
	tenant.Register(tenants.App{ClientID: clientID, ObjectID: objectID, Secret: "first"})
	give(stack, tenant, roles...)
	return tenant, func(config map[string]any) {
		config["identity"] = map[string]any{
			"kind": "secret", "tenant": tenantID, "clientId": clientID, "clientSecret": "${file:client-secret}",
			"authority": server.URL, "caFile": "entra.pem",
		}
		hub := config["hubs"].([]any)[0].(map[string]any)
		delete(hub, "connectionString")
		hub["hostName"], hub["eventHubsConnectionString"] = stack.Hub.HostName, stack.Hub.EventHubsConnectionString
	}
}

// give sets the roles that the connector has on the hub.
func give(stack *process.Stack, tenant *tenants.Tenant, roles ...string) {
	stack.Control("PUT", "/entra", iothub.EntraTrust{Issuer: tenant.Issuer(), Key: tenant.PublicKey(), Roles: map[string][]string{objectID: roles}})
}

// TestAConnectorSignsInToAHubWithAnIdentity has a key for reading messages alone.
func TestAConnectorSignsInToAHubWithAnIdentity(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	tenant, byIdentity := newTenant(t, stack, "IoT Hub Data Contributor")
	stack.AddHubThing(hubThing)
	device := connectDevice(t, stack, "pump-7")
	device.repliesTo(func(payload []byte, reply func(int, []byte)) { reply(200, payload) })
	taken := make(chan string, 10)
	device.takes(func(body []byte) { taken <- string(body) })
	stack.AddDeviceThing("pump-7", hubThing, "--property", "temperature:NUMBER", "--service", "Echo(n:INTEGER):JSON:echo")
	stack.ConfigureFor(hubThing, "azx-1", byIdentity)
	connector := stack.ConnectAs("azx-1")

	if err := device.send(`{"temperature":21.5}`); err != nil {
		t.Fatal(err)
	}
	reads(t, stack.Platform, "pump-7", "temperature", "21.5")
	if err := stack.Platform.WriteProperty("pump-7", "temperature", 7); err != nil {
		t.Error(err)
	}
	if got := <-taken; !strings.Contains(got, `"temperature":7`) {
		t.Errorf("the device got %s", got)
	}

	if answer := stack.Platform.Call("Things/pump-7", "Echo", map[string]any{"n": 3}); !strings.Contains(string(answer), `"n":3`) {
		t.Errorf("the method: %s", answer)
	}

	code, found := doctor(t, stack, "azx-1")
	expectFinding(t, found, "identity", "ok", "secret signs in")
	expectFinding(t, found, "hub settings", "ok", "identity secret (from the file)")
	expectFinding(t, found, "service right and tier", "ok")
	expectOnly(t, found)
	if code != 0 && code != 5 {
		t.Errorf("exit code %d", code)
	}
	give(stack, tenant)
	code, found = doctor(t, stack, "azx-1")
	expectFinding(t, found, "service right and tier", "fail", "no role of the principal", "IoT Hub Data Contributor")
	expectOnly(t, found, "service right and tier")
	if code != 4 {
		t.Errorf("without a role: exit code %d", code)
	}
	stack.WriteFile("client-secret", []byte("canary\n"))
	code, found = doctor(t, stack, "azx-1")
	expectFinding(t, found, "identity", "fail", "sign in to Entra ID (secret)", "AADSTS7000215", "take its value, not its id")
	if code != 4 {
		t.Errorf("with a wrong secret: exit code %d", code)
	}
	for check, f := range found {
		if strings.Contains(f.Text+f.Hint, "canary") {
			t.Errorf("%s shows the secret: %s", check, f.Text)
		}
	}
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}
