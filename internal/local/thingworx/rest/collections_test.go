package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"azx/extension"
	"azx/extension/verify"
)

func bundle(t *testing.T) *extension.Bundle {
	t.Helper()
	b, err := extension.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// losses are what azx extension verify finds missing, with the handler that it asks.
func losses(t *testing.T, h http.Handler) *verify.Report {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client, err := verify.NewClient(verify.Options{URL: server.URL, AppKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	sources, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	var packages []verify.Package
	for _, s := range sources {
		packages = append(packages, verify.Package{Info: s.Info, Set: &s.Set})
	}
	report, err := verify.Verify(context.Background(), client, packages)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestNothingOfThePackagesIsLostInExportsNorInTheJSONOfEntities(t *testing.T) {
	h, _ := extended(t)
	asked := map[string]int{}
	for name, handler := range map[string]http.Handler{
		"exports": h,
		"JSON": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/Thingworx/Exporter/") {
				http.Error(w, "not here", http.StatusForbidden)
				return
			}
			asked[r.Method]++
			h.ServeHTTP(w, r)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			report := losses(t, handler)
			if len(report.Losses) > 0 || len(report.Notes) > 0 || report.Entities < 50 || report.Scripts < 20 {
				t.Errorf("got %+v", report)
			}
		})
	}
	if asked["GET"] < 50 {
		t.Errorf("asked %v for JSON", asked)
	}
}

func TestEveryCollectionListsWhatItServes(t *testing.T) {
	h, p := extended(t)
	for _, kind := range append(p.Collections(), "Dashboards", "thingtemplates") {
		list := rows(t, ok(t, h, "GET", "/Thingworx/"+string(kind), ""))
		if (len(list) == 0) != (kind == "Dashboards") {
			t.Errorf("%s: %d entities", kind, len(list))
		}
		for _, row := range list {
			var e struct{ Name string }
			at := "/Thingworx/" + string(kind) + "/" + row["name"].(string)
			if err := json.Unmarshal([]byte(ok(t, h, "GET", at, "")), &e); err != nil || e.Name != row["name"] {
				t.Errorf("%s is %+v, %v", at, e, err)
			}
			if text := ok(t, h, "GET", at+"/Metadata", ""); !strings.Contains(text, `"serviceDefinitions":{`) {
				t.Errorf("%s has the metadata %.200s", at, text)
			}
			ok(t, h, "GET", at+"/ServiceDefinitions", "")
		}
	}
}

func TestCharacteristicsOfEntities(t *testing.T) {
	h, _ := extended(t)
	const hub, device, fields = "/Thingworx/Things/ConnectionServicesHub", "/Thingworx/ThingTemplates/AzureIotThing", "/Thingworx/DataShapes/VTQ/FieldDefinitions"
	for path, want := range map[string]string{
		hub + "/EventDefinitions":       `{"name":"UserError","description":"`,
		hub + "/eventdefinitions":       `"dataShape":"CXSEvent_UserError"`,
		hub + "/ImplementedShapes":      `"name":"CacheManager"`,
		device + "/PropertyDefinitions": `"name":"twinReported"`,
		device + "/ImplementedShapes":   `"name":"RoutedEgress"`,
		device + "/EventDefinitions":    `"name":"AzureIotMessageOutcome"`,
		device + "/Metadata":            `"twinTags":{"name":"twinTags","baseType":"JSON"`,
		fields:                          `{"name":"value","description":"","baseType":"`,
		"/Thingworx/ThingTemplates/AzureIotHubTemplate/Subscriptions": `"eventName":"ThingStart"`,
		"/Thingworx/ThingTemplates/RemoteThing":                       `"baseThingTemplate":"GenericThing"`,
		"/Thingworx/ThingShapes/RoutedEgress":                         `"gatewayThing":{"name":"gatewayThing","baseType":"THINGNAME"`,
		"/Thingworx/Groups/Administrators":                            `"members":[`,
		"/Thingworx/Organizations/Everyone":                           `"organizationalUnits":[{`,
		"/Thingworx/Users/Administrator":                              `"enabled":true`,
	} {
		if text := ok(t, h, "GET", path, ""); !strings.Contains(text, want) {
			t.Errorf("%s: got %.1000s", path, text)
		}
	}
	if text := ok(t, h, "GET", "/Thingworx/ThingTemplates/AzureIotHubTemplate/Metadata", ""); strings.Contains(text, "var result") {
		t.Error("metadata have scripts in them")
	}
}

func TestAnEntityOfAnyCollectionIsDeletedUnlessItIsUsed(t *testing.T) {
	h, _ := extended(t)
	for collection, make := range map[string]string{
		"ThingTemplates": `CreateThingTemplate {"name":"mine","thingTemplateName":"GenericThing"}`, "ThingShapes": `CreateThingShape {"name":"mine"}`,
		"DataShapes": `CreateDataShape {"name":"mine"}`, "Groups": `CreateGroup {"name":"mine"}`, "Users": `CreateUser {"name":"mine"}`,
		"Organizations": `CreateOrganization {"name":"mine"}`, "Projects": `CreateProject {"name":"mine"}`,
		"ApplicationKeys": `CreateApplicationKey {"name":"mine","user":"Administrator"}`, "Things": `CreateThing {"name":"mine","thingTemplateName":"GenericThing"}`,
	} {
		service, body, _ := strings.Cut(make, " ")
		ok(t, h, "POST", entities+service, body)
		at := "/Thingworx/" + collection + "/mine"
		ok(t, h, "GET", at, "")
		ok(t, h, "DELETE", at, "")
		if code, text := do(h, "DELETE", at, "", nil); code != 404 {
			t.Errorf("%s: deleted twice: %d %s", at, code, text)
		}
	}
	ok(t, h, "POST", entities+"CreateThingTemplate", `{"name":"used","thingTemplateName":"GenericThing"}`)
	ok(t, h, "POST", entities+"CreateThing", `{"name":"user","thingTemplateName":"used"}`)
	for path, want := range map[string]string{
		"ThingTemplates/used": "Thing user: its template used is not there", "ThingTemplates/GenericThing": "is built in",
		"ThingTemplates/AzureIotThing": "belongs to the package azx-azure-iot", "Things/ConnectionServicesHub": "belongs to the package azx-connection-services",
		"Resources/EntityServices": "is built in", "Subsystems/PlatformSubsystem": "is built in",
	} {
		if code, text := do(h, "DELETE", "/Thingworx/"+path, "", nil); code != 403 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
}

func TestAnEventIsFiredByREST(t *testing.T) {
	h, p := extended(t)
	const event = "/Thingworx/Things/ConnectionServicesHub/Events/UserError"
	if text := ok(t, h, "POST", event, `{"id":"1","message":"m","context":{"a":1},"ThingName":"Pump-1"}`); text != "" {
		t.Errorf("answered %s", text)
	}
	got := p.Events("ConnectionServicesHub", 1)
	if len(got) != 1 || got[0].Event != "UserError" || got[0].Data.First("ThingName").String() == "" {
		t.Fatalf("got %+v", got)
	}
	if text, _ := got[0].Data.First("context").Text(); text != `{"a":1}` {
		t.Errorf("context is %s", text)
	}
	for _, tc := range []struct {
		name, method, path, body, contentType string
		code                                  int
		want                                  string
	}{
		{"an event that is not there", "POST", "/Thingworx/Things/ConnectionServicesHub/Events/Nothing", "{}", "application/json", 404, `has no event "Nothing"`},
		{"a Thing that is not there", "POST", "/Thingworx/Things/Nobody/Events/UserError", "{}", "application/json", 404, `there is no Thing "Nobody"`},
		{"a field that is not there", "POST", event, `{"colour":1}`, "application/json", 400, `has no field "colour"`},
		{"a field of another type", "POST", event, `{"id":1}`, "application/json", 400, "field id: invalid: expected STRING"},
		{"no content type", "POST", event, `{}`, "", 403, "Content-Type must be"},
		{"another verb", "GET", event, "", "application/json", 405, "use POST"},
		{"no event", "POST", "/Thingworx/Things/ConnectionServicesHub/Events", "", "application/json", 404, "nothing is served"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, text := do(h, tc.method, tc.path, tc.body, map[string]string{"Content-Type": tc.contentType})
			if code != tc.code || !strings.Contains(text, tc.want) {
				t.Errorf("got %d %s", code, text)
			}
		})
	}
}

func TestScriptsAreCheckedWithoutRunningThem(t *testing.T) {
	h, _ := plant(t)
	const check = "/Thingworx/Resources/ScriptServices/Services/"
	for _, service := range []string{"CheckScript", "CheckScriptWithLinesAndColumns"} {
		good := rows(t, ok(t, h, "POST", check+service, `{"script":"var result = 1;"}`))
		if len(good) != 1 || good[0]["status"] != true {
			t.Errorf("got %v", good)
		}
		bad := rows(t, ok(t, h, "POST", check+service, `{"script":"var x = 1;\n  if (x) { return x; }"}`))
		if len(bad) != 1 || bad[0]["status"] != false || bad[0]["lineNumber"] != 2.0 || bad[0]["columnNumber"] != 12.0 || bad[0]["message"] == "" {
			t.Errorf("got %v", bad)
		}
	}
}

func TestMetricsAndWhatIsNotServed(t *testing.T) {
	h, p := plant(t)
	text := ok(t, h, "GET", "/Thingworx/Metrics?x-thingworx-session=false", "")
	if !strings.Contains(text, "# TYPE azx_platform_things gauge\nazx_platform_things ") {
		t.Errorf("got %s", text)
	}
	for _, path := range []string{"FileRepositories/SystemRepository/a.txt", "FileRepositoryUploader", "FileRepositoryDownloader"} {
		if code, text := do(h, "POST", "/Thingworx/"+path, "", nil); code != 501 || !strings.Contains(text, "keep no files") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, _ := do(h, "GET", "/Thingworx/Metrics", "", map[string]string{"appKey": ""}); code != 401 {
		t.Errorf("metrics without a key: %d", code)
	}
	if got := p.Refusals(); len(got) != 4 {
		t.Errorf("remembered %+v", got)
	}
}
