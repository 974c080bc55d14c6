package control

import (
	"net/http/httptest"
	"strings"
	"testing"

	"azx/internal/local/iothub"
)

func TestRequestsThatAreNotUnderstood(t *testing.T) {
	hub, err := iothub.Open(iothub.Config{})
	if err != nil {
		t.Fatal(err)
	}
	handler := Handler(hub, "secret", []string{"127.0.0.1:1"}, 0)
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"a list":                       {"GET", "/secret/devices", "", 200},
		"an unknown field":             {"POST", "/secret/devices", `[{"device":"d1","colour":"red"}]`, 400},
		"a body that is no JSON":       {"POST", "/secret/devices", `device=d1`, 400},
		"a body beyond the limit":      {"POST", "/secret/devices", `[{"device":"` + strings.Repeat("x", maxBody) + `"}]`, 400},
		"an id the hub does not allow": {"POST", "/secret/devices", `[{"device":"a b"}]`, 400},
		"a bad consumer group":         {"POST", "/secret/groups", `{"name":"a b"}`, 400},
		"a status of no device":        {"POST", "/secret/devices/status", `{"device":"no","disabled":true}`, 404},
		"a route of no source":         {"POST", "/secret/routes", `{"name":"r","source":"x"}`, 400},
		"a route":                      {"POST", "/secret/routes", `{"name":"r","source":"TwinChangeEvents"}`, 200},
		"an unknown limit":             {"PUT", "/secret/limits", `{"speed":1}`, 400},
		"a limit":                      {"PUT", "/secret/limits", `{"basic":true}`, 200},
		"the twin of no device":        {"GET", "/secret/twin?device=no", "", 404},
		"faults":                       {"PUT", "/secret/faults", `[{"operation":"method","times":3,"status":429,"retryAfterSeconds":2}]`, 200},
		"a fault of no operation":      {"PUT", "/secret/faults", `[{"operation":"coffee","status":429}]`, 400},
		"a fault with another status":  {"PUT", "/secret/faults", `[{"operation":"method","status":404}]`, 400},
		"the endpoint":                 {"GET", "/secret/endpoint", "", 200},
		"a failover":                   {"POST", "/secret/failover", "", 200},
		"a connection of no device":    {"POST", "/secret/connections/drop", `{"device":"no"}`, 404},
		"a reader of no partition":     {"POST", "/secret/readers/silence", `{"consumerGroup":"azx","partition":77}`, 404},
		"a reader of no group":         {"POST", "/secret/readers/silence", `{"consumerGroup":"no","partition":0}`, 404},
		"a reader":                     {"POST", "/secret/readers/silence", `{"consumerGroup":"$Default","partition":0}`, 200},
		"another method":               {"DELETE", "/secret/devices", "", 405},
		"another path":                 {"GET", "/secret/other", "", 404},
		"the secret alone":             {"GET", "/secret", "", 404},
		"a secret that begins alike":   {"GET", "/secrets/devices", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(c.method, "http://127.0.0.1:1"+c.path, strings.NewReader(c.body))
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			if answer.Code != c.want {
				t.Fatalf("answered %d %s, want %d", answer.Code, answer.Body, c.want)
			}
		})
	}
}
