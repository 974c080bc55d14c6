package thingworx

import (
	"strings"

	"azx/alwayson/infotable"
)

// The entities of this file and of azure_services.go stand in for those of the Azure IoT extension. They go away when
// that package can be imported: nothing else but routingGroup's callers, waiting.go, write.go (writeVia) and the commands
// knows them.

// Templates, shapes and members of the Azure IoT extension (names read, unless marked), native here for the time being.
const (
	// TemplateHub is that of the Thing ConnectionServicesHub.
	TemplateHub = "ConnectionServicesHub"
	// TemplateAzureHub is that of hub Things, whose routing group a connector binds.
	TemplateAzureHub = "AzureIotHubTemplate"
	// TemplateAzureThing is that of device Things.
	TemplateAzureThing = "AzureIotThing"
	// ShapeHubAdapter has the services that find the hub Thing by themselves. It is on the Thing ConnectionServicesHub.
	ShapeHubAdapter = "AzureIotHubAdapterServices"
	// ServiceSendMessage sends one message to a device: of hub Things, and of ShapeHubAdapter.
	ServiceSendMessage = "AzureIotSendMessage"
	// EventMessageOutcome tells a device's Thing what became of a message: messageId, status, description, time. Its
	// name is ours.
	EventMessageOutcome = "AzureIotMessageOutcome"
	// PropertyWriteVia says how writes of a device's Thing travel: c2d, desired or method:NAME; empty leaves it to the
	// connector. Its name is ours.
	PropertyWriteVia = "writeVia"

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
	updated := Definition{Name: "twinUpdated", Type: tDateTime, ReadOnly: true, Persistent: true,
		Description: "When the connector last heard of the device's twin", Remote: &Binding{EdgeName: "twinUpdated", PushType: PushAlways}}
	name := infotable.Field{Name: "name", Type: tString, Aspects: []infotable.Aspect{{Name: aspectPrimaryKey, Value: infotable.Boolean(true)}}}
	return []*template{
		{name: TemplateHub, base: TemplateGeneric, description: "Takes the events of connectors", members: members{events: named(
			"AuthenticationError", "ClearCacheEntry", "EdgeError", "FileNotFoundError", "InternalError",
			"ProtocolError", EventThingNotFound, "WritePropertyError", "UserError",
		)}},
		{name: TemplateAzureHub, base: TemplateRemote, description: "Azure IoT Hub",
			shapes: []string{ShapeEgressGate, ShapeMultiBind},
			tables: []configTable{
				{name: TableRouting, fields: []infotable.Field{column(ColumnRoutingGroup, tString, infotable.String(hubNameText))}},
				{name: TableConnector, multiRow: true, fields: []infotable.Field{name, infotable.Column("value", tString)}},
			},
			members: members{services: []*service{
				{ServiceInfo: ServiceInfo{"GetRoutingGroup", "Name under which connectors bind the hub Thing", nil, tString}, always: true, run: getRoutingGroup},
				{ServiceInfo: ServiceInfo{"GetConfiguration", "Settings for connectors", nil, tTable}, run: getConfiguration},
				{ServiceInfo: ServiceInfo{"GetDeviceThings", "Names of the enabled Things behind the hub Thing, sorted: those behind after",
					[]Param{optional("after", tString), optional("maxItems", tInteger)}, tTable}, run: getDeviceThings},
				{ServiceInfo: sendMessage(), remote: &ServiceBinding{EdgeName: ServiceSendMessage}, run: askEdge},
				ping(),
			}}},
		{name: TemplateAzureThing, base: TemplateFileTransfer, description: "Device of an Azure IoT Hub",
			shapes: []string{ShapeRoutedEgress},
			members: members{
				properties: []Definition{
					twin("twinDesired", "Desired properties of the device's twin", false),
					twin("twinReported", "Reported properties of the device's twin", true),
					twin("twinTags", "Tags of the device's twin", false),
					updated,
					{Name: PropertyWriteVia, Type: tString, Persistent: true,
						Description: "How writes travel: c2d, desired or method:NAME; empty leaves it to the connector"},
				},
				events: named(EventMessageOutcome),
				services: []*service{
					{ServiceInfo: ServiceInfo{"GetAzureRemoteProperties", "Properties that the device may write", nil, tTable},
						always: true, run: getAzureRemoteProperties},
					{ServiceInfo: ServiceInfo{"GetAzureRemoteServices", "Services that the device or its modules carry out", nil, tTable},
						always: true, run: getAzureRemoteServices},
					ping(),
				}}},
	}
}

func named(events ...string) []EventDefinition {
	out := make([]EventDefinition, len(events))
	for i, name := range events {
		out[i].Name = name
	}
	return out
}

// azureShapes are the shapes of the extension.
func azureShapes() []*shape {
	return []*shape{{name: ShapeHubAdapter, description: "Services of Azure IoT Hubs",
		members: members{services: []*service{{ServiceInfo: sendMessage(), run: sendThroughHub}}}}}
}

// azureThings are the Things of the extensions.
func azureThings() []ThingSpec {
	return []ThingSpec{{Name: ConnectionServicesHub, Template: TemplateHub, Enabled: true, system: true,
		Shapes: []string{ShapeHubAdapter}, Description: "Takes the events of connectors"}}
}

// ping reaches whoever carries the Thing's requests: so a connector learns whether its bind is of use. What the
// connector answers, if anything, is for people.
func ping() *service {
	return &service{ServiceInfo: ServiceInfo{"Ping", "Answered by the connector", nil, infotable.TypeVariant},
		remote: &ServiceBinding{EdgeName: "Ping"}, run: askEdge}
}

// sendMessage has the parameters thingName and payload (read). Its payload is a table of one row, as that of the
// extension, or JSON; application properties and the message's id as the result are ours.
func sendMessage() ServiceInfo {
	return ServiceInfo{ServiceSendMessage, "Send one message to a device, with all fields of the payload", []Param{
		required("thingName", infotable.TypeThingName), required("payload", infotable.TypeVariant), optional("properties", tJSON),
	}, tString}
}

func (t *thing) groupIn(settings *infotable.Table) infotable.Value {
	v := settings.First(ColumnRoutingGroup)
	if text, ok := v.Text(); ok {
		return infotable.String(strings.ReplaceAll(text, hubNameText, t.name))
	}
	return v
}

func getRoutingGroup(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, TableRouting)
	return c.thing.groupIn(table), err
}

func getConfiguration(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, TableConnector)
	return infotable.FromTable(table), err
}
