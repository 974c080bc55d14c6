package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"azx/extension"
	"azx/extension/entity"
)

const appKey = "5up3r-5ecret-key"

// platform serves documents as a platform would. Paths are those behind /Thingworx/.
type platform struct {
	t         *testing.T
	documents map[string]string // of GET; a text that begins with a status is that answer
	packages  string            // rows of GetExtensionPackageList, "" for 403
	broken    string            // scripts with this text cannot run
	noCheck   bool              // CheckScriptWithLinesAndColumns answers 404

	mu       sync.Mutex
	requests []string
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/Thingworx/")
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+path+" "+r.Header.Get("Accept"))
	p.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	switch {
	case r.Header.Get("appKey") != appKey || r.Header.Get("Content-Type") != "application/json":
		http.Error(w, "no", http.StatusUnauthorized)
	case path == "Subsystems/PlatformSubsystem/Services/GetExtensionPackageList" && r.Method == http.MethodPost:
		p.table(w, p.packages != "", p.packages)
	case path == "Resources/ScriptServices/Services/CheckScriptWithLinesAndColumns" && r.Method == http.MethodPost:
		var script struct{ Script string }
		if err := json.Unmarshal(body, &script); err != nil || script.Script == "" {
			p.t.Errorf("asked for the script %q", body)
		}
		row := `{"status":true,"lineNumber":0,"columnNumber":0,"message":""}`
		if p.broken != "" && strings.Contains(script.Script, p.broken) {
			row = `{"status":false,"lineNumber":2,"columnNumber":7,"message":"missing ; before\nstatement"}`
		}
		p.table(w, !p.noCheck, row)
	case r.Method == http.MethodGet:
		p.document(w, path)
	default:
		http.Error(w, "no", http.StatusMethodNotAllowed)
	}
}

func (p *platform) table(w http.ResponseWriter, ok bool, rows string) {
	if !ok {
		http.Error(w, "no "+appKey, http.StatusForbidden)
		return
	}
	fmt.Fprintf(w, `{"dataShape":{"fieldDefinitions":{}},"rows":[%s]}`, rows)
}

// document answers as a platform does: an export of what is not there is an empty one.
func (p *platform) document(w http.ResponseWriter, path string) {
	text, ok := p.documents[path]
	var status int
	switch _, err := fmt.Sscanf(text, "%d", &status); {
	case err == nil:
		http.Error(w, "the reason", status)
	case ok:
		fmt.Fprint(w, text)
	case strings.HasPrefix(path, "Exporter/"):
		fmt.Fprint(w, `<Entities majorVersion="9"/>`)
	default:
		http.Error(w, "not here", http.StatusNotFound)
	}
}

// verify runs Verify against a platform.
func verify(t *testing.T, p *platform, packages []Package) (*Report, error) {
	t.Helper()
	p.t = t
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	client, err := NewClient(Options{URL: server.URL + "/Thingworx/", AppKey: appKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return Verify(context.Background(), client, packages)
}

// exported is a platform that has all files of packages, as they are.
func exported(files map[string]string) *platform {
	p := &platform{documents: map[string]string{}, packages: `{"name":"plant","packageVersion":"1.0.0"}`}
	for name, text := range files {
		p.documents["Exporter/"+name] = text
	}
	return p
}

// plant is a package that has everything that can be lost.
func plant(t *testing.T) ([]Package, map[string]string) {
	t.Helper()
	files := map[string]string{
		"Projects/Plant": `<Entities><Projects><Project name="Plant" packageVersion="1.0.0"/></Projects></Entities>`,
		"DataShapes/Settings": `<Entities><DataShapes><DataShape name="Settings" projectName="Plant"><FieldDefinitions>
<FieldDefinition name="limit" baseType="NUMBER" aspect.isPrimaryKey="true" aspect.defaultValue="3.0"/><FieldDefinition name="key" baseType="PASSWORD" aspect.isPrimaryKey="false"/></FieldDefinitions></DataShape></DataShapes></Entities>`,
		"ThingShapes/Pumping": `<Entities><ThingShapes><ThingShape name="Pumping">
<PropertyDefinitions><PropertyDefinition name="speed" baseType="NUMBER" aspect.cacheTime="0.0" aspect.isLogged="true"/></PropertyDefinitions>
<ServiceDefinitions><ServiceDefinition name="Stop" isAllowOverride="true"><ResultType baseType="INFOTABLE" aspect.dataShape="Settings"/><ParameterDefinitions><FieldDefinition name="why" baseType="STRING" aspect.isRequired="true"/></ParameterDefinitions></ServiceDefinition>
<ServiceDefinition name="Restart"><ResultType baseType="NOTHING"/></ServiceDefinition></ServiceDefinitions>
<EventDefinitions><EventDefinition name="Stopped" dataShape="Settings"/></EventDefinitions>
<ServiceImplementations><ServiceImplementation name="Stop" handlerName="Script"><ConfigurationTables><ConfigurationTable name="Script"><Rows><Row><code><![CDATA[
var result = why;
]]></code></Row></Rows></ConfigurationTable></ConfigurationTables></ServiceImplementation></ServiceImplementations>
<Subscriptions><Subscription name="Started" eventName="ThingStart" sourceProperty="speed" enabled="true"><ServiceImplementation name="Started" handlerName="Script"><ConfigurationTables><ConfigurationTable name="Script"><Rows><Row><code>me.Stop();</code></Row></Rows></ConfigurationTable></ConfigurationTables></ServiceImplementation></Subscription></Subscriptions>
<RemotePropertyBindings><RemotePropertyBinding name="speed" sourceName="rpm" pushType="VALUE"/></RemotePropertyBindings>
<RemoteServiceBindings><RemoteServiceBinding name="Restart" sourceName="" timeout="30"/></RemoteServiceBindings>
<RemoteEventBindings><RemoteEventBinding name="Stopped" sourceName="stopped"/></RemoteEventBindings>
</ThingShape></ThingShapes></Entities>`,
		"ThingTemplates/Pump": `<Entities><ThingTemplates><ThingTemplate name="Pump" baseThingTemplate="RemoteThing">
<ConfigurationTableDefinitions><ConfigurationTableDefinition name="Limits" dataShapeName="Settings" isMultiRow="true"/></ConfigurationTableDefinitions>
<ImplementedShapes><ImplementedShape name="Pumping"/></ImplementedShapes>
<RunTimePermissions><Permissions resourceName="*"><ServiceInvoke><Principal name="Admins" type="Group" isPermitted="true"/></ServiceInvoke></Permissions></RunTimePermissions>
<InstanceRunTimePermissions><Permissions resourceName="Stop"><ServiceInvoke><Principal name="Guests" type="Group" isPermitted="false"/></ServiceInvoke></Permissions></InstanceRunTimePermissions>
<InstanceVisibilityPermissions><Visibility><Principal name="Org" type="Organization" isPermitted="true"/></Visibility></InstanceVisibilityPermissions>
</ThingTemplate></ThingTemplates></Entities>`,
		"Things/Pump1": `<Entities><Things><Thing name="Pump1" thingTemplate="Pump" valueStream="Values" enabled="true" aspect.isEditableExtensionObject="true">
<ConfigurationTables><ConfigurationTable name="Limits"><DataShape><FieldDefinitions><FieldDefinition name="limit" baseType="NUMBER"/></FieldDefinitions></DataShape><Rows><Row><limit>3</limit></Row></Rows></ConfigurationTable></ConfigurationTables>
<ImplementedShapes><ImplementedShape name="Extra"/></ImplementedShapes></Thing></Things></Entities>`,
		"Groups/Admins": `<Entities><Groups><Group name="Admins"><Members><Members><Member name="joe" type="User"/></Members></Members></Group></Groups></Entities>`,
		"Organizations/Org": `<Entities><Organizations><Organization name="Org"><Connections><Connection from="" to="Root"/><Connection from="Root" to="Leaf"/></Connections><OrganizationalUnits>
<OrganizationalUnit name="Root"><Members><Members><Member name="Admins" type="Group"/></Members></Members></OrganizationalUnit><OrganizationalUnit name="Leaf"/></OrganizationalUnits></Organization></Organizations></Entities>`,
		"Users/joe":       `<Entities><Users><User name="joe" enabled="true"/></Users></Entities>`,
		"Mashups/Monitor": `<Entities><Mashups><Mashup name="Monitor"/></Mashups></Entities>`,
	}
	set := &entity.Set{}
	for name, text := range files {
		parsed, err := entity.Parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		set.Merge(parsed)
	}
	return []Package{{entity.Package{Name: "plant", Version: "1.0.0"}, set}}, files
}

func TestAPlatformThatHasEverythingHasLostNothing(t *testing.T) {
	packages, files := plant(t)
	p := exported(files)
	report, err := verify(t, p, packages)
	if err != nil || len(report.Losses) > 0 || len(report.Notes) > 0 || report.Entities != len(files) || report.Scripts != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if want := 1 + len(files) + 2; len(p.requests) != want {
		t.Errorf("%d requests, want %d: %q", len(p.requests), want, p.requests)
	}
}

// What the two packages bring is all there when a platform has their own files.
func TestOurPackagesAreFoundWhole(t *testing.T) {
	sources, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{documents: map[string]string{}, packages: `{"name":"other"}`}
	var packages []Package
	for _, s := range sources {
		packages = append(packages, Package{s.Info, &s.Set})
		p.packages += fmt.Sprintf(`,{"name":%q,"packageVersion":%q}`, s.Info.Name, s.Info.Version)
		for _, f := range s.Files {
			if name, ok := strings.CutPrefix(f.Name, "Entities/"); ok {
				p.documents["Exporter/"+strings.TrimSuffix(name, ".xml")] = string(f.Data)
			}
		}
	}
	report, err := verify(t, p, packages)
	if err != nil || len(report.Losses) > 0 || len(report.Notes) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestEachPlantedLossIsNamed(t *testing.T) {
	const shape, template, thing, data, org = "ThingShapes/Pumping", "ThingTemplates/Pump", "Things/Pump1", "DataShapes/Settings", "Organizations/Org"
	for _, c := range []struct{ file, old, replacement, want string }{
		{"Projects/Plant", `"1.0.0"`, `"0.9.0"`, `packageVersion is "0.9.0", expected "1.0.0"`},
		{data, `projectName="Plant"`, `projectName="PTCDefaultProject"`, `the project is "PTCDefaultProject", expected "Plant"`},
		{data, `name="limit"`, `name="limits"`, `field "limit" is missing`},
		{data, `"PASSWORD"`, `"STRING"`, `the base type of field "key" is "STRING", expected "PASSWORD"`},
		{data, ` aspect.isPrimaryKey="true"`, ``, `the aspect isPrimaryKey of field "limit" is "", expected "true"`},
		{data, `"3.0"`, `"4"`, `the aspect defaultValue of field "limit" is "4", expected "3.0"`},
		{shape, `PropertyDefinition name="speed"`, `PropertyDefinition name="spee"`, `property "speed" is missing`},
		{shape, ` aspect.isLogged="true"`, ``, `the aspect isLogged of property "speed" is "", expected "true"`},
		{shape, `<ServiceDefinition name="Restart"><ResultType baseType="NOTHING"/></ServiceDefinition>`, ``, `service "Restart" is missing`},
		{shape, `name="why"`, `name="because"`, `service "Stop": parameter "why" is missing`},
		{shape, ` aspect.isRequired="true"`, ``, `the aspect isRequired of service "Stop": parameter "why" is "", expected "true"`},
		{shape, `baseType="INFOTABLE" aspect.dataShape="Settings"`, `baseType="INFOTABLE"`, `the aspect dataShape of the result of service "Stop" is "", expected "Settings"`},
		{shape, `<ResultType baseType="NOTHING"/>`, `<ResultType baseType="STRING"/>`, `the result of service "Restart" is "STRING", expected "NOTHING"`},
		{shape, ` isAllowOverride="true"`, ``, `service "Stop" has isAllowOverride false and isPrivate false, expected true and false`},
		{shape, "result = why", "result = null", `the script of service "Stop" is another one`},
		{shape, `<ServiceImplementation name="Stop"`, `<ServiceImplementation name="Stopp"`, `the implementation of service "Stop" is missing`},
		{shape, `name="Stop" handlerName="Script"`, `name="Stop" handlerName="SQLQuery"`, `service "Stop" is carried out by SQLQuery, expected Script`},
		{shape, `EventDefinition name="Stopped" dataShape="Settings"`, `EventDefinition name="Stopped" dataShape="Other"`, `the data shape of event "Stopped" is "Other", expected "Settings"`},
		{shape, `<EventDefinition name="Stopped" dataShape="Settings"/>`, ``, `event "Stopped" is missing`},
		{shape, `Subscription name="Started"`, `Subscription name="Late"`, `subscription "Started" is missing`},
		{shape, `eventName="ThingStart"`, `eventName="Timer"`, `the event of subscription "Started" is "Timer", expected "ThingStart"`},
		{shape, `sourceProperty="speed"`, ``, `the source property of subscription "Started" is missing, expected "speed"`},
		{shape, `enabled="true"`, `enabled="false"`, `subscription "Started" is not enabled`},
		{shape, `me.Stop();`, `me.Go();`, `the script of subscription "Started" is another one`},
		{shape, `RemotePropertyBinding name="speed"`, `RemotePropertyBinding name="a"`, `the remote binding of property "speed" is missing`},
		{shape, `sourceName="rpm"`, `sourceName="speed"`, `the remote name in the remote binding of property "speed" is "speed", expected "rpm"`},
		{shape, `pushType="VALUE"`, `pushType="NEVER"`, `the push type of the remote binding of property "speed" is "NEVER", expected "VALUE"`},
		{shape, `RemoteServiceBinding name="Restart"`, `RemoteServiceBinding name="a"`, `the remote binding of service "Restart" is missing`},
		{shape, `timeout="30"`, `timeout="0"`, `the remote binding of service "Restart" has the time-out 0 and the queue false, expected 30 and false`},
		{shape, `sourceName="stopped"`, `sourceName=""`, `the remote name in the remote binding of event "Stopped" is "Stopped", expected "stopped"`},
		{template, `"RemoteThing"`, `"GenericThing"`, `the base template is "GenericThing", expected "RemoteThing"`},
		{template, `<ImplementedShape name="Pumping"/>`, ``, `the shape "Pumping" is missing`},
		{template, `<ConfigurationTableDefinition name="Limits" dataShapeName="Settings" isMultiRow="true"/>`, ``, `the definition of configuration table "Limits" is missing`},
		{template, `dataShapeName="Settings"`, `dataShapeName=""`, `the data shape of configuration table "Limits" is missing, expected "Settings"`},
		{template, `isMultiRow="true"`, ``, `the definition of configuration table "Limits" has isMultiRow false, expected true`},
		{template, `name="Admins" type="Group" isPermitted="true"`, `name="Admins" type="Group" isPermitted="false"`, `a run-time permission is missing that permits ServiceInvoke on "*" to the group "Admins"`},
		{template, `resourceName="Stop"`, `resourceName="*"`, `a run-time permission of its Things is missing that denies ServiceInvoke on "Stop" to the group "Guests"`},
		{template, `name="Org"`, `name="Other"`, `the visibility of its Things for the organization "Org" is missing`},
		{thing, `thingTemplate="Pump"`, `thingTemplate="Other"`, `the template is "Other", expected "Pump"`},
		{thing, `valueStream="Values"`, ``, `the value stream is missing, expected "Values"`},
		{thing, `enabled="true"`, `enabled="false"`, `the Thing is not enabled`},
		{thing, ` aspect.isEditableExtensionObject="true"`, ``, `the entity cannot be edited: its aspect isEditableExtensionObject is missing`},
		{thing, `name="Limits"`, `name="Limit"`, `configuration table "Limits" is missing`},
		{thing, `FieldDefinition name="limit"`, `FieldDefinition name="a"`, `configuration table "Limits": column "limit" is missing`},
		{thing, `<Row><limit>3</limit></Row>`, ``, `configuration table "Limits" has no rows`},
		{thing, `<ImplementedShape name="Extra"/>`, ``, `the shape "Extra" is missing`},
		{"Groups/Admins", `name="joe"`, `name="ann"`, `the membership of the user "joe" is missing`},
		{org, `name="Leaf"/></`, `name="Leave"/></`, `the unit "Leaf" is missing`},
		{org, `from="Root" to="Leaf"`, `from="" to="Leaf"`, `the unit above "Leaf" is missing, expected "Root"`},
		{org, `name="Admins"`, `name="Others"`, `the membership of the group "Admins" is missing`},
		{"Users/joe", `"true"`, `"false"`, `enabled is "false", expected "true"`},
	} {
		t.Run(c.want, func(t *testing.T) {
			packages, files := plant(t)
			if strings.Count(files[c.file], c.old) != 1 {
				t.Fatalf("%s has %q %d times", c.file, c.old, strings.Count(files[c.file], c.old))
			}
			files[c.file] = strings.Replace(files[c.file], c.old, c.replacement, 1)
			report, err := verify(t, exported(files), packages)
			if want := "plant: " + c.file + ": " + c.want; err != nil || len(report.Losses) != 1 || report.Losses[0].String() != want {
				t.Errorf("got %v, %v\nwant %s", report, err, want)
			}
		})
	}
}

func TestWhatIsMissingAsAWholeIsNamed(t *testing.T) {
	packages, files := plant(t)
	for name := range files {
		t.Run(name, func(t *testing.T) {
			p := exported(files)
			delete(p.documents, "Exporter/"+name)
			report, err := verify(t, p, packages)
			if err != nil || len(report.Losses) != 1 || report.Losses[0] != (Loss{"plant", name, "is missing"}) {
				t.Errorf("got %+v, %v", report, err)
			}
		})
	}
}

func TestPackagesAreLookedForByVersion(t *testing.T) {
	packages, files := plant(t)
	for name, c := range map[string]struct{ rows, want, note string }{
		"another one":                 {`{"name":"plants","packageVersion":"1.0.0"}`, "plant: the package is not installed", ""},
		"another one of its versions": {`{"name":"plant","packageVersion":"0.9.0"}`, "plant: version 0.9.0 is installed, and this is 1.0.0", ""},
		"a list that is not given":    {"", "", "the packages of the platform were not listed: the platform answers 403 Forbidden: no ***"},
	} {
		t.Run(name, func(t *testing.T) {
			p := exported(files)
			p.packages = c.rows
			report, err := verify(t, p, packages)
			if err != nil {
				t.Fatal(err)
			}
			if c.want != "" && (len(report.Losses) != 1 || report.Losses[0].String() != c.want) || c.note != "" && (len(report.Notes) != 1 || report.Notes[0] != c.note) {
				t.Errorf("got %+v", report)
			}
		})
	}
}

func TestScriptsThatCannotRunAreNamed(t *testing.T) {
	packages, files := plant(t)
	p := exported(files)
	p.broken = "= why"
	report, err := verify(t, p, packages)
	want := `plant: ThingShapes/Pumping: the script of service "Stop" cannot run: missing ; before statement (line 2, column 7)`
	if err != nil || len(report.Losses) != 1 || report.Losses[0].String() != want {
		t.Errorf("got %+v, %v", report, err)
	}
	p = exported(files)
	p.noCheck = true
	report, err = verify(t, p, packages)
	if err != nil || len(report.Losses) > 0 || report.Scripts != 0 || len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "the platform's own parser") {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestAnswersThatAreNoneAreNamed(t *testing.T) {
	packages, files := plant(t)
	for name, c := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"an export that is refused, and no entity":   {map[string]string{"Exporter/Users/joe": "406"}, "plant: Users/joe: is missing"},
		"an entity that is refused":                  {map[string]string{"Exporter/Users/joe": "<Entities/>", "Users/joe": "403"}, "plant: Users/joe: cannot be read: the platform answers 403 Forbidden: the reason"},
		"an entity that is none":                     {map[string]string{"Exporter/Users/joe": "<Entities/>", "Users/joe": "<html>"}, "plant: Users/joe: cannot be read: the platform answers 200 OK: with something that is no entity"},
		"another entity":                             {map[string]string{"Exporter/Users/joe": "<Entities/>", "Users/joe": `{"name":"ann"}`}, "plant: Users/joe: is missing"},
		"an export that is none, and the right JSON": {map[string]string{"Exporter/Users/joe": "<a>", "Users/joe": `{"name":"joe","enabled":"true"}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := exported(files)
			for path, answer := range c.answers {
				p.documents[path] = answer
			}
			report, err := verify(t, p, packages)
			if err != nil || c.want == "" && len(report.Losses) > 0 || c.want != "" && (len(report.Losses) != 1 || report.Losses[0].String() != c.want) {
				t.Errorf("got %+v, %v", report, err)
			}
		})
	}
}

func TestAPlatformThatCannotBeAskedIsAnError(t *testing.T) {
	packages, _ := plant(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the key went elsewhere: %s", r.Header.Get("appKey"))
	}))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"a wrong key":        {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }, "the application key is not accepted (401)"},
		"a page to log in":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "the platform sends us elsewhere (302)"},
		"a line that breaks": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			t.Cleanup(server.Close)
			client, err := NewClient(Options{URL: server.URL, AppKey: appKey})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			_, err = Verify(context.Background(), client, packages)
			var access *AccessError
			if !errors.As(err, &access) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), appKey) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestOptionsThatLeadNowhereAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":            {"", appKey, nil},
		"another scheme":    {"ws://tw/Thingworx/WS", appKey, nil},
		"no host":           {"https:///Thingworx", appKey, nil},
		"what is no URL":    {"https://a b\x00", appKey, nil},
		"a user in the URL": {"https://a:" + appKey + "@tw/Thingworx", appKey, nil},
		"no key":            {"https://tw/Thingworx", "", nil},
		"a key of lines":    {"https://tw/Thingworx", appKey + "\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := NewClient(o); c != nil || err == nil || strings.Contains(err.Error(), appKey) {
				t.Errorf("got %v", err)
			}
		})
	}
}
