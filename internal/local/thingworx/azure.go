package thingworx

import (
	"strings"

	"azx/alwayson/infotable"
)

// The entities of this file stand in for those of the Azure IoT extension. They go away when that package can be
// imported: nothing outside this file but routingGroup's callers, waiting.go and the commands knows them.

// Templates of the Azure IoT extension (read), native here for the time being.
const (
	// TemplateAzureHub is that of hub Things, whose routing group a connector binds.
	TemplateAzureHub = "AzureIotHubTemplate"
	// TemplateAzureThing is that of device Things.
	TemplateAzureThing = "AzureIotThing"

	// TableRouting holds the routing group of a hub Thing: one row, the column routingGroup. The name is ours.
	TableRouting = "RoutingSettings"
	// TableConnector holds a connector's settings: rows of name and value, both STRING. The name is ours.
	TableConnector = "ConnectorSettings"
	// ColumnRoutingGroup is the column of TableRouting.
	ColumnRoutingGroup = "routingGroup"

	// hubNameText is the default text of a routing group; the hub Thing's name replaces it.
	hubNameText = "${hub-thing-name}"
)

// azureTemplates are the templates of the extension.
func azureTemplates() []*template {
	twin := func(name, description string, readOnly bool) Definition {
		return Definition{Name: name, Type: tJSON, Description: description, ReadOnly: readOnly, Persistent: true,
			Remote: &Binding{EdgeName: name, PushType: PushAlways, CacheTime: -1}}
	}
	return []*template{
		{name: TemplateAzureHub, base: TemplateRemote, description: "Azure IoT Hub",
			shapes: []string{ShapeEgressGate, ShapeMultiBind},
			tables: []configTable{
				{name: TableRouting, fields: []infotable.Field{infotable.Column(ColumnRoutingGroup, tString)},
					initial: infotable.Row{infotable.String(hubNameText)}},
				{name: TableConnector, multiRow: true,
					fields: []infotable.Field{infotable.Column("name", tString), infotable.Column("value", tString)}},
			},
			services: []*service{
				{ServiceInfo: ServiceInfo{"GetRoutingGroup", "Name under which connectors bind the hub Thing", nil, tString}, run: getRoutingGroup},
				{ServiceInfo: ServiceInfo{"GetConfiguration", "Settings for connectors", nil, tTable}, run: getConfiguration},
				ping(),
			}},
		{name: TemplateAzureThing, base: TemplateFileTransfer, description: "Device of an Azure IoT Hub",
			shapes: []string{ShapeRoutedEgress},
			properties: []Definition{
				twin("twinDesired", "Desired properties of the device's twin", false),
				twin("twinReported", "Reported properties of the device's twin", true),
				twin("twinTags", "Tags of the device's twin", false),
			},
			services: []*service{
				{ServiceInfo: ServiceInfo{"GetAzureRemoteProperties", "Properties that the device may write", nil, tTable},
					always: true, run: getAzureRemoteProperties},
				ping(),
			}},
	}
}

// ping reaches whoever carries the Thing's requests: so a connector learns whether its bind is of use.
func ping() *service {
	return &service{ServiceInfo: ServiceInfo{"Ping", "Answered by the connector", nil, tNothing},
		remote: &ServiceBinding{EdgeName: "Ping"}, run: askEdge}
}

// routingGroup returns the name that binds a Thing together with those behind it; false if it carries no requests of
// others, or has no routing group.
func (p *Platform) routingGroup(t *thing) (group string, ok bool) {
	if !p.implements(t, ShapeEgressGate) {
		return "", false
	}
	table, _, err := p.configured(t, TableRouting)
	if err != nil { // another template's Thing: it is bound by its name
		return t.name, true
	}
	group, _ = t.routingGroup(table).Text()
	return group, strings.TrimSpace(group) != ""
}

func (t *thing) routingGroup(settings *infotable.Table) infotable.Value {
	v := settings.First(ColumnRoutingGroup)
	if text, ok := v.Text(); ok {
		return infotable.String(strings.ReplaceAll(text, hubNameText, t.name))
	}
	return v
}

func getRoutingGroup(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, TableRouting)
	return c.thing.routingGroup(table), err
}

func getConfiguration(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, TableConnector)
	return infotable.FromTable(table), err
}

// getAzureRemoteProperties has a row for each remote property but the template's own: those no device writes. A
// disabled Thing has none, for the reason that getPropertySubscriptions gives.
func getAzureRemoteProperties(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Thing(c.thing.name)
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("name", tString), infotable.Column("edgeName", tString),
		infotable.Column("baseType", tString), infotable.Column("pushType", tString),
		infotable.Column(propGateway, infotable.TypeThingName))
	gateway, _ := view.Property(propGateway)
	for _, d := range view.Properties {
		if d.Remote != nil && d.From != TemplateAzureThing && view.Enabled {
			table.Add(infotable.String(d.Name), infotable.String(d.Remote.EdgeName), infotable.String(d.Type.String()),
				infotable.String(d.Remote.PushType), gateway.Value)
		}
	}
	return infotable.FromTable(table), nil
}
