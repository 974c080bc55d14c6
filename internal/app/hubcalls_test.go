package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/access"
	"azx/internal/devices"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/mapping"
	"azx/internal/secret"
)

// answer is what a scripted hub gives for a call.
type answer struct {
	status int
	header map[string]string
	body   string
}

// scriptedHub gives one answer after the other for each "METHOD /path", the last one for ever; a call without one is refused with 404.
type scriptedHub struct {
	mu    sync.Mutex
	gives map[string][]answer
	calls []string
}

func (s *scriptedHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	path := r.URL.Path
	if before, _, isJob := strings.Cut(path, "azx-"); isJob { // an id of our making
		path = before + "ID"
	}
	call := r.Method + " " + path
	s.calls = append(s.calls, strings.TrimSpace(call+" "+string(body)))
	now := answer{status: http.StatusNotFound, body: `{"Message":"ErrorCode:DeviceNotFound;no such device"}`}
	if left := s.gives[call]; len(left) > 0 {
		now = left[0]
		s.gives[call] = left[min(1, len(left)-1):]
	}
	s.mu.Unlock()
	for name, value := range now.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(now.status)
	_, _ = io.WriteString(w, now.body)
}

// count is how many calls begin so.
func (s *scriptedHub) count(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.calls {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}

// scripted is a client of a hub that gives these answers.
func scripted(t *testing.T, gives map[string][]answer) (*iothub.Client, *scriptedHub) {
	t.Helper()
	hub := &scriptedHub{gives: gives}
	server := httptest.NewTLSServer(hub)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := iothub.New(iothub.Options{
		Service: access.Service{Host: "example.com", Policy: "service", Key: secret.New("c2VjcmV0")},
		Network: &dial.Network{
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
			},
			TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: roots}, nil },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, hub
}

var throttledOnce = answer{429, map[string]string{"Retry-After": "1"}, `{"Message":"ErrorCode:ThrottlingException;wait"}`}

func gives(status int, body string) answer { return answer{status: status, body: body} }

// parameters are those of a service; pairs of names and values.
func parameters(pairs ...any) *infotable.Table {
	var cells []infotable.Cell
	for n := 0; n < len(pairs); n += 2 {
		cell := infotable.Cell{Name: pairs[n].(string)}
		switch v := pairs[n+1].(type) {
		case string:
			cell.Value = infotable.String(v)
		case int:
			cell.Value = infotable.Integer(int32(v))
		case bool:
			cell.Value = infotable.Boolean(v)
		}
		cells = append(cells, cell)
	}
	return infotable.OneRow(cells...)
}

func jobsOf(client *iothub.Client) jobServices {
	return jobServices{client, &devices.Watch{Hub: watchedJobs{client}, Mine: "azx-", Log: slog.New(slog.DiscardHandler)}, "azx-"}
}

func TestAServiceWaitsAsLongAsAHubThatThrottlesAsksFor(t *testing.T) {
	queued := `{"jobId":"azx-1","status":"queued"}`
	for name, c := range map[string]struct {
		call  string
		after answer
		do    func(client *iothub.Client) hubService
		with  *infotable.Table
	}{
		"describe": {"GET /devices/pump", gives(200, `{"deviceId":"pump","status":"enabled"}`), func(c *iothub.Client) hubService { return registry{c}.describe },
			parameters("thingName", "pump", "moduleId", "")},
		"create":  {"PUT /devices/pump", gives(200, `{"deviceId":"pump"}`), func(c *iothub.Client) hubService { return registry{c}.create }, parameters("thingName", "pump")},
		"delete":  {"DELETE /devices/pump", gives(204, ""), func(c *iothub.Client) hubService { return registry{c}.remove }, parameters("thingName", "pump")},
		"methods": {"PUT /jobs/v2/ID", gives(200, queued), func(c *iothub.Client) hubService { return jobsOf(c).method }, parameters("methodName", "reboot")},
		"find":    {"GET /jobs/v2/query", gives(200, "["+queued+"]"), func(c *iothub.Client) hubService { return jobsOf(c).find }, parameters()},
		"results": {"POST /devices/query", gives(200, "[]"), func(c *iothub.Client) hubService { return jobsOf(c).results }, parameters("jobId", "azx-1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, hub := scripted(t, map[string][]answer{c.call: {throttledOnce, c.after}, "GET /devices/pump/modules": {gives(200, "[]")}})
			began := time.Now()
			if _, err := c.do(client)(t.Context(), c.with); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < time.Second || hub.count(c.call) < 2 {
				t.Errorf("after %s, and %d calls", took, hub.count(c.call))
			}
		})
	}
}

func TestWhatTheHubRefusesAServiceIsRefusedWith(t *testing.T) {
	syntax := gives(400, `{"Message":"ErrorCode:ArgumentInvalid;queryCondition: at 4: a value is missing"}`)
	for name, c := range map[string]struct {
		call  string
		gives answer
		do    func(client *iothub.Client) hubService
		with  *infotable.Table
		says  string
	}{
		"a query with a mistake": {"PUT /jobs/v2/ID", syntax, func(c *iothub.Client) hubService { return jobsOf(c).method },
			parameters("methodName", "reboot", "queryCondition", "a ="), "a value is missing"},
		"a device that is not there": {"", answer{}, func(c *iothub.Client) hubService { return registry{c}.describe }, parameters("thingName", "pump"), "no such device"},
		"a device that is deleted before its modules are read": {"GET /devices/pump", gives(200, `{"deviceId":"pump"}`),
			func(c *iothub.Client) hubService { return registry{c}.describe }, parameters("thingName", "pump"), "no such device"},
		"a policy without the right": {"DELETE /devices/pump", gives(401, `{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized"}`),
			func(c *iothub.Client) hubService { return registry{c}.remove }, parameters("thingName", "pump"), "nauthorized"},
		"a patch that is no JSON": {"", answer{}, func(c *iothub.Client) hubService { return jobsOf(c).twins }, parameters("patch", "{"), "patch: "},
		"a Thing without a device": {"", answer{}, func(c *iothub.Client) hubService { return registry{c}.create }, parameters("thingName", ""),
			"no device id gives"},
		"an edge module": {"", answer{}, func(c *iothub.Client) hubService { return registry{c}.create },
			parameters("thingName", "pump", "moduleId", "m", "iotEdge", true), "a module is no edge device"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := scripted(t, map[string][]answer{c.call: {c.gives}})
			if _, err := c.do(client)(t.Context(), c.with); err == nil || !strings.Contains(err.Error(), c.says) || fault.ClassOf(err) == fault.Transient {
				t.Errorf("got %v, %s", err, fault.ClassOf(err))
			}
		})
	}
}

func TestWhatIsAlreadySoIsNoError(t *testing.T) {
	ended := gives(400, `{"Message":"ErrorCode:InvalidOperation;the job has ended"}`)
	for name, c := range map[string]struct {
		gives map[string][]answer
		do    func(client *iothub.Client) hubService
		with  *infotable.Table
	}{
		"creating what is there": {map[string][]answer{"PUT /devices/pump": {gives(409, `{"Message":"ErrorCode:DeviceAlreadyExists;there is one"}`)}},
			func(c *iothub.Client) hubService { return registry{c}.create }, parameters("thingName", "pump")},
		"deleting what is gone": {nil, func(c *iothub.Client) hubService { return registry{c}.remove }, parameters("thingName", "pump")},
		"cancelling twice": {map[string][]answer{"POST /jobs/v2/j1/cancel": {ended}, "GET /jobs/v2/j1": {gives(200, `{"jobId":"j1","status":"cancelled"}`)}},
			func(c *iothub.Client) hubService { return jobsOf(c).cancel }, parameters("jobId", "j1")},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := scripted(t, c.gives)
			if _, err := c.do(client)(t.Context(), c.with); err != nil {
				t.Error(err)
			}
		})
	}
}

// heldThings are Things that are none yet; making one waits for leave.
type heldThings struct{ leave chan struct{} }

func (h heldThings) Find(context.Context, []string) (map[string]devices.Found, error) {
	return nil, nil
}
func (h heldThings) Update(context.Context, devices.Thing) error { return nil }
func (h heldThings) Create(ctx context.Context, t devices.Thing) error {
	select {
	case <-h.leave:
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.Device.ID == "gone" {
		return errors.New("it was deleted")
	}
	return nil
}

func (h heldThings) Declare(_ context.Context, _ devices.Thing, properties []mapping.Property, _ bool) ([]mapping.Property, error) {
	return properties, nil
}

func (h heldThings) TemplateProperties(context.Context, string) (map[string]bool, error) {
	return nil, nil
}

// importing runs an importer over a hub with these pages of devices. told has "status: message" of each event.
func importing(t *testing.T, leave chan struct{}, pages ...answer) (i *importer, told chan string) {
	t.Helper()
	client, _ := scripted(t, map[string][]answer{"POST /devices/query": pages})
	told = make(chan string, 10)
	i = &importer{thing: "Plant", hub: client, things: heldThings{leave}, log: slog.New(slog.DiscardHandler), asked: make(chan *hubImport, 1),
		fire: func(_ context.Context, thing, event string, data *infotable.Table) error {
			row := func(name string) string { return data.First(name).String() }
			told <- fmt.Sprintf("%s %s: %s %s", thing, event, row("status"), row("message"))
			return nil
		}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- i.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return i, told
}

func TestASecondImportAtOnceIsRefusedAndOneAfterwardsIsNot(t *testing.T) {
	leave := make(chan struct{})
	i, told := importing(t, leave, gives(200, `[{"deviceId":"pump"}]`))
	if _, err := i.start(t.Context(), parameters()); err != nil {
		t.Fatal(err)
	}
	if _, err := i.start(t.Context(), parameters("dryRun", true)); err == nil || fault.ClassOf(err) != fault.Transient || !strings.Contains(err.Error(), "under way") {
		t.Errorf("the second one: %v", err)
	}
	close(leave)
	if got := <-told; !strings.Contains(got, "ConnectionServicesHub AzureThingImportStatusEvent: completed 1 devices") {
		t.Errorf("told %s", got)
	}
	if _, err := i.start(t.Context(), parameters()); err != nil {
		t.Errorf("the one after the end: %v", err)
	}
	<-told
}

func TestAnImportByServiceTellsHowItEnded(t *testing.T) {
	open := make(chan struct{})
	close(open)
	for name, c := range map[string]struct {
		pages []answer
		with  *infotable.Table
		says  []string
	}{
		"a hub that throttles": {[]answer{throttledOnce, gives(200, `[{"deviceId":"pump"}]`)}, parameters(), []string{"completed 1 devices"}},
		"a query with a mistake": {[]answer{gives(400, `{"Message":"ErrorCode:ArgumentInvalid;query: at 4: a value is missing"}`)},
			parameters("queryCondition", "a ="), []string{"failed", "a value is missing"}},
		"a platform that fails": {[]answer{gives(200, `[{"deviceId":"gone"}]`)}, parameters(), []string{"failed", "it was deleted"}},
		"a row that is no twin": {[]answer{gives(200, `[5]`)}, parameters(), []string{"completed 1 devices"}},
		"properties of what is reported": {[]answer{gives(200, `[{"deviceId":"pump","properties":{"reported":{"n":5,"on":true,"$version":3}}}]`)},
			parameters("declare", "twin"), []string{"completed 1 devices, 2 properties declared"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, told := importing(t, open, c.pages...)
			if _, err := i.start(t.Context(), c.with); err != nil {
				t.Fatal(err)
			}
			got := <-told
			if slices.ContainsFunc(c.says, func(part string) bool { return !strings.Contains(got, part) }) {
				t.Errorf("told %s", got)
			}
		})
	}
}

func TestAnImportByServiceTakesNoSampleOfMessages(t *testing.T) {
	i, _ := importing(t, nil)
	if _, err := i.start(t.Context(), parameters("declare", "messages")); fault.ClassOf(err) != fault.Rejected || !strings.Contains(fault.HintOf(err), "azx import --declare") {
		t.Errorf("got %v", err)
	}
}
