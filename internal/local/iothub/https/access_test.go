package https

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"azx/internal/local/iothub"
)

func TestEachRequestNeedsItsRight(t *testing.T) {
	c := newCaller(t)
	d := c.device("d1")
	c.add(iothub.Spec{ID: iothub.ID{Device: "d1", Module: "m1"}})
	tokens := map[string]string{"its own": c.own(d), "none": ""}
	for _, name := range []string{"iothubowner", "service", "device", "registryRead", "registryReadWrite"} {
		tokens[name] = c.policy(name, "")
	}
	readers := []string{"iothubowner", "registryRead", "registryReadWrite"}
	writers := []string{"iothubowner", "registryReadWrite"}
	services := []string{"iothubowner", "service"}
	devices := []string{"iothubowner", "device", "its own"}
	requests := map[string][]string{
		"GET /devices":                                    readers,
		"GET /devices/":                                   readers,
		"POST /devices":                                   writers,
		"POST /devices/query":                             readers,
		"GET /devices/d1":                                 readers,
		"PUT /devices/d1":                                 writers,
		"DELETE /devices/nobody":                          writers,
		"GET /devices/d1/modules":                         readers,
		"GET /devices/d1/modules/m1":                      readers,
		"PUT /devices/d1/modules/m1":                      writers,
		"DELETE /devices/d1/modules/nobody":               writers,
		"GET /statistics/devices":                         readers,
		"GET /statistics/service":                         readers,
		"GET /twins/d1":                                   services,
		"PATCH /twins/d1":                                 services,
		"PUT /twins/d1":                                   services,
		"GET /twins/d1/modules/m1":                        services,
		"PATCH /twins/d1/modules/m1":                      services,
		"PUT /twins/d1/modules/m1":                        services,
		"POST /twins/d1/methods":                          services,
		"POST /twins/d1/modules/m1/methods":               services,
		"PUT /jobs/v2/j1":                                 writers,
		"GET /jobs/v2/j1":                                 readers,
		"POST /jobs/v2/j1/cancel":                         writers,
		"GET /jobs/v2/query":                              readers,
		"POST /jobs/create":                               writers,
		"GET /jobs":                                       readers,
		"GET /jobs/1":                                     readers,
		"DELETE /jobs/1":                                  writers,
		"DELETE /devices/d1/commands":                     services,
		"GET /messages/serviceBound/feedback":             services,
		"DELETE /messages/serviceBound/feedback/x":        services,
		"POST /messages/serviceBound/feedback/x/abandon":  services,
		"POST /devices/d1/messages/events":                devices,
		"POST /devices/d1/modules/m1/messages/events":     devices,
		"GET /devices/d1/messages/devicebound":            devices,
		"GET /devices/d1/modules/m1/messages/devicebound": devices,
		"GET /devices/d1/messages/deviceBound":            devices,
		"DELETE /devices/d1/messages/devicebound/x":       devices,
		"DELETE /devices/d1/messages/deviceBound/x":       devices,
		"POST /devices/d1/messages/devicebound/x/abandon": devices,
		"POST /devices/d1/messages/deviceBound/x/abandon": devices,
	}
	for line, allowed := range requests {
		for name, token := range tokens {
			got := c.ask(token, line, "")
			module := strings.Contains(line, "/modules/") && slices.Contains(allowed, "its own")
			may := slices.Contains(allowed, name) && (name != "its own" || !module) // a device does not speak for its module
			if refused := got.Code == http.StatusUnauthorized; refused == may || got.Code == http.StatusNotFound && strings.Contains(got.Body.String(), "no such resource") {
				t.Errorf("%s with %s: status %d %s", line, name, got.Code, got.Body)
			}
		}
	}
	if got, want := len((&front{}).endpoints()), len(requests); got != want {
		t.Errorf("%d kinds of requests are served, %d are in the table", got, want)
	}
}

func TestATokenIsForWhatItSays(t *testing.T) {
	c := newCaller(t)
	d, other := c.device("d1"), c.device("d10")
	c.add(iothub.Spec{ID: iothub.ID{Device: "off"}, Disabled: true})
	m := c.add(iothub.Spec{ID: iothub.ID{Device: "d1", Module: "m1"}})
	owner, _ := c.hub.Policy("iothubowner")
	refused := func(a answered) {
		t.Helper()
		a.refuses(401, "IotHubUnauthorizedAccess", "ErrorCode:IotHubUnauthorizedAccess;")
	}

	c.ask(c.policy("iothubowner", "/devices"), "GET /devices/d1", "").is(200, nil)
	c.ask(c.policy("iothubowner", "/devices/d1"), "GET /devices/d1", "").is(200, nil)
	refused(c.ask(c.policy("iothubowner", "/devices/d1"), "GET /devices/d10", ""))
	refused(c.ask(c.policy("iothubowner", "/devices"), "GET /twins/d1", ""))
	refused(c.ask(c.sign("other.example.com", "iothubowner", owner.PrimaryKey), "GET /devices/d1", ""))
	refused(c.ask(c.sign(c.hub.Names().Host, "iothubowner", d.PrimaryKey), "GET /devices/d1", ""))
	refused(c.ask(c.sign(c.hub.Names().Host, "nobody", owner.PrimaryKey), "GET /devices/d1", ""))
	refused(c.ask(c.own(d), "GET /devices/d10/messages/devicebound", ""))
	refused(c.ask(c.own(other), "GET /devices/d1/messages/devicebound", ""))
	refused(c.ask(c.policy("device", ""), "GET /devices/off/messages/devicebound", ""))
	refused(c.ask("Basic eDp5", "GET /devices/d1", ""))
	c.ask("Bearer x.y.z", "GET /devices/d1", "").refuses(401, "IotHubUnauthorizedAccess", "Entra")
	c.ask(c.own(m), "POST /devices/d1%2Fmodules%2Fm1/messages/events", "x").refuses(400, "ArgumentInvalid", "bad id")
	c.ask(c.own(d), "GET /devices/d1%2Fx/messages/devicebound", "").refuses(400, "ArgumentInvalid", "bad id")
	late, err := iothub.SignToken(c.hub.Names().Host, "iothubowner", owner.PrimaryKey, c.hub.Now())
	if err != nil {
		t.Fatal(err)
	}
	refused(c.ask(late, "GET /devices/d1", ""))
}

func TestARequestNamesAVersionOfTheInterface(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	for _, version := range []string{"", "api-version=", "api-version=1999-01-01", "api-version=2021-04"} {
		c.owner("GET /devices/d1?"+version, "").refuses(400, "InvalidProtocolVersion", "ErrorCode:InvalidProtocolVersion;BadRequest")
	}
	for _, version := range []string{"2021-04-12", "2020-09-30", "2018-06-30", "2016-11-14"} {
		c.owner("GET /devices/d1?api-version="+version, "").is(200, nil)
	}
}

func TestABodyIsRefusedBeforeItIsRead(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	for name, length := range map[string]int64{"of a length that is told": smallBody + 1, "of a length that shows": -1} {
		body := &counting{}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/devices/d1?api-version=2021-04-12", body)
		r.Header.Set("Authorization", c.policy("iothubowner", ""))
		r.ContentLength = length
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		answered{t, w}.refuses(413, "MessageTooLarge", "ErrorCode:MessageTooLarge;")
		if length > 0 && body.read != 0 || body.read > 2*smallBody {
			t.Errorf("a body %s: %d bytes were read", name, body.read)
		}
	}
}

// counting is a body without end.
type counting struct{ read int }

func (c *counting) Read(b []byte) (int, error) {
	c.read += len(b)
	return len(b), nil
}

func TestLimitsAreToldInAzuresWords(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	c.hub.SetLimits(iothub.Limits{Throttle: true})
	for range 20 {
		c.owner("POST /devices/query", `{"query": "SELECT * FROM devices"}`).is(200, nil)
	}
	got := c.owner("POST /devices/query", `{"query": "SELECT * FROM devices"}`).refuses(429, "ThrottlingException", "ErrorCode:ThrottlingException;")
	if after := got.Header().Get("Retry-After"); after != "3" {
		t.Errorf("Retry-After %q, want 3: 20 a minute", after)
	}
	c.hub.SetLimits(iothub.Limits{DailyMessages: 1})
	c.owner("GET /twins/d1", "").is(200, nil)
	c.owner("GET /twins/d1", "").refuses(403, "IotHubQuotaExceeded", "ErrorCode:IotHubQuotaExceeded;")
	c.hub.SetLimits(iothub.Limits{Basic: true})
	c.owner("GET /devices/d1", "").is(200, nil)
	for line, body := range map[string]string{
		"GET /twins/d1": "", "PATCH /twins/d1": "{}", "POST /twins/d1/methods": `{"methodName": "m"}`, "POST /devices/query": `{"query": "x"}`,
		"GET /devices/d1/messages/devicebound": "", "DELETE /devices/d1/commands": "", "GET /messages/serviceBound/feedback": "",
	} {
		c.owner(line, body).refuses(403, "OperationNotAllowedInCurrentState", `"errorCode":403010`)
	}
}

func TestFaultsOnDemandAreToldInAzuresWords(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	if err := c.hub.SetFaults(iothub.Fault{Operation: iothub.OpRegistry, Times: 1, Status: 503, RetryAfterSeconds: 9}); err != nil {
		t.Fatal(err)
	}
	got := c.owner("GET /devices/d1", "").refuses(503, "ServiceUnavailable", "ErrorCode:ServiceUnavailable;")
	if after := got.Header().Get("Retry-After"); after != "9" {
		t.Errorf("Retry-After %q, want 9", after)
	}
	c.owner("GET /devices/d1", "").is(200, nil)
}

func TestWhatIsNotThereSaysSo(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	for line, body := range map[string]string{
		"GET /configurations": "", "PUT /configurations/c1": "{}", "POST /configurations/testQueries": "{}",
		"POST /devices/d1/applyConfigurationContent": "{}",
		"POST /devices/d1/files":                     "{}", "POST /devices/d1/files/notifications": "{}",
		"GET /messages/serviceBound/filenotifications": "",
		"GET /digitaltwins/d1":                         "",
		"PUT /devices/d2":                              `{"deviceId": "d2", "authentication": {"type": "selfSigned"}}`,
		"POST /devices":                                `[{"id": "d2", "importMode": "create", "authentication": {"type": "certificateAuthority"}}]`,
	} {
		c.owner(line, body).refuses(501, "NotImplemented", "ErrorCode:NotImplemented;the local hub does not have this: ")
	}
	c.owner("GET /somewhere", "").refuses(404, "NotFound", "no such resource: GET /somewhere")
	c.owner("POST /twins/d1", "").refuses(404, "NotFound", "no such resource")
}
