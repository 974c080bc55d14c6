package thingworx

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/store"
)

func routingGroupOf(t *testing.T, p *Platform) string {
	t.Helper()
	got, err := invoke(p, "LocalHub", "GetRoutingGroup")
	must(t, err)
	if got == nil {
		return "null"
	}
	s, _ := got.First("result").Text()
	return fmt.Sprintf("%q", s)
}

func TestARoutingGroupIsTheHubThingsNameUntilItIsSet(t *testing.T) {
	p := hubs(t, Options{})
	if got := routingGroupOf(t, p); got != `"LocalHub"` {
		t.Errorf("fresh: %s", got)
	}
	for _, tc := range []struct {
		set  infotable.Value
		want string
	}{
		{text("plant"), `"plant"`}, {text("g-${hub-thing-name}"), `"g-LocalHub"`}, {text(""), `""`}, {text("  "), `"  "`},
		{infotable.Nothing(), "null"},
	} {
		setGroup(t, p, tc.set)
		if got := routingGroupOf(t, p); got != tc.want {
			t.Errorf("set to %v: got %s, want %s", tc.set, got, tc.want)
		}
	}
}

func TestSettingsOfAConnectorAreRowsThatSurviveARestart(t *testing.T) {
	kept := store.Memory()
	p := hubs(t, Options{Store: kept})
	rows := func(pairs ...string) infotable.Cell {
		table := infotable.New(infotable.Column("name", tString), infotable.Column("value", tString))
		for i := 0; i < len(pairs); i += 2 {
			table.Add(text(pairs[i]), text(pairs[i+1]))
		}
		return cell("values", infotable.FromTable(table))
	}
	in := cell("tableName", text(tableConnector))
	for _, values := range []infotable.Cell{rows("hub.consumerGroup", "azx", "feedback", "off"), rows("feedback", "on", "start", "earliest")} {
		_, err := invoke(p, "LocalHub", "SetConfigurationTableRows", in, values)
		must(t, err)
	}
	setGroup(t, p, text("plant"))
	must(t, p.Save())
	again, err := New(Options{Store: kept})
	must(t, err)
	got, err := invoke(again, "LocalHub", "GetConfiguration")
	must(t, err)
	want, _ := rows("hub.consumerGroup", "azx", "feedback", "on", "start", "earliest").Value.Table()
	if !sameRows(got, want) {
		t.Errorf("got %v", got.Rows)
	}
	if group := routingGroupOf(t, again); group != `"plant"` {
		t.Errorf("routing group %s", group)
	}
	table, err := invoke(again, "LocalHub", "GetConfigurationTable", in)
	if err != nil || !sameRows(table, want) {
		t.Errorf("got %v, %v", table, err)
	}
}

func TestConfigurationTablesSayWhyTheyAreRefused(t *testing.T) {
	table := func(column string, cells ...infotable.Value) infotable.Value {
		rows := infotable.New(infotable.Column(column, tString))
		for _, v := range cells {
			rows.Add(v)
		}
		return infotable.FromTable(rows)
	}
	for _, tc := range []struct {
		name, thing, service, table string
		values                      infotable.Value
		kind                        Kind
		want                        string
	}{
		{"of a Thing without tables", "Pump-1", "GetConfigurationTable", TableRouting, infotable.Nothing(), NotFound, `Thing Pump-1 has no configuration table "RoutingSettings"; it has ReportingConfiguration`},
		{"unknown", "LocalHub", "GetConfigurationTable", "Settings", infotable.Nothing(), NotFound, `no configuration table "Settings"; it has ConnectionSettings, ConnectorSettings, MethodSettings`},
		{"no rows", "LocalHub", "SetConfigurationTable", TableRouting, table(ColumnRoutingGroup), Invalid, "it has one row, not 0"},
		{"two rows", "LocalHub", "SetConfigurationTable", TableRouting, table(ColumnRoutingGroup, text("a"), text("b")), Invalid, "it has one row, not 2"},
		{"unknown column", "LocalHub", "SetConfigurationTable", TableRouting, table("group", text("a")), Invalid, `it has no column "group"`},
		{"wrong type", "LocalHub", "SetConfigurationTableRows", TableRouting, table(ColumnRoutingGroup, num(1)), Invalid, "row 1, column routingGroup: expected STRING, got NUMBER 1"},
		{"row without a key", "LocalHub", "SetConfigurationTableRows", tableConnector, table("value", text("a")), Invalid, "row 1: its key, the column name, must be given"},
		{"key twice", "LocalHub", "SetConfigurationTable", tableConnector, table("name", text("a"), text("a")), Invalid, "row 2: its key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := invoke(hubs(t, Options{}), tc.thing, tc.service, cell("tableName", text(tc.table)), cell("values", tc.values),
				cell("configurationTable", tc.values))
			refused(t, err, tc.kind, tc.want)
		})
	}
}

func TestADeviceThingTellsItsRemotePropertiesAndGateway(t *testing.T) {
	p := hubs(t, Options{})
	must(t, p.AddProperty(t.Context(), "dev-0", remoteProperty("m::speed", tInteger, "m::rpm")))
	e := &fakeEdge{name: "e"}
	must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
	must(t, p.Set(t.Context(), "dev-0", []Write{{Property: PropertyWriteVia, Value: text("desired")}}))
	must(t, p.Set(t.Context(), "dev-0", []Write{{Property: "presenceTimeout", Value: infotable.Integer(90)}}))
	if !slices.Equal(e.told, []string{"dev-0"}) {
		t.Errorf("who carries the writes was told of %v", e.told)
	}
	got, err := invoke(p, "dev-0", "GetAzureRemoteProperties")
	must(t, err)
	want := infotable.New(infotable.Column("name", tString), infotable.Column("edgeName", tString), infotable.Column("baseType", tString),
		infotable.Column("pushType", tString), infotable.Column("gatewayThing", infotable.TypeThingName), infotable.Column("writeVia", tString),
		infotable.Column("presenceTimeout", tInteger)).
		Add(text("m::speed"), text("m::rpm"), text("INTEGER"), text("ALWAYS"), infotable.Text(infotable.TypeThingName, "LocalHub"), text("desired"), infotable.Integer(90)).
		Add(text("n"), text("n"), text("NUMBER"), text("ALWAYS"), infotable.Text(infotable.TypeThingName, "LocalHub"), text("desired"), infotable.Integer(90))
	if !sameRows(got, want) {
		t.Errorf("got %v", got.Rows)
	}
	_, err = invoke(p, "dev-0", "DisableThing")
	must(t, err)
	if got, err := invoke(p, "dev-0", "GetAzureRemoteProperties"); err != nil || got.Len() != 0 {
		t.Errorf("a disabled Thing tells %v, %v", got, err)
	}
}

func TestTwinPropertiesAreOfTheEdge(t *testing.T) {
	p, twin := hubs(t, Options{}), infotable.Text(tJSON, `{"fan":1}`)
	e := &fakeEdge{name: "e", serve: answering(infotable.Single("twinTags", twin), nil)}
	must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
	must(t, p.Set(t.Context(), "dev-0", []Write{{Property: "twinDesired", Value: twin}}))
	refused(t, p.Set(t.Context(), "dev-0", []Write{{Property: "twinReported", Value: twin}}), Forbidden, "twinReported of Thing dev-0 is read-only")
	must(t, p.Push(t.Context(), "dev-0", []Write{{Property: "twinReported", Value: twin}}))
	if v, err := p.Read(t.Context(), "dev-0", "twinReported"); err != nil || !v.Value.Equal(twin) {
		t.Errorf("got %v, %v", v.Value, err)
	}
	if v, err := p.Fetch(t.Context(), "dev-0", "twinTags"); err != nil || !v.Value.Equal(twin) {
		t.Errorf("got %v, %v", v.Value, err)
	}
	if len(e.asked) != 2 || e.asked[0].Verb != EdgeWrite || e.asked[0].Name != "twinDesired" || e.asked[1].Verb != EdgeRead {
		t.Errorf("asked %+v", e.asked)
	}
}

func TestAWaitingDeviceOfAHubThingBecomesADeviceThing(t *testing.T) {
	p := hubs(t, Options{})
	must(t, p.Fire(t.Context(), ConnectionServicesHub, EventThingNotFound, infotable.OneRow(cell("edgeIdentifier", text("new")),
		cell("context", infotable.Text(tJSON, `{"hubThing":"LocalHub","properties":{"twinTags":{"baseType":"NUMBER"},"t":{"baseType":"NUMBER"}}}`)))))
	must(t, p.CreateWaiting("new"))
	v, err := p.Thing(t.Context(), "new")
	must(t, err)
	twin, _ := v.Property("twinTags")
	if own, ok := v.Property("t"); !ok || own.Remote == nil || twin.Type != tJSON || v.Template != TemplateAzureThing {
		t.Errorf("got %+v", v)
	}
}

func TestADeviceThingTellsItsRemoteServices(t *testing.T) {
	kept := store.Memory()
	p := hubs(t, Options{Store: kept})
	columns := infotable.New(infotable.Column("name", tString), infotable.Column("baseType", tTypeName)).
		Add(text("at"), infotable.Text(tTypeName, "DATETIME")).Add(text("level"), infotable.Text(tTypeName, "NUMBER"))
	_, err := p.Call(t.Context(), EntityResource, "EntityServices", "CreateDataShape",
		infotable.OneRow(cell("name", text("Reading")), cell("fields", infotable.FromTable(columns))))
	must(t, err)
	must(t, p.AddService(t.Context(), "dev-0", ServiceDefinition{ServiceInfo: ServiceInfo{Name: "Readings", Result: tTable}, DataShape: "Reading",
		Remote: &ServiceBinding{EdgeName: "mod1::readings", Timeout: 1500}}))
	must(t, p.AddService(t.Context(), "dev-0", ServiceDefinition{ServiceInfo: ServiceInfo{Name: "NobodyDoes", Result: tString}}))
	must(t, p.Save())
	again, err := New(Options{Store: kept})
	must(t, err)
	want := infotable.New(infotable.Column("name", tString), infotable.Column("edgeName", tString), infotable.Column("resultType", tString),
		infotable.Column("resultFields", tJSON), infotable.Column("timeout", tInteger)).
		Add(text("Do"), text("do"), text("NOTHING"), infotable.Nothing(), infotable.Integer(0)).
		Add(text("Readings"), text("mod1::readings"), text("INFOTABLE"),
			infotable.Text(tJSON, `[{"name":"at","baseType":"DATETIME"},{"name":"level","baseType":"NUMBER"}]`), infotable.Integer(1500))
	for name, p := range map[string]*Platform{"as defined": p, "after a restart": again} {
		if got, err := invoke(p, "dev-0", "GetAzureRemoteServices"); err != nil || !sameRows(got, want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	_, err = invoke(p, "dev-0", "DisableThing")
	must(t, err)
	if got, err := invoke(p, "dev-0", "GetAzureRemoteServices"); err != nil || got.Len() != 0 {
		t.Errorf("a disabled Thing tells %v, %v", got, err)
	}
}

func TestAHubThingTellsTheThingsBehindItPageByPage(t *testing.T) {
	p := hubs(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "elsewhere", Template: TemplateAzureThing, Enabled: true, Gateway: "OtherHub"}))
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "dev-55", Template: TemplateAzureThing, Gateway: "LocalHub"})) // disabled
	var all []string
	for after, pages := "", 0; ; pages++ {
		got, err := invoke(p, "LocalHub", "GetDeviceThings", cell("after", text(after)), cell("maxItems", infotable.Integer(4)))
		must(t, err)
		if got.Len() == 0 {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		for i := range got.Len() {
			after, _ = got.At(i, "name").Text()
			all = append(all, after)
		}
	}
	if want := "dev-0 dev-1 dev-2 dev-3 dev-4 dev-5 dev-6 dev-7 dev-8 dev-9"; strings.Join(all, " ") != want {
		t.Errorf("got %v", all)
	}
	if got, err := invoke(p, "LocalHub", "GetDeviceThings"); err != nil || got.Len() != 10 {
		t.Errorf("without parameters: %v, %v", got, err)
	}
}

func TestAMessageGoesThroughTheHubThingOfItsDevice(t *testing.T) {
	p := hubs(t, Options{})
	e := &fakeEdge{name: "e", serve: answering(infotable.Single("result", text("id-1")), nil)}
	must(t, p.Bind(t.Context(), e, []string{"LocalHub"}))
	_, err := invoke(p, "AzureServices", "AddAdapterServices")
	must(t, err)
	device, payload := cell("thingName", infotable.Text(infotable.TypeThingName, "dev-3")), infotable.Single("target", num(4))
	for _, sent := range []infotable.Value{infotable.FromTable(payload), infotable.Text(tJSON, `{"target":4}`)} {
		got, err := invoke(p, ConnectionServicesHub, serviceSendMessage, device, cell("payload", sent))
		if err != nil || !got.First("result").Equal(text("id-1")) {
			t.Errorf("got %v, %v", got, err)
		}
		last := e.asked[len(e.asked)-1]
		name, _ := last.Params.First("thingName").Text()
		if last.Thing != "LocalHub" || last.Name != serviceSendMessage || name != "dev-3" || !last.Params.First("payload").Unwrap().Equal(sent) {
			t.Errorf("asked %+v", last)
		}
	}
	for thing, want := range map[string]string{"Pump-1": "Thing Pump-1 has no hub: its property gatewayThing is empty",
		"nobody": `there is no Thing "nobody"`} {
		_, err := invoke(p, ConnectionServicesHub, serviceSendMessage, cell("thingName", infotable.Text(infotable.TypeThingName, thing)),
			cell("payload", infotable.FromTable(payload)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", thing, err)
		}
	}
}

func sameRows(a, b *infotable.Table) bool {
	return infotable.FromTable(&infotable.Table{Rows: a.Rows}).Equal(infotable.FromTable(&infotable.Table{Rows: b.Rows}))
}
