package thingworx

import (
	"fmt"
	"testing"

	"azx/alwayson/infotable"
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
		group(t, p, tc.set)
		if got := routingGroupOf(t, p); got != tc.want {
			t.Errorf("set to %v: got %s, want %s", tc.set, got, tc.want)
		}
	}
}

func TestSettingsOfAConnectorAreRowsThatSurviveARestart(t *testing.T) {
	store := &memoryStore{}
	p := hubs(t, Options{Store: store})
	rows := func(pairs ...string) infotable.Cell {
		table := infotable.New(infotable.Column("name", tString), infotable.Column("value", tString))
		for i := 0; i < len(pairs); i += 2 {
			table.Add(text(pairs[i]), text(pairs[i+1]))
		}
		return cell("values", infotable.FromTable(table))
	}
	in := cell("tableName", text(TableConnector))
	for _, values := range []infotable.Cell{rows("hub.consumerGroup", "azx", "feedback", "off"), rows("feedback", "on", "start", "earliest")} {
		_, err := invoke(p, "LocalHub", "SetConfigurationTableRows", in, values)
		must(t, err)
	}
	group(t, p, text("plant"))
	must(t, p.Save())
	again, err := New(Options{Store: keptStore{store.last()}})
	must(t, err)
	got, err := invoke(again, "LocalHub", "GetConfiguration")
	must(t, err)
	want, _ := rows("hub.consumerGroup", "azx", "feedback", "on", "start", "earliest").Value.Table()
	if !got.Equal(want) {
		t.Errorf("got %v", got.Rows)
	}
	if group := routingGroupOf(t, again); group != `"plant"` {
		t.Errorf("routing group %s", group)
	}
	table, err := invoke(again, "LocalHub", "GetConfigurationTable", in)
	if err != nil || !table.Equal(want) {
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
		{"of a Thing without tables", "Pump-1", "GetConfigurationTable", TableRouting, infotable.Nothing(), NotFound, "template RemoteThing has no configuration tables"},
		{"unknown", "LocalHub", "GetConfigurationTable", "Settings", infotable.Nothing(), NotFound, `no configuration table "Settings"; it has ConnectorSettings, RoutingSettings`},
		{"no rows", "LocalHub", "SetConfigurationTable", TableRouting, table(ColumnRoutingGroup), Invalid, "it has one row, not 0"},
		{"two rows", "LocalHub", "SetConfigurationTable", TableRouting, table(ColumnRoutingGroup, text("a"), text("b")), Invalid, "it has one row, not 2"},
		{"unknown column", "LocalHub", "SetConfigurationTable", TableRouting, table("group", text("a")), Invalid, `it has no column "group"`},
		{"wrong type", "LocalHub", "SetConfigurationTableRows", TableRouting, table(ColumnRoutingGroup, num(1)), Invalid, "row 1, column routingGroup: expected STRING, got NUMBER 1"},
		{"row without a key", "LocalHub", "SetConfigurationTableRows", TableConnector, table("value", text("a")), Invalid, "row 1: its key, the column name, must be given"},
		{"key twice", "LocalHub", "SetConfigurationTable", TableConnector, table("name", text("a"), text("a")), Invalid, "row 2: its key"},
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
	must(t, p.AddProperty("dev-0", remoteProperty("m::speed", tInteger, "m::rpm")))
	got, err := invoke(p, "dev-0", "GetAzureRemoteProperties")
	must(t, err)
	want := infotable.New(infotable.Column("name", tString), infotable.Column("edgeName", tString), infotable.Column("baseType", tString),
		infotable.Column("pushType", tString), infotable.Column("gatewayThing", infotable.TypeThingName)).
		Add(text("m::speed"), text("m::rpm"), text("INTEGER"), text("ALWAYS"), infotable.Text(infotable.TypeThingName, "LocalHub")).
		Add(text("n"), text("n"), text("NUMBER"), text("ALWAYS"), infotable.Text(infotable.TypeThingName, "LocalHub"))
	if !got.Equal(want) {
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
	must(t, p.Bind(e, []string{"LocalHub"}))
	must(t, p.Set(t.Context(), "dev-0", []Write{{Property: "twinDesired", Value: twin}}))
	refused(t, p.Set(t.Context(), "dev-0", []Write{{Property: "twinReported", Value: twin}}), Forbidden, "twinReported of Thing dev-0 is read-only")
	must(t, p.Push("dev-0", []Write{{Property: "twinReported", Value: twin}}))
	if v, err := p.Read("dev-0", "twinReported"); err != nil || !v.Value.Equal(twin) {
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
	must(t, p.Fire(ConnectionServicesHub, EventThingNotFound, infotable.OneRow(cell("edgeIdentifier", text("new")),
		cell("context", infotable.Text(tJSON, `{"hubThing":"LocalHub","properties":{"twinTags":{"baseType":"NUMBER"},"t":{"baseType":"NUMBER"}}}`)))))
	must(t, p.CreateWaiting("new"))
	v, err := p.Thing("new")
	must(t, err)
	twin, _ := v.Property("twinTags")
	if own, ok := v.Property("t"); !ok || own.Remote == nil || twin.Type != tJSON || v.Template != TemplateAzureThing {
		t.Errorf("got %+v", v)
	}
}
