package page

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/extension"
	"azx/internal/local/thingworx"
)

// submit sends a form of the page: its fields come in pairs of name and value.
func submit(h *Handler, path string, pairs ...string) (code int, location, body string) {
	form := url.Values{"token": {h.token}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Location"), w.Body.String()
}

// done fails the test unless a form was carried out, and returns the page that says so.
func done(t *testing.T, h *Handler, path string, pairs ...string) string {
	t.Helper()
	code, location, body := submit(h, path, pairs...)
	if code != http.StatusSeeOther {
		t.Fatalf("%s: %d %s", path, code, mainOf(body))
	}
	code, body = get(h, location)
	if code != http.StatusOK || !strings.Contains(body, `role="status"`) {
		t.Fatalf("%s: %d %s", location, code, mainOf(body))
	}
	return body
}

func mainOf(body string) string {
	_, main, _ := strings.Cut(body, "<main")
	return main
}

// has fails the test for each text that a page lacks, and for a script in it.
func has(t *testing.T, body string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q: %s", want, mainOf(body))
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("unescaped")
	}
}

// hub adds the hub Thing Hub with a device's Thing behind it.
func hubThing(t *testing.T, p *thingworx.Platform) {
	t.Helper()
	for _, spec := range []thingworx.ThingSpec{
		{Name: "Hub", Template: thingworx.TemplateAzureHub, Enabled: true},
		{Name: "dev 1", Template: thingworx.TemplateAzureThing, Enabled: true, Gateway: "Hub", Description: evil,
			Services: []thingworx.ServiceDefinition{{
				ServiceInfo: thingworx.ServiceInfo{Name: "Restart", Description: evil, Result: infotable.TypeJSON,
					Params: []thingworx.Param{{Name: "delay", Type: infotable.TypeInteger}}},
				Remote: &thingworx.ServiceBinding{EdgeName: "reboot"}}}},
	} {
		if err := p.CreateThing(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachViewIsThere(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	for path, want := range map[string]string{
		"/":                            `href="/azx/page/e/Things/dev%201/services/Restart"`,
		"/azx/page/entities":           "AzureServices",
		"/azx/page/entities?q=restart": "Nothing here has such a name",
		"/azx/page/entities?package=azx-azure-iot":              "AzureIotHubTemplate",
		"/azx/page/entities?project=AzxAzureIot":                "AzureIotHubTemplate",
		"/azx/page/entities?kind=Resources&builtin=1":           "EntityServices",
		"/azx/page/connectors":                                  "Routing group <b>Hub</b>",
		"/azx/page/packages":                                    "azx-connection-services",
		"/azx/page/activity?level=warn":                         "<option selected>warn</option>",
		"/azx/page/new?template=AzureIotThing":                  `<option value="AzureIotThing" selected>`,
		"/azx/page/e/Things/dev%201":                            "Template",
		"/azx/page/e/Things/dev%201/services":                   "Carried out by the device or the connector",
		"/azx/page/e/Things/dev%201/services/Restart":           `id="f-delay"`,
		"/azx/page/e/Things/dev%201/configuration":              "ReportingConfiguration",
		"/azx/page/e/Things/dev%201/events":                     "AzureIotMessageOutcome",
		"/azx/page/e/Things/Hub/scripts":                        "Runs on ThingStart",
		"/azx/page/e/Things/Pump-1/properties":                  "Edge name",
		"/azx/page/e/Things/Pump-1/properties/label":            "no value yet",
		"/azx/page/e/ThingTemplates/AzureIotHubTemplate":        "New Thing of this template",
		"/azx/page/e/ThingShapes/AzureIotHubAdapterServices":    "AzureIotSendMessage",
		"/azx/page/e/DataShapes/CXSEvent.ProtocolError":         "ThingName",
		"/azx/page/e/Organizations/AzxConnectorsOrg":            "AzxConnectors",
		"/azx/page/e/Mashups/AzureIotDevices":                   "Definition",
		"/azx/page/e/Resources/EntityServices/services":         "CreateThing",
		"/azx/page/e/Things/Hub/services/GetConfigurationTable": "needed",
	} {
		code, body := get(h, path)
		if code != http.StatusOK || !strings.Contains(body, want) || strings.Contains(body, "<script>") {
			t.Errorf("%s: %d, without %q: %s", path, code, want, mainOf(body))
		}
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	h, _ := plant(t)
	for path, want := range map[string]int{
		"/azx/page/e/Things/nobody": 404, "/azx/page/e/Things/nobody/services": 404, "/azx/page/e/Things/nobody/configuration": 404,
		"/azx/page/e/Things/nobody/events": 404, "/azx/page/e/Things/nobody/scripts": 404, "/azx/page/e/Things/nobody/properties": 404,
		"/azx/page/e/Things/Pump-1/properties/none": 404, "/azx/page/e/Things/Pump-1/services/none": 404,
		"/azx/page/e/Nonsense/x": 404, "/azx/page/e/ApplicationKeys/key": 403, "/azx/page/e/ApplicationKeys/key/services": 403,
	} {
		if code, body := get(h, path); code != want || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
}

func TestNoFormIsTakenWithoutTheToken(t *testing.T) {
	h, p := plant(t)
	for _, path := range []string{"/azx/page/create", "/azx/page/new", "/azx/page/packages", "/azx/page/packages/gone",
		"/azx/page/e/Things/Pump-1/services/RestartThing", "/azx/page/e/Things/Pump-1/properties", "/azx/page/e/Things/Pump-1/properties/label",
		"/azx/page/e/Things/Pump-1/unproperty/label", "/azx/page/e/Things/Pump-1/configuration/ReportingConfiguration",
		"/azx/page/e/Things/Pump-1/state"} {
		code, _, body := submit(h, path, "token", "other", "to", "deleted", "name", "made", "template", "GenericThing")
		if code != http.StatusForbidden || !strings.Contains(body, "try again on this page") {
			t.Errorf("%s: %d", path, code)
		}
	}
	_, made := p.Thing(t.Context(), "made")
	if pump, err := p.Thing(t.Context(), "Pump-1"); err != nil || len(pump.Properties) == 0 || made == nil {
		t.Errorf("something was done: %v, %v", err, made)
	}
}

func TestAPersonMakesAThingAndItsProperty(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	has(t, done(t, h, "/azx/page/new", "name", "fan 7", "template", "AzureIotThing", "hub", "Hub"), "Thing fan 7 was created", "through")
	has(t, done(t, h, "/azx/page/e/Things/fan%207/properties", "property", "speed", "type", "NUMBER", "edge", "rpm"), "speed", "from rpm")
	if err := p.Push(t.Context(), "fan 7", []thingworx.Write{{Property: "rpm", Value: infotable.Number(1200)}}); err != nil {
		t.Fatal(err)
	}
	_, body := get(h, "/azx/page/e/Things/fan%207/properties/speed")
	has(t, body, "1200", "GOOD", "ALWAYS")
	has(t, done(t, h, "/azx/page/e/Things/fan%207/unproperty/speed"), "Property speed was removed")
	has(t, done(t, h, "/azx/page/e/Things/fan%207/state", "to", "disabled"), "disabled", "Enable the Thing")
	has(t, done(t, h, "/azx/page/e/Things/fan%207/state", "to", "enabled"), "is enabled")
	has(t, done(t, h, "/azx/page/e/Things/fan%207/state", "to", "started"), "was started again")
	has(t, done(t, h, "/azx/page/e/Things/fan%207/state", "to", "deleted"), "Thing fan 7 was deleted")
}

func TestALocalPropertyIsSet(t *testing.T) {
	h, _ := plant(t)
	done(t, h, "/azx/page/new", "name", "note", "template", "GenericThing")
	for base, value := range map[string]string{"NUMBER": "21.5", "BOOLEAN": "true", "STRING": evil, "JSON": `{"a":1}`, "DATETIME": "2026-01-31T12:00:00Z",
		"LOCATION": "48, 11, 500", "LONG": "9007199254740993"} {
		done(t, h, "/azx/page/e/Things/note/properties", "property", "p"+base, "type", base)
		has(t, done(t, h, "/azx/page/e/Things/note/properties/p"+base, "value", value), "was set")
	}
	_, body := get(h, "/azx/page/e/Things/note")
	has(t, body, "21.5", "true", "&lt;script&gt;", "2026-01-31T12:00:00.000Z", "11,48,500", "9007199254740993")
}

func TestAFormThatIsRefusedIsShownAgainAsItWas(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	done(t, h, "/azx/page/new", "name", "note", "template", "GenericThing")
	done(t, h, "/azx/page/e/Things/note/properties", "property", "n", "type", "NUMBER")
	for _, tc := range []struct {
		name, path string
		form       []string
		code       int
		wanted     []string
	}{
		{"a Thing whose name is taken", "/azx/page/new", []string{"name", "note", "template", "GenericThing", "description", "mine"}, 409,
			[]string{"exists", `value="note"`, `value="mine"`}},
		{"a Thing of no template", "/azx/page/new", []string{"name", "x", "template", "Nothing"}, 404, []string{"Nothing", `value="x"`}},
		{"a property without a good name", "/azx/page/e/Things/Pump-1/properties", []string{"property", "a b", "type", "STRING", "edge", "e"}, 400,
			[]string{"a b", `value="e"`, `<option value="STRING" selected>`}},
		{"a property of no base type", "/azx/page/e/Things/Pump-1/properties", []string{"property", "a", "type", "WRONG"}, 400, []string{"no base type"}},
		{"a value that is no number", "/azx/page/e/Things/note/properties/n", []string{"value", "much"}, 400, []string{"this is no NUMBER", `value="much"`}},
		{"no value", "/azx/page/e/Things/note/properties/n", []string{"value", " "}, 400, []string{"give a value"}},
		{"a device that nobody stands for", "/azx/page/e/Things/Pump-1/properties/label", []string{"value", "x"}, 503, []string{`value="x"`}},
		{"a state that there is not", "/azx/page/e/Things/note/state", []string{"to", "sleeping"}, 400, []string{"no state"}},
		{"a Thing that others need", "/azx/page/packages/gone", []string{"package", "azx-azure-iot"}, 403, []string{"it is in use"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, body := submit(h, tc.path, tc.form...)
			if code != tc.code {
				t.Errorf("got %d, want %d", code, tc.code)
			}
			has(t, body, tc.wanted...)
			if got := p.Refusals(); len(got) == 0 || got[0].Caller.Via != "page" {
				t.Error("it is not remembered")
			}
		})
	}
}

// upload sends a file to the form for packages.
func upload(t *testing.T, h *Handler, name string, data []byte, only bool) (int, string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	err := m.WriteField("token", h.token)
	if only {
		err = m.WriteField("only", "1")
	}
	file, fault := m.CreateFormFile("file", name)
	if err != nil || fault != nil {
		t.Fatal(err, fault)
	}
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/azx/page/packages", &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAPackageIsUploaded(t *testing.T) {
	p, err := thingworx.New(thingworx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := extension.Build()
	if err != nil {
		t.Fatal(err)
	}
	code, body := upload(t, h, "all.zip", bundle.All.Bytes, true)
	has(t, body, "all.zip may be installed", "azx-azure-iot")
	if code != http.StatusOK || len(p.Packages()) != 0 {
		t.Errorf("got %d; a check installed something", code)
	}
	code, body = upload(t, h, "azure.zip", bundle.AzureIoT.Bytes, false)
	has(t, body, "Refused: azure.zip", "azx-connection-services", "metadata.xml")
	if code != http.StatusBadRequest || len(p.Packages()) != 0 {
		t.Errorf("got %d", code)
	}
	code, body = upload(t, h, "all.zip", bundle.All.Bytes, false)
	has(t, body, "all.zip is installed", "30 entities")
	if code != http.StatusOK || len(p.Packages()) != 2 {
		t.Errorf("got %d", code)
	}
	has(t, done(t, h, "/azx/page/packages/gone", "package", "azx-azure-iot"), "Package azx-azure-iot was removed")
}

func TestAPackageIsRefusedWithReasons(t *testing.T) {
	h, p := plant(t)
	for name, tc := range map[string]struct{ file, content, want string }{
		"no zip":         {"x.zip", "no zip", "zip"},
		"XML with fault": {"x.xml", "<Entities><Things>", "x.xml"},
		"an export with an unknown template": {"x.xml", `<Entities><Things><Thing name="` + "lost" + `" thingTemplate="Nowhere"/></Things></Entities>`,
			"Nowhere"},
	} {
		code, body := upload(t, h, tc.file, []byte(tc.content), false)
		if code != http.StatusBadRequest || !strings.Contains(body, tc.want) || !strings.Contains(body, "nothing was changed") {
			t.Errorf("%s: %d %s", name, code, mainOf(body))
		}
	}
	if code, _, body := submit(h, "/azx/page/packages"); code != http.StatusBadRequest || !strings.Contains(body, "choose a file") {
		t.Errorf("without a file: %d", code)
	}
	if len(p.Packages()) != 2 {
		t.Error("something was installed")
	}
}

func TestConnectorsAreShownWithHealthGroupAndWhoIsActive(t *testing.T) {
	h, p := plant(t)
	err := p.CreateThing(t.Context(), thingworx.ThingSpec{Name: "connector-1", Template: "ProtocolAdapterWithAvailability", Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	_, body := get(h, "/azx/page/connectors")
	has(t, body, "connector-1", "never reported", "not connected", "GetPerformanceMetrics")
	write := func(name string, v infotable.Value) {
		if err := p.Push(t.Context(), "connector-1", []thingworx.Write{{Property: name, Value: v}}); err != nil {
			if err = p.Set(t.Context(), "connector-1", []thingworx.Write{{Property: name, Value: v}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("availabilityGroup", infotable.String("plant-3"))
	write("healthState", infotable.String("healthy"))
	write("healthStateUpdated", infotable.DateTime(1577934245678))
	_, body = get(h, "/azx/page/connectors")
	has(t, body, "2020-01-02 03:04:05", ">silent</span>")
	write("healthStateUpdated", infotable.DateTime(time.Now().UnixMilli()))
	write("active", infotable.Boolean(true))
	write("hubThings", infotable.String(`["Hub","Other"]`))
	for _, path := range []string{"/azx/page/connectors", "/"} {
		_, body = get(h, path)
		has(t, body, "plant-3", `<span class="badge on">healthy</span>`, `<span class="badge mark">active</span>`, "Hub, Other")
	}
	if strings.Contains(body, `data-thing="connector-1"`) {
		t.Error("a connector is shown as if it were a device")
	}
}

func TestEachLiveViewHasItsParts(t *testing.T) {
	h, p := plant(t)
	push(t, p, "Pump-1", "one")
	for query, wanted := range map[string][]string{
		"of=overview": {"events", "refusals", "stats", "waiting", "ways"}, "of=thing&thing=Pump-1": {"badge", "inherited", "stats", "values"},
		"of=property&thing=Pump-1&property=label": {"badge", "stats", "value"}, "of=events&thing=Pump-1": {"badge", "events", "stats"},
		"of=connectors": {"connectors", "stats"}, "of=activity": {"events", "logs", "refusals", "stats"},
		"of=thing&thing=gone": {"badge", "inherited", "stats", "values"}, "of=property&thing=gone&property=x": {"badge", "stats", "value"}, "": {"stats"},
	} {
		var got []string
		for id := range events(t, h, query)().Parts {
			got = append(got, id)
		}
		slices.Sort(got)
		if !slices.Equal(got, wanted) {
			t.Errorf("%q: %v, want %v", query, got, wanted)
		}
	}
}

func TestAPropertyIsLiveOnItsOwnPage(t *testing.T) {
	h, p := plant(t)
	next := events(t, h, "of=property&thing=Pump-1&property=label")
	next()
	push(t, p, "Pump-1", "second")
	for html := ""; !strings.Contains(html, "second"); {
		html = next().Parts["value"]
	}
}
