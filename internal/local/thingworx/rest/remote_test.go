package rest

import (
	"context"
	"strings"
	"testing"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// edge answers every request alike; with hang it does not answer at all.
type edge struct {
	content *infotable.Table
	err     error
	hang    bool
}

func (e edge) NotifyPropertyUpdate(string) {}
func (e edge) String() string              { return "the edge" }

func (e edge) Ask(ctx context.Context, _ thingworx.EdgeRequest) (*infotable.Table, error) {
	if e.hang {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return e.content, e.err
}

const addition = `{"name":"Add","remote":true,"remoteServiceName":"add","timeout":20,
	"parameters":{"dataShape":{"fieldDefinitions":{"name":{"baseType":"STRING"},"baseType":{"baseType":"BASETYPENAME"}}},
		"rows":[{"name":"a","baseType":"NUMBER"},{"name":"b","baseType":"JSON"}]},
	"resultType":{"dataShape":{"fieldDefinitions":{"baseType":{"baseType":"BASETYPENAME"}}},"rows":[{"baseType":"INFOTABLE"}]}}`

func TestTheOutcomeAtTheEdgeIsTheAnswerToTheCaller(t *testing.T) {
	rows := infotable.New(infotable.Column("x", infotable.TypeNumber)).Add(infotable.Number(1))
	put, call, get := [3]string{"PUT", pump + "/Properties/temperature", `{"temperature":1}`},
		[3]string{"POST", pump + "/Services/Add", `{"a":1,"b":{"c":[]}}`}, [3]string{"GET", pump + "/Properties/temperature", ""}
	for _, tc := range []struct {
		name string
		send [3]string
		edge thingworx.Edge
		code int
		want string
	}{
		{"a write that is taken", put, edge{}, 200, ""},
		{"a write with nobody there", put, nil, 503, "write property temperature of Thing Pump-1: nobody stands for Thing Pump-1"},
		{"a write that is refused", put, edge{err: thingworx.Refuse(thingworx.Failed, "queue full")}, 500, "over the edge: queue full"},
		{"a write whose edge dies", put, edge{err: thingworx.ErrLost}, 500, "may or may not have carried it out"},
		{"a write without an answer", put, edge{hang: true}, 504, "no answer over the edge within 20ms"},
		{"a service with a table", call, edge{content: rows}, 200, `"rows":[{"x":1}]`},
		{"a service with nobody there", call, nil, 503, "Unable to Invoke Service Add on Pump-1 : nobody stands for Thing Pump-1"},
		{"a service that is refused", call, edge{err: thingworx.Refuse(thingworx.Failed, "status 500")}, 500, "Unable to Invoke Service Add on Pump-1 : over the edge: status 500"},
		{"a service without an answer", call, edge{hang: true}, 504, "no answer over the edge within 20ms"},
		{"a read of the edge", get, edge{content: infotable.Single("temp", infotable.Number(5))}, 200, `"rows":[{"temperature":5}]`},
		{"a read with nobody there", get, nil, 503, "read property temperature of Thing Pump-1: nobody stands for Thing Pump-1"},
		{"a read that is refused", get, edge{err: thingworx.Refuse(thingworx.Failed, "throttled")}, 500, "throttled"},
		{"a read without an answer", get, edge{hang: true}, 504, "no answer over the edge within 20ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, p := plant(t)
			ok(t, h, "POST", pump+"/Services/AddServiceDefinition", addition)
			ok(t, h, "POST", pump+"/Services/SetRemotePropertyBinding",
				`{"propertyName":"temperature","sourcePropertyName":"temp","cacheTime":-1,"timeout":20}`)
			if tc.edge != nil {
				if err := p.Bind(t.Context(), tc.edge, []string{"Pump-1"}); err != nil {
					t.Fatal(err)
				}
			}
			code, text := do(h, tc.send[0], tc.send[1], tc.send[2], nil)
			if code != tc.code || !strings.Contains(text, tc.want) {
				t.Errorf("got %d %s, want %d %s", code, text, tc.code, tc.want)
			}
			if all, text := do(h, "GET", pump+"/Properties", "", nil); all != 200 {
				t.Errorf("all properties: %d %s", all, text)
			}
		})
	}
}

func TestFiredEventsAreShownTheNewestFirst(t *testing.T) {
	h, p := extended(t)
	err := p.CreateThing(t.Context(), thingworx.ThingSpec{Name: "dev", Template: thingworx.TemplateAzureThing, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"Expired", "Success"} {
		if err := p.Fire(t.Context(), "dev", "AzureIotMessageOutcome", infotable.Single("status", infotable.String(status))); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, query string
		code        int
		want        string
	}{
		{"of all", "", 200, `{"events":[{"index":2,"thing":"dev","event":"AzureIotMessageOutcome","time":`},
		{"the last one", "?limit=1", 200, `"rows":[{"status":"Success"}]}}]}`},
		{"of another Thing", "?thing=Pump-1", 200, `{"events":[]}`},
		{"a limit that is none", "?limit=many", 400, "limit must be 1 to 10000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, text := do(h, "GET", "/azx/events"+tc.query, "", nil)
			if code != tc.code || !strings.Contains(text, tc.want) {
				t.Errorf("got %d %s", code, text)
			}
		})
	}
	if code, _ := do(h, "DELETE", "/azx/events", "", nil); code != 405 {
		t.Errorf("DELETE: got %d", code)
	}
}

func TestWhatBecomesOfUnknownPropertiesIsToldAndChanged(t *testing.T) {
	h, p := plant(t)
	const path = "/azx/unknown-properties"
	for _, step := range []struct {
		method, body string
		code         int
		want         string
	}{
		{"GET", "", 200, `{"mode":"strict"}`},
		{"PUT", `{"mode":"silent-ignore"}`, 200, `{"mode":"silent-ignore"}`},
		{"PUT", `{"mode":"loud"}`, 400, "want strict or silent-ignore"},
		{"PUT", `{}`, 400, "mode must be a text"},
		{"DELETE", "", 405, ""},
		{"GET", "", 200, `{"mode":"silent-ignore"}`},
	} {
		if code, text := do(h, step.method, path, step.body, nil); code != step.code || !strings.Contains(text, step.want) {
			t.Errorf("%s %s: got %d %s", step.method, step.body, code, text)
		}
	}
	if p.UnknownMode() != thingworx.UnknownIgnored {
		t.Errorf("the mode is %s", p.UnknownMode())
	}
}

func TestStuckThingsAreToldAndChanged(t *testing.T) {
	h, p := plant(t)
	const path = "/azx/stuck-things"
	for _, step := range []struct {
		method, body string
		code         int
		want         string
	}{
		{"PUT", `{"things":["Pump-2","Pump-1"]}`, 200, `{"things":["Pump-1","Pump-2"]}`},
		{"PUT", `{"things":"Pump-3"}`, 400, "things must be a list of names"},
		{"PUT", `{}`, 400, "things must be a list of names"},
		{"DELETE", "", 405, ""},
		{"GET", "", 200, `{"things":["Pump-1","Pump-2"]}`},
		{"PUT", `{"things":[]}`, 200, `{"things":`},
	} {
		if code, text := do(h, step.method, path, step.body, nil); code != step.code || !strings.Contains(text, step.want) {
			t.Errorf("%s %s: got %d %s", step.method, step.body, code, text)
		}
	}
	if len(p.Stuck()) != 0 {
		t.Errorf("%v are stuck", p.Stuck())
	}
}

func TestAServiceDefinitionShowsItsBindingAndTheColumnsOfItsResult(t *testing.T) {
	h, _ := plant(t)
	ok(t, h, "POST", "/Thingworx/Resources/EntityServices/Services/CreateDataShape", `{"name":"Sum","fields":{"dataShape":{"fieldDefinitions":
		{"name":{"baseType":"STRING"},"baseType":{"baseType":"BASETYPENAME"}}},"rows":[{"name":"x","baseType":"NUMBER"}]}}`)
	ok(t, h, "POST", pump+"/Services/AddServiceDefinition", strings.Replace(strings.Replace(addition, `"rows":[{"baseType":"INFOTABLE"}]`,
		`"rows":[{"baseType":"INFOTABLE","dataShape":"Sum"}]`, 1), `"resultType":{"dataShape":{"fieldDefinitions":{`,
		`"resultType":{"dataShape":{"fieldDefinitions":{"dataShape":{"baseType":"DATASHAPENAME"},`, 1))
	_, text := do(h, "GET", pump+"/ServiceDefinitions/Add", "", nil)
	want := `"resultType":{"name":"result","baseType":"INFOTABLE","columns":[{"name":"x","baseType":"NUMBER"}]},"remote":{"EdgeName":"add","Timeout":20}`
	if !strings.Contains(text, want) {
		t.Errorf("got %s", text)
	}
}
