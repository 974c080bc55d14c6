package https

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/jobs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caller asks the REST interface of a hub.
type caller struct {
	t       *testing.T
	hub     *iothub.Hub
	handler http.Handler
}

func newCaller(t *testing.T) *caller { return newCallerOf(t, iothub.Config{}) }

func newCallerOf(t *testing.T, cfg iothub.Config) *caller {
	t.Helper()
	hub, err := iothub.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(); err != nil {
			t.Error(err)
		}
	})
	all, err := jobs.Open(hub, cfg.Dir, cfg.NoSync)
	if err != nil {
		t.Fatal(err)
	}
	return &caller{t, hub, Handler(hub, all)}
}

// add registers a device or a module.
func (c *caller) add(spec iothub.Spec) iothub.Identity {
	c.t.Helper()
	added, err := c.hub.Registry().Add(spec)
	if err != nil {
		c.t.Fatal(err)
	}
	return added[0]
}

func (c *caller) device(id string) iothub.Identity {
	c.t.Helper()
	return c.add(iothub.Spec{ID: iothub.ID{Device: id}})
}

// policy is a token of a policy for a resource below the hub's name.
func (c *caller) policy(name, below string) string {
	c.t.Helper()
	p, ok := c.hub.Policy(name)
	if !ok {
		c.t.Fatalf("no policy %s", name)
	}
	return c.sign(c.hub.Names().Host+below, name, p.PrimaryKey)
}

// own is a token that a device or module made.
func (c *caller) own(i iothub.Identity) string {
	c.t.Helper()
	return c.sign(c.hub.Names().Host+"/"+i.Path(), "", i.PrimaryKey)
}

func (c *caller) sign(resource, policy, key string) string {
	c.t.Helper()
	token, err := iothub.SignToken(resource, policy, key, c.hub.Now().Add(time.Hour))
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

// answered is what the hub said.
type answered struct {
	t *testing.T
	*httptest.ResponseRecorder
}

// ask makes a request with a token; header are names and values.
func (c *caller) ask(token, line, body string, header ...string) answered {
	c.t.Helper()
	method, path, _ := strings.Cut(line, " ")
	if !strings.Contains(path, "?") {
		path += "?api-version=2021-04-12"
	}
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return answered{c.t, w}
}

// owner is ask with all rights.
func (c *caller) owner(line, body string, header ...string) answered {
	c.t.Helper()
	return c.ask(c.policy("iothubowner", ""), line, body, header...)
}

// is checks the status and reads the body, if there is something to read into.
func (a answered) is(status int, into any) answered {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d %s, want %d", a.Code, a.Body, status)
	}
	if into != nil {
		if err := json.Unmarshal(a.Body.Bytes(), into); err != nil {
			a.t.Fatalf("%s: %v", a.Body, err)
		}
	}
	return a
}

// refuses checks a refusal: the name in the header, and the name or the number in the body.
func (a answered) refuses(status int, name, inBody string) answered {
	a.t.Helper()
	var body refusalBody
	a.is(status, &body)
	if got := a.Header()["iothub-errorcode"]; len(got) != 1 || got[0] != name {
		a.t.Errorf("iothub-errorcode %q, want %s", got, name)
	}
	if !strings.Contains(body.Message, inBody) || !strings.HasPrefix(body.ExceptionMessage, "Tracking ID:") {
		a.t.Errorf("message %q, %q; want %q", body.Message, body.ExceptionMessage, inBody)
	}
	return a
}
