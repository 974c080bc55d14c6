package thingworx

import "azx/alwayson/infotable"

// EntityKind is the collection that an entity is in, as paths of REST name it. There are more collections than these
// constants: packages may bring documents of any.
type EntityKind string

// Collections whose entities do something here.
const (
	EntityThing          EntityKind = "Things"
	EntityTemplate       EntityKind = "ThingTemplates"
	EntityShape          EntityKind = "ThingShapes"
	EntityDataShape      EntityKind = "DataShapes"
	EntityResource       EntityKind = "Resources"
	EntitySubsystem      EntityKind = "Subsystems"
	EntityUser           EntityKind = "Users"
	EntityGroup          EntityKind = "Groups"
	EntityOrganization   EntityKind = "Organizations"
	EntityProject        EntityKind = "Projects"
	EntityApplicationKey EntityKind = "ApplicationKeys"
	EntityMashup         EntityKind = "Mashups"
)

// String names the collection as paths of REST do.
func (k EntityKind) String() string { return string(k) }

// Names of built-in entities (read, unless marked).
const (
	TemplateGeneric      = "GenericThing"
	TemplateRemote       = "RemoteThing"
	TemplateFileTransfer = "RemoteThingWithFileTransfer"
	TemplateConnection   = "ConnectionServer"
	TemplateGateway      = "SDKGateway"
	TemplateRepository   = "FileRepository"
	TemplateValueStream  = "ValueStream"
	TemplateTimer        = "Timer"
	TemplateReporting    = "ReportingStrategy"

	ShapeConnectable  = "Connectable"
	ShapeReportable   = "Reportable"
	ShapeRoutedEgress = "RoutedEgress"
	ShapeEgressGate   = "EgressGateway"
	ShapeMultiBind    = "MultiBindRemoteThing"
	ShapeFileTransfer = "FileTransfer"

	// ConnectionServicesHub is the Thing that takes the events of connectors.
	ConnectionServicesHub = "ConnectionServicesHub"
	// EventThingNotFound is fired on it for a device that has no Thing.
	EventThingNotFound = "ThingNotFoundError"

	// TemplateAzureHub is that of hub Things, whose routing group a connector binds; it comes with the Azure IoT package, as
	// the following do.
	TemplateAzureHub = "AzureIotHubTemplate"
	// TemplateAzureThing is that of device Things.
	TemplateAzureThing = "AzureIotThing"
	// PropertyWriteVia says how writes of a device's Thing travel.
	PropertyWriteVia = "writeVia"
	// TableRouting holds the routing group of a hub Thing: one row, the column routingGroup.
	TableRouting = "RoutingSettings"
	// ColumnRoutingGroup is the column of TableRouting.
	ColumnRoutingGroup = "routingGroup"

	eventDataChange    = "DataChange"
	eventAnyDataChange = "AnyDataChange"
	eventThingStart    = "ThingStart"
	eventTimer         = "Timer"

	propConnected      = "isConnected"
	propLastConnection = "lastConnection"
	propGateway        = "gatewayThing"
	propReporting      = "isReporting"
)

const (
	tString   = infotable.TypeString
	tNumber   = infotable.TypeNumber
	tBoolean  = infotable.TypeBoolean
	tInteger  = infotable.TypeInteger
	tJSON     = infotable.TypeJSON
	tTable    = infotable.TypeInfotable
	tDateTime = infotable.TypeDateTime
	tNothing  = infotable.TypeNothing
	tTypeName = infotable.TypeBaseTypeName
	tQuery    = infotable.TypeQuery
	tTags     = infotable.TypeTags
)
