package https

import (
	"testing"
	"time"

	tenants "azx/internal/local/entra"
	"azx/internal/local/iothub"
)

func TestATokenOfEntraOpensWhatItsRolesAllow(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	tenant, err := tenants.New("11111111-2222-3333-4444-555555555555")
	if err != nil {
		t.Fatal(err)
	}
	trust := iothub.EntraTrust{Issuer: tenant.Issuer(), Key: tenant.PublicKey(), Roles: map[string][]string{
		"reader": {"IoT Hub Data Reader"}, "registrar": {"IoT Hub Registry Contributor"}, "caller": {"directMethods/invoke/action"},
	}}
	if err := c.hub.TrustEntra(trust); err != nil {
		t.Fatal(err)
	}
	token := func(object string) string {
		return "Bearer " + tenant.Token(tenants.App{ObjectID: object}, "https://iothubs.azure.net", time.Now())
	}
	method := `{"methodName":"m","payload":{},"responseTimeoutInSeconds":5,"connectTimeoutInSeconds":0}`
	for name, r := range map[string]struct {
		object, line, body string
		status             int
	}{
		"a reader reads a twin":               {"reader", "GET /twins/d1", "", 200},
		"a reader reads the registry":         {"reader", "GET /devices/d1", "", 200},
		"a reader asks":                       {"reader", "POST /devices/query", `{"query":"SELECT * FROM devices"}`, 200},
		"a reader changes no twin":            {"reader", "PATCH /twins/d1", `{"tags":{"a":1}}`, 401},
		"a reader calls nobody":               {"reader", "POST /twins/d1/methods", method, 401},
		"a reader does not read the feedback": {"reader", "GET /messages/serviceBound/feedback", "", 401},
		"a registrar adds a device":           {"registrar", "PUT /devices/d2", `{"deviceId":"d2"}`, 200},
		"a registrar removes none it has not": {"registrar", "DELETE /devices/d9", "", 404},
		"a registrar reads no twin":           {"registrar", "GET /twins/d1", "", 401},
		"a caller gets to the device":         {"caller", "POST /twins/d1/methods", method, 404},
		"a caller purges no queue":            {"caller", "DELETE /devices/d1/commands", "", 401},
		"nobody without a role reads":         {"nobody", "GET /devices/d1", "", 401},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.ask(token(r.object), r.line, r.body); got.Code != r.status {
				t.Errorf("status %d %s, want %d", got.Code, got.Body, r.status)
			}
		})
	}
	c.ask(token("reader"), "POST /devices/d1/messages/events", "{}").refuses(401, "IotHubUnauthorizedAccess", "")
}
