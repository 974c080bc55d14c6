package thingworx

import (
	"maps"
	"slices"

	"azx/alwayson/infotable"
)

// configurationServices are those of GenericThing for configuration tables; parameters are the platform's own (read).
// Changes always persist here.
func configurationServices() []*service {
	name, persistent := required("tableName", tString), optional("persistent", tBoolean)
	table := required("configurationTable", tTable)
	always := func(s, description string, params []Param, result infotable.BaseType, run func(*Platform, *call) (infotable.Value, error)) *service {
		return &service{ServiceInfo: ServiceInfo{s, description, params, result}, always: true, run: run}
	}
	return []*service{
		always("GetConfigurationTables", "Names of the configuration tables", nil, tTable, getConfigurationTables),
		always("GetConfigurationTable", "Rows of a configuration table; passwords are encrypted", []Param{name}, tTable, getConfigurationTable),
		always("GetConfigurationTableRow", "One row, by its key", []Param{name, required("key", tString)}, tTable, getConfigurationTableRow),
		always("GetConfigurationTableDefinition", "Columns of a configuration table", []Param{name}, tTable, getConfigurationTableDefinition),
		always("IsMultiRowTable", "Whether a configuration table may have several rows", []Param{name}, tBoolean, isMultiRowTable),
		always("SetConfigurationTable", "Replace a configuration table", []Param{name, table, persistent}, tNothing, setConfigurationTable),
		always("SetMultiRowConfigurationTable", "Replace a configuration table of several rows", []Param{name, table, persistent}, tNothing,
			setConfigurationTable),
		always("SetConfigurationTableRows", "Add or change rows of a configuration table; with one row, its columns",
			[]Param{name, required("values", tTable), persistent}, tNothing, setConfigurationTableRows),
		always("DeleteConfigurationTableRows", "Remove the rows with these keys", []Param{name, required("values", tTable), persistent},
			tNothing, deleteConfigurationTableRows),
		always("DeleteAllConfigurationTableRows", "Remove all rows", []Param{name, persistent}, tNothing, deleteAllConfigurationTableRows),
	}
}

func getConfigurationTables(_ *Platform, c *call) (infotable.Value, error) {
	c.thing.mu.Lock()
	defer c.thing.mu.Unlock()
	table := nameList()
	described := map[string]string{}
	for name, definition := range c.thing.class.tables {
		described[name] = definition.description
	}
	for name, definition := range c.thing.tables {
		described[name] = definition.description
	}
	for _, name := range slices.Sorted(maps.Keys(described)) {
		table.Add(infotable.String(name), infotable.String(described[name]))
	}
	return infotable.FromTable(table), nil
}

func getConfigurationTable(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, c.text("tableName"))
	return infotable.FromTable(table), err
}

func getConfigurationTableRow(p *Platform, c *call) (infotable.Value, error) {
	table, definition, err := p.configured(c.thing, c.text("tableName"))
	if err != nil {
		return nothing(), err
	}
	out := infotable.New(table.Fields...)
	if key := definition.key(); key >= 0 {
		for _, row := range table.Rows {
			if keyText(row.Cell(key)) == c.text("key") {
				out.Add(row...)
			}
		}
	}
	return infotable.FromTable(out), nil
}

func getConfigurationTableDefinition(p *Platform, c *call) (infotable.Value, error) {
	_, definition, err := p.configured(c.thing, c.text("tableName"))
	if err != nil {
		return nothing(), err
	}
	return infotable.FromTable(fieldTable(definition.fields)), nil
}

func isMultiRowTable(p *Platform, c *call) (infotable.Value, error) {
	_, definition, err := p.configured(c.thing, c.text("tableName"))
	if err != nil {
		return nothing(), err
	}
	return infotable.Boolean(definition.multiRow), nil
}

func setConfigurationTable(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.configure(c, c.text("tableName"), c.table("configurationTable"), (*configTable).replaced)
}

func setConfigurationTableRows(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.configure(c, c.text("tableName"), c.table("values"), (*configTable).merged)
}

func deleteConfigurationTableRows(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.configure(c, c.text("tableName"), c.table("values"), (*configTable).without)
}

func deleteAllConfigurationTableRows(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.configure(c, c.text("tableName"), &infotable.Table{}, (*configTable).replaced)
}
