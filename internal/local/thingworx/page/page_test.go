package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson/infotable"
	"azx/extension"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/importer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const evil = `<script>alert("x")</script>`

// plant returns a page of a platform with the RemoteThing Pump-1.
func plant(t *testing.T) (*Handler, *thingworx.Platform) {
	t.Helper()
	p, err := thingworx.New(thingworx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	extend(t, p)
	addThing(t, p, "Pump-1")
	h, err := New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h, p
}

func addThing(t *testing.T, p *thingworx.Platform, name string) {
	t.Helper()
	err := p.CreateThing(t.Context(), thingworx.ThingSpec{Name: name, Template: thingworx.TemplateRemote, Enabled: true,
		Properties: []thingworx.Definition{{Name: "label", Type: infotable.TypeString, Remote: &thingworx.Binding{EdgeName: evil}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func push(t *testing.T, p *thingworx.Platform, thing, value string) {
	t.Helper()
	if err := p.Push(t.Context(), thing, []thingworx.Write{{Property: evil, Value: infotable.String(value), Time: 1577934245678}}); err != nil {
		t.Fatal(err)
	}
}

func announce(t *testing.T, p *thingworx.Platform, device string) {
	t.Helper()
	context, err := json.Marshal(map[string]any{"properties": map[string]any{evil: map[string]any{"baseType": "STRING", "value": evil}}})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Fire(t.Context(), thingworx.ConnectionServicesHub, thingworx.EventThingNotFound, infotable.OneRow(
		infotable.Cell{Name: "edgeIdentifier", Value: infotable.String(device)},
		infotable.Cell{Name: "context", Value: infotable.Text(infotable.TypeJSON, string(context))}))
	if err != nil {
		t.Fatal(err)
	}
}

func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+path, nil))
	return w.Code, w.Body.String()
}

func TestThePageShowsThingsDevicesAndRefusalsEscaped(t *testing.T) {
	h, p := plant(t)
	push(t, p, "Pump-1", evil)
	announce(t, p, evil)
	p.Refused(thingworx.Caller{User: evil, Via: "rest"}, evil, thingworx.Refuse(thingworx.Invalid, "%s", evil))
	code, body := get(h, "/?q=")
	for _, want := range []string{"Pump-1", "RemoteThing", "03:04:05.678", "2020-01-02", "GOOD", "not bound",
		"Create Thing with these properties", "&lt;script&gt;alert("} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if code != 200 || strings.Contains(body, "<script>") {
		t.Errorf("code %d, or unescaped", code)
	}
	_, body = get(h, "/?q="+url.QueryEscape(`"`+evil))
	if strings.Contains(body, "<script>") || !strings.Contains(body, "No Thing has such a name") {
		t.Error("the filter is not escaped, or finds something")
	}
}

func TestAnEmptyPlatformSaysWhatToDo(t *testing.T) {
	h, p := plant(t)
	if err := p.DeleteThing(t.Context(), "Pump-1"); err != nil {
		t.Fatal(err)
	}
	if _, body := get(h, "/"); !strings.Contains(body, "azx platform thing add") || !strings.Contains(body, "Nothing was refused") {
		t.Error(body)
	}
}

func TestOnlyALoopbackHostIsAnswered(t *testing.T) {
	h, _ := plant(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "127.0.0.1": 200, "[::1]": 200,
		"rebound.example.com:8080": 403, "192.0.2.1": 403, "localhost.example.com": 403, "": 403,
	} {
		for _, path := range []string{"/", "/azx/page/script.js"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%q %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
}

func TestPathsAndVerbsThatAreNotThere(t *testing.T) {
	h, _ := plant(t)
	for path, want := range map[string]int{
		"/nothing": 404, "/azx/page/page.html": 404, "/azx/page/create": 405,
		"/azx/page/style.css": 200, "/azx/page/script.js": 200,
	} {
		if code, _ := get(h, path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}

// post sends the form of a page.
func post(h http.Handler, token, thing, origin string) (int, string, string) {
	form := url.Values{"token": {token}, "thing": {thing}}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/azx/page/create", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Location"), w.Body.String()
}

func TestAFormCreatesTheThingOfADevice(t *testing.T) {
	h, p := plant(t)
	announce(t, p, "fan 7")
	_, body := get(h, "/")
	token := regexp.MustCompile(`name="token" value="([0-9a-f]{32})"`).FindStringSubmatch(body)
	if token == nil {
		t.Fatal("the page has no form")
	}
	code, location, _ := post(h, token[1], "fan 7", "http://127.0.0.1:8080")
	if code != 303 || location != "/?done=waiting&of=fan+7" {
		t.Fatalf("got %d to %s", code, location)
	}
	push(t, p, "fan 7", "x")
	if _, body := get(h, location); !strings.Contains(body, "Thing fan 7 was created") || strings.Contains(body, "Devices without a Thing</h2>") {
		t.Error("the page does not show it")
	}
}

func TestAFormIsRefusedWithAReason(t *testing.T) {
	for _, tc := range []struct {
		name, token, thing, origin string
		code                       int
		want                       string
	}{
		{"of another site", "", "fan", "http://evil.example.com", 403, "the form comes from http://evil.example.com"},
		{"of another port", "", "fan", "http://127.0.0.1:9", 403, "the form comes from"},
		{"of a sandboxed page", "", "fan", "null", 403, "the form comes from null"},
		{"with a wrong token", "00", "fan", "", 403, "try again on this page"},
		{"for a device that is not listed", "", "drum", "", 404, "no device without a Thing is called"},
		{"for a name that no Thing may have", "", "a/b", "", 400, "contains &#39;/&#39;"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, p := plant(t)
			announce(t, p, "fan")
			announce(t, p, "a/b")
			token := h.token
			if tc.token != "" {
				token = tc.token
			}
			code, _, body := post(h, token, tc.thing, tc.origin)
			if code != tc.code || !strings.Contains(body, tc.want) {
				t.Errorf("got %d, without %q", code, tc.want)
			}
			if _, err := p.Thing(t.Context(), "fan"); err == nil {
				t.Error("the Thing was created")
			}
			if got := p.Refusals(); len(got) != 1 || got[0].Caller.Via != "page" {
				t.Errorf("remembered %+v", got)
			}
		})
	}
}

// events reads the stream of a page. The returned function gives the next update.
func events(t *testing.T, h http.Handler, query string) func() update {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/azx/page/stream?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("content type %s", got)
	}
	lines := bufio.NewReader(answer.Body)
	return func() (u update) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				if err := json.Unmarshal([]byte(data), &u); err != nil {
					t.Fatal(err)
				}
				return u
			}
		}
	}
}

func TestAValueIsOnThePageWithinASecond(t *testing.T) {
	h, p := plant(t)
	_, mark, _ := p.Changes(0, nil)
	next := events(t, h, fmt.Sprintf("of=overview&mark=%d", mark))
	first := next()
	if first.Things != "" || len(first.Changed) != 0 || first.Parts["stats"] == "" || len(first.Parts) != 5 {
		t.Errorf("first update %+v", first)
	}
	for i := range 3 {
		value := fmt.Sprintf("value %d %s", i, evil)
		written := time.Now()
		push(t, p, "Pump-1", value)
		for html := ""; !strings.Contains(html, fmt.Sprintf("value %d &lt;script", i)); {
			html = next().Changed["Pump-1"]
			if strings.Contains(html, "<script") {
				t.Fatal("unescaped")
			}
		}
		if took := time.Since(written); took > time.Second {
			t.Errorf("took %v", took)
		}
	}
}

func TestNewThingsAndDevicesAppearAndTheFilterHolds(t *testing.T) {
	h, p := plant(t)
	_, mark, _ := p.Changes(0, nil)
	next := events(t, h, fmt.Sprintf("of=overview&q=fan&mark=%d", mark))
	next()
	addThing(t, p, "Pump-2")
	addThing(t, p, "Fan-1")
	announce(t, p, "drum")
	list, devices := "", ""
	for list == "" || !strings.Contains(devices, "drum") {
		u := next()
		if u.Things != "" {
			list = u.Things
		}
		if u.Parts["waiting"] != "" {
			devices = u.Parts["waiting"]
		}
	}
	if !strings.Contains(list, "Fan-1") || strings.Contains(list, "Pump") {
		t.Errorf("list %s", list)
	}
	push(t, p, "Fan-1", "x")
	for u := next(); u.Changed["Fan-1"] == ""; {
		u = next()
	}
}

func TestAStreamEndsWithItsServer(t *testing.T) {
	h, _ := plant(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/azx/page/stream", nil)
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), r) // returns
	if len(h.streams) != 0 {
		t.Error("the stream is still counted")
	}
}

func TestNoMoreStreamsThanThereMayBe(t *testing.T) {
	h, _ := plant(t)
	for range maxStreams {
		h.streams <- struct{}{}
	}
	if code, body := get(h, "/azx/page/stream"); code != 503 || !strings.Contains(body, "64 pages are live already") {
		t.Errorf("got %d %s", code, body)
	}
}

func TestAPageOfManyThingsShowsTheFirstAndSaysSo(t *testing.T) {
	h, p := plant(t)
	for i := range mostThings + 5 {
		addThing(t, p, fmt.Sprintf("T%04d", i))
	}
	_, body := get(h, "/")
	if n := strings.Count(body, "data-thing="); n != mostThings || !strings.Contains(body, "Showing 200 of 206 Things") {
		t.Errorf("shows %d", n)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/", nil))
	if _, err := io.Copy(io.Discard, w.Result().Body); err != nil || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("policy %q, %v", w.Header().Get("Content-Security-Policy"), err)
	}
}

func TestThePageShowsTheLastEventsEscaped(t *testing.T) {
	h, p := plant(t)
	if err := p.CreateThing(t.Context(), thingworx.ThingSpec{Name: "dev", Template: thingworx.TemplateAzureThing, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	announce(t, p, "waiting device")
	if _, body := get(h, "/"); strings.Contains(body, "<h2>Recent events") {
		t.Error("a device that is listed as waiting is an event as well")
	}
	for i := range mostEvents + 1 {
		err := p.Fire(t.Context(), "dev", "AzureIotMessageOutcome", infotable.OneRow(
			infotable.Cell{Name: "status", Value: infotable.String(fmt.Sprintf("Expired-%d.", i))},
			infotable.Cell{Name: "time", Value: infotable.Nothing()},
			infotable.Cell{Name: "description", Value: infotable.String(evil)}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Push(t.Context(), "dev", []thingworx.Write{{Property: "twinReported", Value: infotable.Text(infotable.TypeJSON, `{"fan":1}`)}}); err != nil {
		t.Fatal(err)
	}
	_, body := get(h, "/")
	for _, want := range []string{"AzureIotMessageOutcome <small>of <a href=\"/azx/page/e/Things/dev\">dev</a>", "status Expired-10.", "status Expired-1.", "&lt;script&gt;alert(", "twinReported"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "Expired-0.") || strings.Contains(body, "<script>") || strings.Contains(body, "time NOTHING") || strings.Contains(body, "twinTags") {
		t.Error("too much is shown, or unescaped")
	}
}

// packages are the two extension packages, read once: reading them takes longer than most tests.
var packages = sync.OnceValues(func() ([]*importer.Package, error) {
	bundle, err := extension.Build()
	if err != nil {
		return nil, err
	}
	return importer.Read(bundle.All.Bytes)
})

// extend installs the two extension packages.
func extend(t *testing.T, p *thingworx.Platform) {
	t.Helper()
	both, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Install(t.Context(), both, thingworx.InstallOptions{}); err != nil {
		t.Fatal(err)
	}
}
