package thingworx

import (
	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// Names of built-in Things, and of the table that names a reporting strategy (read).
const (
	thingAlwaysReporting = "AlwaysOnReporting"
	thingNotReporting    = "NotReporting"
	thingRepository      = "SystemRepository"
	tableReporting       = "ReportingConfiguration"
	columnStrategy       = "reportingStrategy"
)

// builtinShapes are the shapes that every platform has, as far as they mean something here.
func builtinShapes() []*shape {
	define := func(name, description string, m members) *shape { return &shape{name, description, m} }
	return []*shape{
		define(ShapeConnectable, "Knows whether somebody stands for the Thing", members{properties: []Definition{
			{Name: propConnected, Type: infotable.TypeBoolean, ReadOnly: true, Description: "Bound by an edge or through its gateway"},
			{Name: propLastConnection, Type: infotable.TypeDateTime, ReadOnly: true, Description: "Last time it became connected"},
		}}),
		define(ShapeReportable, "Reports its state", members{services: reportingServices(), properties: []Definition{
			local(propReporting, infotable.TypeBoolean, "Reporting state"),
			local("reportingLastChange", infotable.TypeDateTime, "Last change of isReporting"),
			local("reportingLastEvaluation", infotable.TypeDateTime, "Last evaluation of isReporting"),
		}}),
		define(ShapeRoutedEgress, "Delegates outbound requests to a gateway", members{properties: []Definition{
			local(propGateway, infotable.TypeThingName, "Thing whose binding carries the requests for this one"),
		}}),
		define(ShapeEgressGate, "Carries the requests of other Things", members{}),
		define(ShapeMultiBind, "May be bound by several connections at once", members{}),
		define(ShapeFileTransfer, "Has files that an edge serves", members{services: fileServices()}),
	}
}

// builtinTemplates are the templates that every platform has, as far as they mean something here.
func builtinTemplates() []*template {
	settings := configTable{name: tableSettings, description: "When the event Timer is fired", fields: []infotable.Field{
		column("enabled", tBoolean, infotable.Boolean(true)), column("updateRate", tNumber, infotable.Number(60_000)),
		column("runAsUser", infotable.TypeUserName, infotable.Nothing()),
	}}
	reporting := configTable{name: tableReporting, description: "Which Thing says whether this one reports", fields: []infotable.Field{
		column(columnStrategy, infotable.TypeThingName, infotable.Text(infotable.TypeThingName, thingNotReporting)),
	}}
	event := func(name, dataShape, description string) EventDefinition {
		return EventDefinition{Event: entity.Event{Name: name, DataShape: dataShape, Description: description}}
	}
	return []*template{
		{name: TemplateGeneric, description: "Thing with local properties", members: members{services: genericServices(),
			events: []EventDefinition{
				event(eventDataChange, "DataChangeEvent", "A property changed"), event(eventAnyDataChange, "AnyDataChangeEvent", "Any property changed"),
				event(eventThingStart, "ThingStartEvent", "The Thing started"),
			}}},
		{name: TemplateRemote, base: TemplateGeneric, description: "Thing that an edge stands for", tables: []configTable{reporting},
			shapes: []string{ShapeConnectable, ShapeReportable}, members: members{services: remoteServices()}},
		{name: TemplateFileTransfer, base: TemplateRemote, description: "RemoteThing with files", shapes: []string{ShapeFileTransfer},
			members: members{events: []EventDefinition{event("FileTransfer", "FileTransferJob", "A transfer ended")}}},
		{name: TemplateConnection, base: TemplateRemote, description: "Thing of a connector", members: members{services: connectionServices()}},
		{name: TemplateGateway, base: TemplateRemote, description: "Thing of a gateway"},
		{name: TemplateRepository, base: TemplateGeneric, description: "Files of the platform (none are served here)"},
		{name: TemplateValueStream, base: TemplateGeneric, description: "Keeps the history of logged properties"},
		{name: TemplateTimer, base: TemplateGeneric, description: "Fires the event Timer", tables: []configTable{settings},
			members: members{services: timerServices(), events: []EventDefinition{event(eventTimer, "TimerEvent", "It is time")}}},
		{name: TemplateReporting, base: TemplateGeneric, description: "Says whether Things report",
			members: members{services: []*service{{ServiceInfo: ServiceInfo{"ReportingAlgorithm", "Whether a Thing reports", nil, tBoolean},
				override: true, run: reportsAlways}}}},
	}
}

// builtinThings are the Things that every platform has.
func builtinThings() []ThingSpec {
	system := func(name, template, description string) ThingSpec {
		return ThingSpec{Name: name, Template: template, Description: description, Enabled: true, system: true}
	}
	return []ThingSpec{
		system(thingAlwaysReporting, TemplateReporting, "isReporting is isConnected"),
		system(thingNotReporting, TemplateReporting, "isReporting stays as it is"),
		system(thingRepository, TemplateRepository, "Files of the platform"),
	}
}

func column(name string, t infotable.BaseType, def infotable.Value) infotable.Field {
	f := infotable.Column(name, t)
	if !def.IsNothing() {
		f.Aspects = []infotable.Aspect{{Name: aspectDefault, Value: def}}
	}
	return f
}

// bound makes a service that the edge carries out.
func bound(name, description, dataShape string, result infotable.BaseType, params ...Param) *service {
	return &service{ServiceInfo: ServiceInfo{name, description, params, result}, dataShape: dataShape, override: true,
		remote: &ServiceBinding{EdgeName: name}, run: askEdge}
}

// connectionServices are those of ConnectionServer (read), which connectors answer (inferred).
func connectionServices() []*service {
	logType := optional("logType", tString)
	return []*service{
		bound("GetPerformanceMetrics", "Counts of the connector", "ThingworxMetric", tTable),
		bound("GetSystemInformation", "What the connector runs on", "SystemInformation", tTable),
		bound("GetSystemStatus", "Parts of the connector", "SubsystemStatus", tTable),
		bound("GetBoundEntities", "What the connector has bound", "EntityList", tTable),
		bound("GetLogEntries", "Lines of the connector's log", "LogEntry", tTable, logType, optional("startDate", tDateTime),
			optional("endDate", tDateTime), optional("maxItems", tNumber), optional("oldestFirst", tBoolean),
			optional("fromDate", tDateTime), optional("toDate", tDateTime), optional("level", tString), optional("searchExpression", tString)),
		bound("GetLogLevel", "Level of the connector's log", "", tString, logType, optional("subLogger", tString)),
		bound("SetLogLevel", "Change the level of the connector's log", "", tNothing, logType, optional("subLogger", tString), optional("level", tString)),
	}
}

// fileServices are those of FileTransfer and RemoteThingWithFileTransfer (read); the edge answers them.
func fileServices() []*service {
	path := optional("path", tString)
	return []*service{
		bound("BrowseFileSystem", "Files and directories", "FileSystemFile", tTable, path),
		bound("GetFileListing", "Files", "FileSystemFile", tTable, path, optional("nameMask", tString)),
		bound("GetDirectoryStructure", "Directories", "FileSystemDirectory", tTable),
	}
}

// reportingServices are those of Reportable (read).
func reportingServices() []*service {
	return []*service{
		native("GetReportingStrategy", "Thing that says whether this one reports", nil, tString, getReportingStrategy),
		native("SetReportingStrategy", "Choose the Thing that says whether this one reports",
			[]Param{required("strategyThing", infotable.TypeThingName)}, tNothing, setReportingStrategy),
	}
}

func reportsAlways(_ *Platform, c *call) (infotable.Value, error) {
	return infotable.Boolean(c.thing.name == thingAlwaysReporting), nil
}

// reports reports whether isReporting follows isConnected; the caller holds the Thing's mutex.
func (t *thing) reports() bool {
	c := t.class.tables[tableReporting]
	if c == nil || t.props[propReporting] == nil {
		return false
	}
	strategy, _ := t.tableNow(c).First(columnStrategy).Text()
	return strategy == thingAlwaysReporting
}

func getReportingStrategy(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, tableReporting)
	if err != nil {
		return nothing(), err
	}
	strategy, _ := table.First(columnStrategy).Text()
	return infotable.String(strategy), nil
}

func setReportingStrategy(p *Platform, c *call) (infotable.Value, error) {
	strategy, err := p.find(c.text("strategyThing"))
	if err != nil {
		return nothing(), err
	}
	if !strategy.composed().bases[TemplateReporting] {
		return nothing(), Refuse(Invalid, "Thing %s is no %s", strategy.name, TemplateReporting)
	}
	row := infotable.Single(columnStrategy, infotable.Text(infotable.TypeThingName, strategy.name))
	return nothing(), p.configure(c, tableReporting, row, (*configTable).merged)
}
