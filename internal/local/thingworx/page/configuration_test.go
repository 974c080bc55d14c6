package page

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

const (
	configurationOfHub = "/azx/page/e/Things/Hub/configuration"
	planted            = "HostName=x.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=cGxhbnRlZA=="
)

// mark is that of a table as the page shows it now.
func mark(t *testing.T, h *Handler, table string) string {
	t.Helper()
	_, body := get(h, configurationOfHub)
	_, form, _ := strings.Cut(body, `id="table-`+table+`"`)
	found := regexp.MustCompile(`name="mark" value="([0-9a-f]{16})"`).FindStringSubmatch(form)
	if found == nil {
		t.Fatalf("no table %s: %s", table, mainOf(body))
	}
	return found[1]
}

// tableOf is a table of the hub Thing as the platform has it.
func tableOf(t *testing.T, p *thingworx.Platform, name string) *infotable.Table {
	t.Helper()
	table, err := p.Call(t.Context(), thingworx.EntityThing, "Hub", "GetConfigurationTable",
		infotable.OneRow(infotable.Cell{Name: "tableName", Value: infotable.String(name)}))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// configured calls the hub Thing's own service, which gives secrets in the clear.
func configured(t *testing.T, p *thingworx.Platform, name string) string {
	t.Helper()
	table, err := p.Call(t.Context(), thingworx.EntityThing, "Hub", "GetConfiguration", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range table.Len() {
		if table.At(i, "name").String() == name {
			return table.At(i, "value").String()
		}
	}
	return ""
}

func TestATableOfOneRowIsSaved(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	body := done(t, h, configurationOfHub+"/RoutingSettings", "mark", mark(t, h, "RoutingSettings"), "0.routingGroup", "north")
	has(t, body, "Table RoutingSettings was saved", `value="north"`)
	if got := tableOf(t, p, "RoutingSettings").First("routingGroup").String(); got != "north" {
		t.Errorf("got %q", got)
	}
	has(t, done(t, h, configurationOfHub+"/MethodSettings", "mark", mark(t, h, "MethodSettings"), "0.connectTimeout", "7", "0.responseTimeout", ""),
		`value="7"`)
}

func TestAPasswordIsWrittenAndNeverShown(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	const path = configurationOfHub + "/ConnectionSettings"
	body := done(t, h, path, "mark", mark(t, h, "ConnectionSettings"), "0.connectionString", planted, "0.consumerGroup", "azx")
	has(t, body, "set: stays unless you type another", `value="azx"`)
	encrypted, _ := tableOf(t, p, "ConnectionSettings").First("connectionString").Text()
	body += done(t, h, path, "mark", mark(t, h, "ConnectionSettings"), "0.connectionString", "", "0.consumerGroup", "other")
	if got := configured(t, p, "connectionString"); got != planted {
		t.Error("an empty password did not stay what it was")
	}
	for _, service := range []string{"GetConfiguration", "GetConfigurationTable"} {
		_, _, answer := submit(h, "/azx/page/e/Things/Hub/services/"+service, "tableName", "ConnectionSettings")
		has(t, answer, "Result", hiddenText)
		body += answer
	}
	_, _, answer := submit(h, "/azx/page/e/Resources/EncryptionServices/services/DecryptPropertyValue", "data", encrypted)
	has(t, answer, "Refused", "this page shows no secrets")
	for _, secret := range []string{"cGxhbnRlZA==", encrypted} {
		if strings.Contains(body, secret) || strings.Contains(strings.ReplaceAll(answer, `value="`+encrypted, ""), secret) {
			t.Error("a secret is shown")
		}
	}
	done(t, h, path, "mark", mark(t, h, "ConnectionSettings"), "forget.0.connectionString", "1", "0.consumerGroup", "azx")
	if got := configured(t, p, "connectionString"); got != "" {
		t.Error("it was not forgotten")
	}
}

func TestATableOfSeveralRowsIsEdited(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	const path = configurationOfHub + "/ConnectorSettings"
	done(t, h, path, "mark", mark(t, h, "ConnectorSettings"), "new0.name", "a.b", "new0.value", "1", "new1.name", "c", "new1.value", "2")
	has(t, done(t, h, path, "mark", mark(t, h, "ConnectorSettings"), "0.name", "a.b", "0.value", "3", "1.name", "c", "1.value", "2",
		"remove.1", "1", "new0.name", "d", "new0.value", "4"), `value="3"`, "remove row 2", "New row")
	table := tableOf(t, p, "ConnectorSettings")
	var got []string
	for i := range table.Len() {
		got = append(got, table.At(i, "name").String()+"="+table.At(i, "value").String())
	}
	if strings.Join(got, " ") != "a.b=3 d=4" {
		t.Errorf("got %v", got)
	}
}

func TestATableIsRefusedWithWhatWasTyped(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	for _, tc := range []struct {
		name, table, mark string
		form              []string
		code              int
		wanted            []string
	}{
		{"a number that is none", "MethodSettings", "", []string{"0.connectTimeout", "soon"}, 400, []string{"connectTimeout: this is no NUMBER", `value="soon"`}},
		{"two rows of one key", "ConnectorSettings", "", []string{"new0.name", "a", "new1.name", "a"}, 400, []string{"must be given and not be that of another row", `value="a"`}},
		{"one that was changed meanwhile", "RoutingSettings", "0000000000000000", []string{"0.routingGroup", "mine"}, 409, []string{"changed the table", `value="mine"`}},
		{"one that there is not", "Nothing", "x", nil, 404, []string{"ConnectorSettings"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.mark == "" {
				tc.mark = mark(t, h, tc.table)
			}
			code, _, body := submit(h, configurationOfHub+"/"+tc.table, append(tc.form, "mark", tc.mark, "0.connectionString", "typed-secret")...)
			if code != tc.code || strings.Contains(body, "typed-secret") {
				t.Errorf("got %d, want %d", code, tc.code)
			}
			if tc.name == "one that there is not" {
				return
			}
			has(t, body, tc.wanted...)
		})
	}
}

func TestAServiceIsCalledAndItsAnswerShown(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	push(t, p, "Pump-1", evil)
	for _, tc := range []struct {
		name, path string
		form       []string
		wanted     []string
	}{
		{"a table", "Things/Hub/services/GetDeviceThings", nil, []string{"Result", ">name<small>STRING</small></th>", "<td>dev 1</td>", "1 row."}},
		{"an empty table", "Things/Pump-1/services/GetImplementedShapes", nil, []string{"Result", "rows."}},
		{"a text", "Things/Hub/services/GetRoutingGroup", nil, []string{`<div class="value big">Hub</div>`}},
		{"a number that is typed again", "Things/Hub/services/GetDeviceThings", []string{"after", "a", "maxItems", "5"}, []string{`value="5"`, `value="a"`}},
		{"nothing", "Things/Pump-1/services/RestartThing", nil, []string{"Done. The service gives nothing back."}},
		{"a refusal", "Things/dev%201/services/Restart", []string{"delay", "1"}, []string{"Refused", `value="1"`}},
		{"a script that throws", "Things/ConnectionServicesHub/services/GrantThingTemplatePermissions",
			[]string{"ThingTemplateName", "Nowhere", "userGroupname", "x"}, []string{"Refused", "Nowhere"}},
		{"a resource", "Resources/EntityServices/services/CreateThing", []string{"name", "made", "thingTemplateName", "GenericThing"}, []string{"Done."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, body := submit(h, "/azx/page/e/"+tc.path, tc.form...)
			has(t, body, tc.wanted...)
			if code != http.StatusOK {
				t.Errorf("got %d", code)
			}
		})
	}
}

func TestAParameterThatIsNotUnderstoodIsMarked(t *testing.T) {
	h, p := plant(t)
	hubThing(t, p)
	code, _, body := submit(h, "/azx/page/e/Things/Hub/services/GetDeviceThings", "maxItems", "many")
	has(t, body, `aria-invalid="true"`, "this is no INTEGER", `value="many"`, "nothing was called")
	if code != http.StatusBadRequest {
		t.Errorf("got %d", code)
	}
}
