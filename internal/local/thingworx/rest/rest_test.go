package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/extension"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/importer"
)

const key = "test-key"

// plant returns a handler for a platform with the RemoteThing Pump-1.
func plant(t *testing.T) (*Handler, *thingworx.Platform) {
	t.Helper()
	p, err := thingworx.New(thingworx.Options{Now: func() time.Time { return time.UnixMilli(5000) }})
	if err != nil {
		t.Fatal(err)
	}
	p.AddKey(key, "Administrator")
	err = p.CreateThing(t.Context(), thingworx.ThingSpec{Name: "Pump-1", Template: thingworx.TemplateRemote, Enabled: true,
		Properties: []thingworx.Definition{
			{Name: "temperature", Type: infotable.TypeNumber, Remote: &thingworx.Binding{EdgeName: "temp"}},
			{Name: "mode", Type: infotable.TypeString}, {Name: "limit", Type: infotable.TypeNumber},
			{Name: "since", Type: infotable.TypeDateTime}, {Name: "fixed", Type: infotable.TypeString, ReadOnly: true},
		}})
	if err != nil {
		t.Fatal(err)
	}
	return New(p, Options{}), p
}

// extended is plant with the two packages installed, which takes a while.
func extended(t *testing.T) (*Handler, *thingworx.Platform) {
	t.Helper()
	h, p := plant(t)
	extend(t, p)
	return h, p
}

// do sends a request with the key and the JSON content type unless header says otherwise ("" removes one).
func do(h http.Handler, method, path, body string, header map[string]string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("appKey", key)
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(text)
}

const (
	things   = "/Thingworx/Things/"
	pump     = things + "Pump-1"
	entities = "/Thingworx/Resources/EntityServices/Services/"
)

func TestARefusalHasItsCodeAndSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name, method, path, body string
		header                   map[string]string
		code                     int
		want                     string
	}{
		{"no key", "GET", pump, "", map[string]string{"appKey": ""}, 401, "no application key: send it in the header appKey"},
		{"wrong key", "GET", pump, "", map[string]string{"appKey": "secret"}, 401, "unknown application key"},
		{"no Content-Type", "POST", pump + "/Services/GetPropertyValues", "", map[string]string{"Content-Type": ""}, 403, "Content-Type must be application/json"},
		{"form instead of JSON", "PUT", pump + "/Properties/mode", "mode=x", map[string]string{"Content-Type": "text/plain"}, 403, "Content-Type must be"},
		{"unknown collection", "GET", "/Thingworx/Thinks", "", nil, 404, "nothing is served at /Thingworx/Thinks"},
		{"unknown path of a Thing", "GET", pump + "/Colours", "", nil, 404, "nothing is served at"},
		{"unknown Thing", "GET", things + "Pump-2/Properties/x", "", nil, 404, `there is no Thing "Pump-2"`},
		{"unknown property", "GET", pump + "/Properties/speed", "", nil, 404, `Thing Pump-1 has no property "speed"`},
		{"unknown property in a write", "PUT", pump + "/Properties/*", `{"speed":1}`, nil, 404, `no property "speed"`},
		{"unknown service", "POST", pump + "/Services/Explode", "", nil, 404, `no service "Explode"`},
		{"unknown resource", "POST", "/Thingworx/Resources/Magic/Services/X", "", nil, 404, "no Resources/Magic"},
		{"wrong verb for a service", "GET", pump + "/Services/GetPropertyValues", "", nil, 405, "GET is not possible here; use POST"},
		{"wrong verb for a property", "POST", pump + "/Properties/mode", "", nil, 405, "use GET or PUT"},
		{"wrong verb for a Thing", "PUT", pump, "", nil, 405, "use GET or DELETE"},
		{"wrong verb for the list", "POST", "/Thingworx/Things", "", nil, 405, "use GET"},
		{"wrong verb for health", "POST", "/Thingworx/health", "", nil, 405, "use GET"},
		{"broken JSON", "PUT", pump + "/Properties/mode", `{`, nil, 400, "the body must be a JSON object"},
		{"another member", "PUT", pump + "/Properties/mode", `{"value":"x"}`, nil, 400, `the body has no member "mode"`},
		{"text for a number", "PUT", pump + "/Properties/limit", `{"limit":"1"}`, nil, 400, `property limit of Thing Pump-1: invalid: expected NUMBER, got "1"`},
		{"null", "PUT", pump + "/Properties/limit", `{"limit":null}`, nil, 400, "expected NUMBER, got nothing"},
		{"read-only", "PUT", pump + "/Properties/fixed", `{"fixed":"x"}`, nil, 403, "is read-only"},
		{"remote-bound", "PUT", pump + "/Properties/temperature", `{"temperature":1}`, nil, 503, "nobody stands for Thing Pump-1"},
		{"missing parameter", "POST", entities + "CreateThing", `{"name":"x"}`, nil, 404, "service CreateThing needs the parameter thingTemplateName"},
		{"parameter of a wrong type", "POST", entities + "CreateThing", `{"name":1,"thingTemplateName":"RemoteThing"}`, nil, 400, "parameter name: invalid: expected STRING, got 1"},
		{"service that refuses", "POST", entities + "CreateThing", `{"name":"Pump-1","thingTemplateName":"RemoteThing"}`, nil, 500,
			"Unable to Invoke Service CreateThing on EntityServices : create Thing Pump-1: a Thing of that name exists"},
		{"body too large", "PUT", pump + "/Properties/mode", `{"mode":"` + strings.Repeat("x", maxBody) + `"}`, nil, 413, "too large"},
		{"ledger from nowhere", "GET", "/azx/ledger?after=x", "", nil, 400, "after must be the index"},
		{"ledger page too large", "GET", "/azx/ledger?limit=10001", "", nil, 400, "limit must be 1 to 10000"},
		{"ledger without key", "GET", "/azx/ledger", "", map[string]string{"appKey": ""}, 401, "no application key"},
		{"push of a wrong type", "POST", pump + "/Services/UpdateSubscribedPropertyValues", vtqs(`{"name":"temp","value":"hot"}`), nil, 500,
			`property temperature of Thing Pump-1: expected NUMBER, got STRING "hot"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, p := plant(t)
			code, text := do(h, tc.method, tc.path, tc.body, tc.header)
			if code != tc.code || !strings.Contains(text, tc.want) {
				t.Errorf("got %d %s, want %d %s", code, text, tc.code, tc.want)
			}
			if got := p.Refusals(); len(got) != 1 || !strings.Contains(got[0].Reason, tc.want) {
				t.Errorf("remembered %+v", got)
			}
			if strings.Contains(text, "secret") {
				t.Error("the answer tells the key")
			}
		})
	}
}

func vtqs(row string) string {
	return `{"values":{"dataShape":{"fieldDefinitions":{"name":{"baseType":"STRING"},"value":{"baseType":"VARIANT"},
		"time":{"baseType":"DATETIME"},"quality":{"baseType":"STRING"}}},"rows":[` + row + `]}}`
}

// ok wants 200 and returns the body.
func ok(t *testing.T, h http.Handler, method, path, body string) string {
	t.Helper()
	code, text := do(h, method, path, body, nil)
	if code != 200 {
		t.Fatalf("%s %s: %d %s", method, path, code, text)
	}
	return text
}

func rows(t *testing.T, text string) []map[string]any {
	t.Helper()
	var table struct{ Rows []map[string]any }
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return table.Rows
}

func TestAThingIsMadeAndWrittenAndReadByREST(t *testing.T) {
	h, _ := plant(t)
	for _, step := range []struct{ path, body string }{
		{entities + "CreateThing", `{"name":"Fan 1","thingTemplateName":"RemoteThing","description":"d","tags":"a:b"}`},
		{things + "Fan%201/Services/AddPropertyDefinition", `{"name":"speed","type":"INTEGER"}`},
		{things + "Fan%201/Services/SetRemotePropertyBinding", `{"propertyName":"speed","sourcePropertyName":"rpm","pushType":"ALWAYS"}`},
		{things + "Fan%201/Services/EnableThing", ""},
		{things + "Fan%201/Services/RestartThing", `{}`},
		{things + "Fan%201/Services/UpdateSubscribedPropertyValues", vtqs(`{"name":"rpm","value":900,"time":1577934245678,"quality":"BAD"}`)},
	} {
		if text := ok(t, h, "POST", step.path, step.body); text != "" {
			t.Errorf("%s answered %s", step.path, text)
		}
	}
	want := `{"dataShape":{"name":"","fieldDefinitions":{"speed":{"name":"speed","description":"","baseType":"INTEGER","ordinal":1,"aspects":{}}}},"rows":[{"speed":900}]}`
	if got := ok(t, h, "GET", things+"Fan%201/Properties/speed", ""); got != want {
		t.Errorf("got %s", got)
	}
	got := rows(t, ok(t, h, "GET", things+"Fan%201/PropertiesVTQ/speed", ""))[0]
	if fmt.Sprint(got) != "map[name:speed quality:BAD time:1.577934245678e+12 value:900]" {
		t.Errorf("got %v", got)
	}
	if n := len(rows(t, ok(t, h, "GET", "/Thingworx/Things", ""))); n != 5 {
		t.Errorf("%d Things", n)
	}
	ok(t, h, "DELETE", things+"Fan%201", "")
	if code, _ := do(h, "GET", things+"Fan%201", "", nil); code != 404 {
		t.Errorf("deleted Thing: %d", code)
	}
}

func TestSeveralPropertiesAreWrittenAtOnceOrNone(t *testing.T) {
	h, _ := plant(t)
	if text := ok(t, h, "PUT", pump+"/Properties/*", `{"mode":"auto","limit":34.4,"since":"2020-01-02T03:04:05.678Z"}`); text != "" {
		t.Errorf("answered %s", text)
	}
	got := rows(t, ok(t, h, "GET", pump+"/properties", ""))[0]
	if got["mode"] != "auto" || got["limit"] != 34.4 || got["since"] != 1577934245678.0 || got["isConnected"] != false {
		t.Errorf("got %v", got)
	}
	if _, there := got["temperature"]; there {
		t.Error("a property without a value has one")
	}
	if code, _ := do(h, "PUT", pump+"/Properties/*", `{"mode":"x","fixed":"y"}`, nil); code != 403 {
		t.Errorf("code %d", code)
	}
	if got := rows(t, ok(t, h, "GET", pump+"/Properties/mode", ""))[0]; got["mode"] != "auto" {
		t.Errorf("a refused request wrote %v", got)
	}
}

func TestTheKeyMayComeInAnyCaseAndInTheQuery(t *testing.T) {
	h, _ := plant(t)
	for name, send := range map[string]func() (int, string){
		"APPKEY header": func() (int, string) { return do(h, "GET", pump, "", map[string]string{"APPKEY": key}) },
		"appKey query": func() (int, string) {
			return do(h, "GET", pump+"?appKey="+key, "", map[string]string{"appKey": ""})
		},
		"appkey query": func() (int, string) {
			return do(h, "GET", pump+"?appkey="+key, "", map[string]string{"appKey": ""})
		},
		"health without": func() (int, string) {
			return do(h, "GET", "/Thingworx/health", "", map[string]string{"appKey": ""})
		},
	} {
		if code, text := send(); code != 200 {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
}

func TestThingsAreDescribed(t *testing.T) {
	h, _ := plant(t)
	for path, want := range map[string]string{
		pump:                               `"thingTemplate":"RemoteThing"`,
		pump + "/ImplementedShapes":        `"rows":[{"name":"Connectable",`,
		pump + "/PropertyDefinitions":      `"name":"temperature","description":"","baseType":"NUMBER"`,
		pump + "/PropertyDefinitions/mode": `"rows":[{"name":"mode"`,
		pump + "/serviceDefinitions":       `"UpdateSubscribedPropertyValues":{`,
		pump + "/ServiceDefinitions/AddPropertyDefinition":                     `"type":{"name":"type","baseType":"BASETYPENAME","isRequired":true}`,
		"/Thingworx/Resources/EntityServices/ServiceDefinitions":               `"CreateThing":{`,
		"/Thingworx/Subsystems/PlatformSubsystem/ServiceDefinitions":           `"GetExtensionPackageList":{`,
		"/Thingworx/Resources/EntityServices/ServiceDefinitions/GetEntityList": `"resultType":{"name":"result","baseType":"INFOTABLE"}`,
	} {
		if got := ok(t, h, "GET", path, ""); !strings.Contains(got, want) {
			t.Errorf("%s: got %.2000s", path, got)
		}
	}
	version := rows(t, ok(t, h, "POST", "/Thingworx/Subsystems/PlatformSubsystem/Services/GetThingworxVersion", ""))
	if len(version) != 1 || version[0]["result"] != thingworx.Version {
		t.Errorf("version %v", version)
	}
	list := rows(t, ok(t, h, "POST", entities+"GetEntityList", `{"type":"Thing","nameMask":"Pump*","maxItems":5}`))
	if len(list) != 1 || list[0]["name"] != "Pump-1" {
		t.Errorf("list %v", list)
	}
}

func TestTheLedgerIsPagedAndFiltered(t *testing.T) {
	h, p := plant(t)
	for i := range 25 {
		err := p.Push(t.Context(), "Pump-1", []thingworx.Write{{Property: "temp", Value: infotable.Number(float64(i)), Time: int64(i + 1)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Set(t.Context(), "Pump-1", []thingworx.Write{{Property: "mode", Value: infotable.String("m")}}); err != nil {
			t.Fatal(err)
		}
	}
	after, seen := uint64(0), 0
	for {
		var page LedgerPage
		path := fmt.Sprintf("/azx/ledger?thing=Pump-1&property=temperature&limit=10&after=%d", after)
		if err := json.Unmarshal([]byte(ok(t, h, "GET", path, "")), &page); err != nil {
			t.Fatal(err)
		}
		if page.First != 1 || page.Last != 50 {
			t.Fatalf("bounds %d to %d", page.First, page.Last)
		}
		if len(page.Entries) == 0 {
			break
		}
		for _, e := range page.Entries {
			if string(e.Value) != fmt.Sprint(seen) || e.Time != int64(seen+1) || e.BaseType != "NUMBER" || e.Received != 5000 {
				t.Fatalf("entry %+v, want number %d", e, seen)
			}
			seen++
		}
		after = page.Next
	}
	if seen != 25 {
		t.Errorf("saw %d", seen)
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
