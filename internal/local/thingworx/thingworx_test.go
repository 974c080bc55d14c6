package thingworx

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/extension"
	"azx/internal/local/thingworx/importer"
	"azx/internal/local/thingworx/store"
)

func num(f float64) infotable.Value { return infotable.Number(f) }

func remoteProperty(name string, t infotable.BaseType, edgeName string) Definition {
	return Definition{Name: name, Type: t, Remote: &Binding{EdgeName: edgeName}}
}

// Names of the two packages.
const (
	eventMessageOutcome = "AzureIotMessageOutcome"
	serviceSendMessage  = "AzureIotSendMessage"
	tableConnector      = "ConnectorSettings"
	shapeHubAdapter     = "AzureIotHubAdapterServices"
)

// extensions are the two packages, read once: reading them takes longer than most tests.
var extensions = sync.OnceValues(func() ([]*importer.Package, error) {
	bundle, err := extension.Build()
	if err != nil {
		return nil, err
	}
	return importer.Read(bundle.All.Bytes)
})

// extended installs the two packages.
func extended(t *testing.T, p *Platform) *Platform {
	t.Helper()
	packages, err := extensions()
	must(t, err)
	_, err = p.Install(t.Context(), packages, InstallOptions{})
	must(t, err)
	return p
}

// plant returns a platform with the RemoteThing Pump-1: temperature is remote-bound as temp, mode is local.
func plant(t *testing.T, o Options) *Platform {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Pump-1", Template: TemplateRemote, Enabled: true, Properties: []Definition{
		remoteProperty("temperature", infotable.TypeNumber, "temp"),
		remoteProperty("state", infotable.TypeString, ""),
		remoteProperty("count", infotable.TypeInteger, ""),
		remoteProperty("doc", infotable.TypeJSON, ""),
		{Name: "mode", Type: infotable.TypeString},
		{Name: "serial", Type: infotable.TypeString, ReadOnly: true},
	}}))
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, kind Kind, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want %q", want)
	}
	if got, ok := KindOf(err); !ok || got != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("got kind %d, %q\nwant kind %d, %q", got, err, kind, want)
	}
}

func TestAPushSaysWhyItIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name  string
		thing string
		write Write
		kind  Kind
		want  string
	}{
		{"unknown Thing", "Pump-2", Write{Property: "temp", Value: num(1)}, NotFound, `there is no Thing "Pump-2"`},
		{"Thing that differs in case", "pump-1", Write{Property: "temp", Value: num(1)}, NotFound, `there is "Pump-1": case matters`},
		{"unknown property", "Pump-1", Write{Property: "speed", Value: num(1)}, Invalid, `no remote-bound property with the source name "speed"`},
		{"own name instead of the edge's", "Pump-1", Write{Property: "temperature", Value: num(1)}, Invalid, `bound to the source name "temp"`},
		{"local property", "Pump-1", Write{Property: "mode", Value: infotable.String("x")}, Invalid, `property mode of Thing Pump-1 is not remote-bound`},
		{"property of the template", "Pump-1", Write{Property: "isConnected", Value: infotable.Boolean(true)}, Invalid, `isConnected of Thing Pump-1 is not remote-bound`},
		{"text for a number", "Pump-1", Write{Property: "temp", Value: infotable.String("hot")}, Invalid,
			`property temperature of Thing Pump-1: expected NUMBER, got STRING "hot"`},
		{"truth for a number", "Pump-1", Write{Property: "temp", Value: infotable.Boolean(true)}, Invalid, `expected NUMBER, got BOOLEAN true`},
		{"number for a text", "Pump-1", Write{Property: "state", Value: num(1)}, Invalid, `expected STRING, got NUMBER 1`},
		{"fraction for an integer", "Pump-1", Write{Property: "count", Value: num(1.5)}, Invalid, `expected INTEGER, got NUMBER 1.5`},
		{"integer out of range", "Pump-1", Write{Property: "count", Value: infotable.Long(1 << 40)}, Invalid, `expected INTEGER, got LONG`},
		{"NaN", "Pump-1", Write{Property: "temp", Value: num(math.NaN())}, Invalid, `expected NUMBER, got NaN`},
		{"text that is no JSON", "Pump-1", Write{Property: "doc", Value: infotable.String("{")}, Invalid, `expected JSON, got text that is no JSON: {`},
		{"nothing", "Pump-1", Write{Property: "temp"}, Invalid, `expected NUMBER, got nothing`},
		{"quality without end", "Pump-1", Write{Property: "temp", Value: num(1), Quality: strings.Repeat("x", 65)}, Invalid, `quality is longer`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := plant(t, Options{})
			good := Write{Property: "temp", Value: num(20), Time: 1}
			refused(t, p.Push(t.Context(), tc.thing, []Write{good, tc.write}), tc.kind, tc.want)
			if view, err := p.Read(t.Context(), "Pump-1", "temperature"); err != nil || !view.Value.IsNothing() {
				t.Errorf("the good value of a refused request was stored: %v, %v", view.Value, err)
			}
			if _, last := p.Ledger().Bounds(); last != 0 {
				t.Errorf("the ledger took %d values of a refused request", last)
			}
		})
	}
}

func TestAPushIsStoredWithTimeAndQuality(t *testing.T) {
	p := plant(t, Options{})
	must(t, p.Push(t.Context(), "Pump-1", []Write{
		{Property: "temp", Value: infotable.Variant(infotable.Integer(20)), Time: 1000, Quality: "BAD"},
		{Property: "count", Value: num(3), Time: 1000},
		{Property: "doc", Value: infotable.Text(infotable.TypeJSON, `{"a":1}`), Time: 1000},
	}))
	for name, want := range map[string]VTQ{
		"temperature": {num(20), 1000, "BAD"},
		"count":       {infotable.Integer(3), 1000, "GOOD"},
		"doc":         {infotable.Text(infotable.TypeJSON, `{"a":1}`), 1000, "GOOD"},
	} {
		got, err := p.Read(t.Context(), "Pump-1", name)
		if err != nil || !got.Value.Equal(want.Value) || got.Time != want.Time || got.Quality != want.Quality {
			t.Errorf("%s: got %+v (%v), want %+v", name, got.VTQ, err, want)
		}
	}
}

func TestAnOlderValueIsRecordedButDoesNotReplaceTheNewer(t *testing.T) {
	p := plant(t, Options{})
	for _, at := range []int64{2000, 1000, 2000} {
		must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(float64(at)), Time: at}}))
	}
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(7), Time: 1500}}))
	if got, _ := p.Read(t.Context(), "Pump-1", "temperature"); !got.Value.Equal(num(2000)) {
		t.Errorf("present value is %v", got.Value)
	}
	var times []int64
	for _, e := range p.Ledger().Read(Query{Thing: "Pump-1", Property: "temperature"}) {
		times = append(times, e.Time)
	}
	if !slices.Equal(times, []int64{2000, 1000, 2000, 1500}) {
		t.Errorf("the ledger has %v", times)
	}
}

func TestSettingALocalPropertySaysWhyItIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name, property string
		kind           Kind
		want           string
	}{
		{"unknown", "speed", NotFound, `Thing Pump-1 has no property "speed"`},
		{"read-only", "serial", Forbidden, `property serial of Thing Pump-1 is read-only`},
		{"remote-bound, and nobody is bound", "state", Unbound, `write property state of Thing Pump-1: nobody stands for Thing Pump-1`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := plant(t, Options{}).Set(t.Context(), "Pump-1", []Write{{Property: tc.property, Value: infotable.String("x")}})
			refused(t, err, tc.kind, tc.want)
		})
	}
}

func TestASetWithoutTimeReplacesAValueFromTheFuture(t *testing.T) {
	p := plant(t, Options{})
	future := time.Now().Add(time.Hour).UnixMilli()
	must(t, p.Set(t.Context(), "Pump-1", []Write{{Property: "mode", Value: infotable.String("a"), Time: future}}))
	must(t, p.Set(t.Context(), "Pump-1", []Write{{Property: "mode", Value: infotable.String("b")}}))
	if got, _ := p.Read(t.Context(), "Pump-1", "mode"); !got.Value.Equal(infotable.String("b")) {
		t.Errorf("got %v", got.Value)
	}
}

func invoke(p *Platform, thing, service string, cells ...infotable.Cell) (*infotable.Table, error) {
	return p.Call(context.Background(), EntityThing, thing, service, infotable.OneRow(cells...))
}

func cell(name string, v infotable.Value) infotable.Cell { return infotable.Cell{Name: name, Value: v} }

func text(s string) infotable.Value { return infotable.String(s) }

func TestAThingMadeByServicesTakesValuesOnlyWhenEnabled(t *testing.T) {
	p := plant(t, Options{})
	_, err := p.Call(context.Background(), EntityResource, "EntityServices", "CreateThing",
		infotable.OneRow(cell("name", text("Fan")), cell("thingTemplateName", text(TemplateRemote))))
	must(t, err)
	_, err = invoke(p, "Fan", "AddPropertyDefinition", cell("name", text("rpm")), cell("type", text("number")),
		cell("remote", infotable.Boolean(true)), cell("remotePropertyName", text("speed")))
	must(t, err)
	push := []Write{{Property: "speed", Value: num(100)}}
	refused(t, p.Push(t.Context(), "Fan", push), Forbidden, "Thing Fan is disabled: call its services EnableThing and RestartThing")
	if wanted, err := invoke(p, "Fan", "GetPropertySubscriptions"); err != nil || wanted.Len() != 0 {
		t.Errorf("a disabled Thing wants %d properties pushed, %v", wanted.Len(), err)
	}
	for _, service := range []string{"EnableThing", "RestartThing"} {
		_, err = invoke(p, "Fan", service)
		must(t, err)
	}
	must(t, p.Push(t.Context(), "Fan", push))
	_, err = invoke(p, "Fan", "DisableThing")
	must(t, err)
	refused(t, p.Push(t.Context(), "Fan", push), Forbidden, "disabled")
	_, err = invoke(p, "Fan", "GetPropertyValues")
	refused(t, err, Forbidden, "disabled")
	must(t, p.DeleteThing(t.Context(), "Fan"))
	refused(t, p.Push(t.Context(), "Fan", push), NotFound, `there is no Thing "Fan"`)
}

func TestThePropertyTypeCanBeChangedByRemovingAndAddingIt(t *testing.T) {
	p := plant(t, Options{})
	_, err := invoke(p, "Pump-1", "RemovePropertyDefinition", cell("name", text("temperature")))
	must(t, err)
	refused(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(1)}}), Invalid, "no remote-bound property")
	_, err = invoke(p, "Pump-1", "AddPropertyDefinition", cell("name", text("temperature")), cell("type", text("STRING")))
	must(t, err)
	_, err = invoke(p, "Pump-1", "SetRemotePropertyBinding", cell("propertyName", text("temperature")),
		cell("sourcePropertyName", text("temp")), cell("pushType", text("ALWAYS")))
	must(t, err)
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: text("warm")}}))
	_, err = invoke(p, "Pump-1", "RemoveRemotePropertyBinding", cell("propertyName", text("temperature")))
	must(t, err)
	refused(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: text("warm")}}), Invalid, "no remote-bound property")
}

func TestEntityAndDefinitionServicesSayWhyTheyRefuse(t *testing.T) {
	entity := func(service string, cells ...infotable.Cell) func(*Platform) error {
		return func(p *Platform) error {
			_, err := p.Call(context.Background(), EntityResource, "EntityServices", service, infotable.OneRow(cells...))
			return err
		}
	}
	create := func(name, template string) func(*Platform) error {
		return entity("CreateThing", cell("name", text(name)), cell("thingTemplateName", text(template)))
	}
	on := func(thing, service string, cells ...infotable.Cell) func(*Platform) error {
		return func(p *Platform) error { _, err := invoke(p, thing, service, cells...); return err }
	}
	for _, tc := range []struct {
		name string
		do   func(*Platform) error
		kind Kind
		want string
	}{
		{"no name", create("", TemplateRemote), Invalid, "a name is required"},
		{"special character", create("Pump/1", TemplateRemote), Invalid, `name "Pump/1" contains '/'`},
		{"colon", create("a:b", TemplateRemote), Invalid, `contains ':'`},
		{"emoji", create("a😀", TemplateRemote), Invalid, `contains '😀'`},
		{"space at the end", create("Pump ", TemplateRemote), Invalid, "begins or ends with"},
		{"dot at the start", create(".Pump", TemplateRemote), Invalid, "begins or ends with"},
		{"two spaces", create("Pump  1", TemplateRemote), Invalid, "two spaces"},
		{"reserved", create("me", TemplateRemote), Invalid, "reserved"},
		{"too long", create(strings.Repeat("x", 256), TemplateRemote), Invalid, "longer than 255"},
		{"unknown template", create("Fan", "FanTemplate"), NotFound, `there is no template "FanTemplate"; there are ConnectionServer, FileRepository, GenericThing`},
		{"duplicate", create("Pump-1", TemplateRemote), Exists, "create Thing Pump-1: a Thing of that name exists"},
		{"differs only in case", create("PUMP-1", TemplateRemote), Exists, "create Thing PUMP-1: Thing Pump-1 exists"},
		{"missing parameter", entity("CreateThing", cell("name", text("Fan"))), Invalid, "service CreateThing needs the parameter thingTemplateName"},
		{"parameter of a wrong type", entity("CreateThing", cell("name", num(1))), Invalid, "service CreateThing, parameter name: expected STRING, got NUMBER 1"},
		{"delete the unknown", entity("DeleteThing", cell("name", text("Fan"))), NotFound, `there is no Thing "Fan"`},
		{"delete a system Thing", entity("DeleteThing", cell("name", text(thingRepository))), Forbidden, "system Thing"},
		{"unknown shape", entity("AddShapeToThing", cell("name", text("Pump-1")), cell("thingShapeName", text("Round"))), NotFound, `there is no shape "Round"`},
		{"shape that was not added", entity("RemoveShapeFromThing", cell("name", text("Pump-1")), cell("thingShapeName", text(ShapeConnectable))), NotFound, "was not added"},
		{"list of an unknown type", entity("GetEntityList", cell("type", text("Mashups"))), Invalid, `no entities of type "Mashups" here; there are DataShapes, Groups`},
		{"unknown service", on("Pump-1", "Explode"), NotFound, `Thing Pump-1 (template RemoteThing) has no service "Explode"`},
		{"unknown resource", func(p *Platform) error {
			_, err := p.Call(context.Background(), EntityResource, "Magic", "Do", nil)
			return err
		}, NotFound, "this platform has no Resources/Magic"},
		{"unknown service of a resource", entity("Explode"), NotFound, `Resources/EntityServices has no service "Explode"`},
		{"property exists", on("Pump-1", "AddPropertyDefinition", cell("name", text("mode")), cell("type", text("STRING"))), Exists, "property mode exists already, as STRING"},
		{"property of a shape exists", on("Pump-1", "AddPropertyDefinition", cell("name", text("isConnected")), cell("type", text("STRING"))), Exists, "as BOOLEAN of Connectable"},
		{"bad property name", on("Pump-1", "AddPropertyDefinition", cell("name", text("1x")), cell("type", text("STRING"))), Invalid, `property name "1x"`},
		{"unknown base type", on("Pump-1", "AddPropertyDefinition", cell("name", text("x")), cell("type", text("FLOAT"))), Invalid, `there is no base type "FLOAT"`},
		{"base type without values", on("Pump-1", "AddPropertyDefinition", cell("name", text("x")), cell("type", text("VEC3"))), Invalid, "base type VEC3 cannot hold values here"},
		{"unknown push type", on("Pump-1", "SetRemotePropertyBinding", cell("propertyName", text("mode")), cell("pushType", text("OFTEN"))), Invalid, `push type "OFTEN"`},
		{"source name taken", on("Pump-1", "SetRemotePropertyBinding", cell("propertyName", text("mode")), cell("sourcePropertyName", text("temp"))), Exists, "bound to property temperature already"},
		{"binding a shape's property", on("Pump-1", "SetRemotePropertyBinding", cell("propertyName", text("isReporting"))), Forbidden, "belongs to Reportable"},
		{"binding on a GenericThing", on(thingRepository, "SetRemotePropertyBinding", cell("propertyName", text("x"))), Forbidden, "only RemoteThings"},
		{"removing a shape's property", on("Pump-1", "RemovePropertyDefinition", cell("name", text("isConnected"))), Forbidden, "belongs to Connectable"},
		{"push without a table of values", on("Pump-1", "UpdateSubscribedPropertyValues", cell("values", infotable.FromTable(infotable.New(infotable.Column("name", tString))))), Invalid, "value is missing"},
		{"event that is not there", func(p *Platform) error { return p.Fire(t.Context(), "Pump-1", "Boom", nil) }, NotFound, `Thing Pump-1 has no event "Boom"`},
		{"missing key", func(p *Platform) error { _, err := p.User(""); return err }, Denied, "no application key"},
		{"wrong key", func(p *Platform) error { _, err := p.User("secret"); return err }, Denied, "unknown application key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, tc.do(plant(t, Options{})), tc.kind, tc.want)
		})
	}
}

func TestAnApplicationKeyBelongsToAUser(t *testing.T) {
	p := plant(t, Options{})
	p.AddKey("k", "connector")
	_, err := p.User("k")
	refused(t, err, Denied, "user connector of the application key is not there or disabled")
	_, err = p.Call(t.Context(), EntityResource, "EntityServices", "CreateUser", infotable.OneRow(cell("name", text("connector"))))
	must(t, err)
	if user, err := p.User("k"); err != nil || user != "connector" {
		t.Errorf("got %q, %v", user, err)
	}
}

func TestSubscriptionsAndDefinitionsTellAConnectorWhatToWrite(t *testing.T) {
	p := plant(t, Options{})
	subscriptions, err := invoke(p, "Pump-1", "GetPropertySubscriptions", cell("options", infotable.Text(tJSON, `{"hasDeadband":true}`)))
	must(t, err)
	var names []string
	for i := range subscriptions.Rows {
		name, _ := subscriptions.At(i, "edgeName").Text()
		push, _ := subscriptions.At(i, "pushType").Text()
		names = append(names, name+" "+push)
	}
	if want := []string{"count ALWAYS", "doc ALWAYS", "state ALWAYS", "temp ALWAYS"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	definitions, err := invoke(p, "Pump-1", "GetPropertyDefinitions", cell("type", infotable.Text(tTypeName, "NUMBER")))
	must(t, err)
	if got, _ := definitions.First("name").Text(); definitions.Len() != 1 || got != "temperature" {
		t.Errorf("got %+v", definitions)
	}
	binding, err := invoke(p, "Pump-1", "GetRemotePropertyBinding", cell("propertyName", text("temperature")))
	must(t, err)
	if got, _ := binding.First("sourceName").Text(); got != "temp" {
		t.Errorf("bound to %q", got)
	}
}

func TestADeviceWithoutAThingIsListedAndCanBeCreated(t *testing.T) {
	p := extended(t, plant(t, Options{}))
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Hub", Template: TemplateRemote, Enabled: true}))
	event := func(context string) error {
		return p.Fire(t.Context(), ConnectionServicesHub, EventThingNotFound, infotable.OneRow(cell("id", text("1")),
			cell("message", text("no Thing")), cell("edgeIdentifier", text("dev-9")), cell("context", infotable.Text(tJSON, context))))
	}
	must(t, event(`{"hubThing":"Hub","properties":{"temp-c":{"baseType":"NUMBER","value":21.5},"m::x":{"baseType":"INTEGER","value":1}},"time":1}`))
	must(t, event(`{"hubThing":"Hub","properties":{"temp_c":{"baseType":"STRING","value":"x"},"temp-c":{"baseType":"NUMBER","value":22},
		"isConnected":{"baseType":"BOOLEAN","value":true},"odd":{"baseType":"FLOAT","value":1}}}`))
	refused(t, event(`[]`), Invalid, "its context is not the expected JSON object")
	waiting := p.Waiting(0)
	if len(waiting) != 1 || waiting[0].Count != 2 || waiting[0].ID != "dev-9" || len(waiting[0].Properties) != 4 {
		t.Fatalf("got %+v", waiting)
	}
	must(t, p.CreateWaiting("dev-9"))
	if len(p.Waiting(0)) != 0 {
		t.Error("still listed after it was created")
	}
	must(t, p.Push(t.Context(), "dev-9", []Write{
		{Property: "temp-c", Value: num(1)}, {Property: "temp_c", Value: text("y")}, {Property: "m::x", Value: infotable.Integer(2)},
		{Property: "isConnected", Value: infotable.Boolean(true)},
	}))
	v, err := p.Thing(t.Context(), "dev-9")
	must(t, err)
	for _, name := range []string{"temp_c", "temp_c_2", "m::x", "isConnected_2"} {
		if d, ok := v.Property(name); !ok || d.Remote == nil {
			t.Errorf("property %s: %+v", name, d)
		}
	}
	if gateway, _ := v.Property(propGateway); !gateway.Value.Equal(infotable.Text(infotable.TypeThingName, "Hub")) {
		t.Errorf("gateway is %v", gateway.Value)
	}
	refused(t, p.CreateWaiting("dev-9"), NotFound, `no device without a Thing is called "dev-9"`)
}

func TestTheListOfDevicesWithoutAThingIsBounded(t *testing.T) {
	now := time.UnixMilli(0)
	p := extended(t, plant(t, Options{Waiting: 3, Now: func() time.Time { return now }}))
	refused(t, p.Fire(t.Context(), ConnectionServicesHub, EventThingNotFound, nil), Invalid, "edgeIdentifier")
	for i := range 5 {
		now = now.Add(time.Second)
		must(t, p.Fire(t.Context(), ConnectionServicesHub, EventThingNotFound, infotable.Single("edgeIdentifier", text(fmt.Sprintf("d%d", i)))))
	}
	var names []string
	for _, w := range p.Waiting(0) {
		names = append(names, w.Thing)
	}
	if !slices.Equal(names, []string{"d4", "d3", "d2"}) {
		t.Errorf("listed %v", names)
	}
}

func TestDefinitionsAndLastValuesSurviveARestart(t *testing.T) {
	kept, err := store.Open(filepath.Join(t.TempDir(), "state"), store.Options{NoSync: true})
	must(t, err)
	defer func() { must(t, kept.Close()) }()
	p := plant(t, Options{Store: kept})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Dev", Template: TemplateFileTransfer, Enabled: true, Gateway: "Pump-1", Description: "d", Tags: "a:b"}))
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(21.5), Time: 1000, Quality: "BAD"}}))
	must(t, p.Bind(t.Context(), &fakeEdge{}, []string{"Pump-1"}))
	must(t, p.Save())
	again, err := New(Options{Store: kept})
	must(t, err)
	for _, name := range []string{"Dev", "Pump-1", thingRepository} {
		want, err := p.Thing(t.Context(), name)
		must(t, err)
		got, err := again.Thing(t.Context(), name)
		must(t, err)
		want.Changed, got.Changed = 0, 0
		if name != thingRepository && got.Connected {
			t.Errorf("%s is connected after a restart", name)
		}
		if len(got.Properties) != len(want.Properties) || got.Template != want.Template || got.Enabled != want.Enabled ||
			got.Tags != want.Tags || !slices.Equal(got.Shapes, want.Shapes) || got.System != want.System {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if v, err := again.Read(t.Context(), "Pump-1", "temperature"); err != nil || !v.Value.Equal(num(21.5)) || v.Time != 1000 || v.Quality != "BAD" {
		t.Errorf("got %+v, %v", v.VTQ, err)
	}
	must(t, again.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(1), Time: 2000}}))
	if gateway, _ := again.Read(t.Context(), "Dev", propGateway); !gateway.Value.Equal(infotable.Text(infotable.TypeThingName, "Pump-1")) {
		t.Errorf("gateway is %v", gateway.Value)
	}
}

func TestWritersOfManyThingsKeepTheOrderOfEachInTheLedger(t *testing.T) {
	p, err := New(Options{LedgerEntries: 100_000})
	must(t, err)
	const things, writes = 8, 1000
	var wait sync.WaitGroup
	for i := range things {
		name := fmt.Sprintf("T%d", i)
		must(t, p.CreateThing(t.Context(), ThingSpec{Name: name, Template: TemplateRemote, Enabled: true,
			Properties: []Definition{remoteProperty("n", infotable.TypeNumber, "")}}))
		wait.Go(func() {
			for n := range writes {
				if err := p.Push(t.Context(), name, []Write{{Property: "n", Value: num(float64(n)), Time: int64(n + 1)}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		p.Ledger().Read(Query{Thing: "T3", Limit: 500})
		p.Changes(0, []string{"T1", "T2"})
	}
	wait.Wait()
	for i := range things {
		entries := p.Ledger().Read(Query{Thing: fmt.Sprintf("T%d", i)})
		if len(entries) != writes {
			t.Fatalf("T%d has %d entries", i, len(entries))
		}
		for n, e := range entries {
			if e.Time != int64(n+1) {
				t.Fatalf("T%d: entry %d has time %d", i, n, e.Time)
			}
		}
	}
	if s := p.Stats(); s.Values != things*writes || s.Requests != things*writes {
		t.Errorf("counted %+v", s)
	}
}

func TestTheLedgerCopesWithAMillionEntriesAndDropsTheOldestOnlyBeyondItsBound(t *testing.T) {
	p := plant(t, Options{LedgerEntries: 1_000_000})
	batch := make([]Write, 1000)
	for i := range 1005 {
		for n := range batch {
			batch[n] = Write{Property: "temp", Value: num(float64(n)), Time: int64(i*len(batch) + n + 1)}
		}
		must(t, p.Push(t.Context(), "Pump-1", batch))
	}
	first, last := p.Ledger().Bounds()
	if last != 1_005_000 || last-first+1 < 1_000_000 || last-first+1 > 1_000_000+2*segmentSize {
		t.Fatalf("kept %d to %d", first, last)
	}
	after, read := first-1, uint64(0)
	for {
		page := p.Ledger().Read(Query{Thing: "Pump-1", After: after, Limit: 10_000})
		if len(page) == 0 {
			break
		}
		if page[0].Index != after+1 {
			t.Fatalf("page after %d begins with %d", after, page[0].Index)
		}
		after = page[len(page)-1].Index
		read += uint64(len(page))
	}
	if read != last-first+1 {
		t.Errorf("read %d of %d", read, last-first+1)
	}
}

func TestTheLedgerIsBoundedInBytes(t *testing.T) {
	p := plant(t, Options{LedgerBytes: 16 << 20})
	big := text(strings.Repeat("x", 10_000))
	for range 10_000 {
		must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "state", Value: big}}))
	}
	if first, last := p.Ledger().Bounds(); (last-first+1)*10_000 > 16<<20+2*segmentSize*10_200 {
		t.Errorf("kept %d entries of 10 kB", last-first+1)
	}
}

func TestChangesAreReportedOnceAndRefusalsAreCountedTogether(t *testing.T) {
	p := plant(t, Options{})
	_, mark, _ := p.Changes(0, nil)
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(1)}}))
	changed, next, reshaped := p.Changes(mark, []string{"Pump-1", thingRepository, "gone"})
	if len(changed) != 1 || changed[0].Name != "Pump-1" || reshaped {
		t.Errorf("got %d changes, reshaped %v", len(changed), reshaped)
	}
	if changed, _, _ = p.Changes(next, []string{"Pump-1"}); len(changed) != 0 {
		t.Error("reported again without a change")
	}
	must(t, p.DeleteThing(t.Context(), "Pump-1"))
	if _, _, reshaped = p.Changes(next, nil); !reshaped {
		t.Error("a deletion is not reported")
	}
	for i := range 150 {
		p.Refused(Caller{Via: "rest"}, fmt.Sprintf("GET %d", i%120), Refuse(NotFound, "no"))
	}
	if got := p.Refusals(); len(got) != 100 || got[0].What != "GET 29" || got[0].Count != 1 {
		t.Errorf("%d refusals, newest %+v", len(got), got[0])
	}
	p.Refused(Caller{Via: "rest"}, "GET 29", Refuse(NotFound, "no"))
	if got := p.Refusals(); got[0].Count != 2 {
		t.Errorf("newest %+v", got[0])
	}
}

func BenchmarkPush(b *testing.B) {
	p, err := New(Options{LedgerEntries: 100_000})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.CreateThing(b.Context(), ThingSpec{Name: "T", Template: TemplateRemote, Enabled: true,
		Properties: []Definition{remoteProperty("n", infotable.TypeNumber, "")}}); err != nil {
		b.Fatal(err)
	}
	writes := []Write{{Property: "n", Value: num(1), Time: 1}}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Push(b.Context(), "T", writes); err != nil {
			b.Fatal(err)
		}
	}
}
