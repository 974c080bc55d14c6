package thingworx

import (
	"maps"
	"slices"
	"strings"

	"azx/alwayson/infotable"
)

// maxConfigRows bounds the rows of one configuration table.
const maxConfigRows = 10_000

// configTable is a configuration table that a template defines. One of several rows has its key in the first column.
type configTable struct {
	name     string
	multiRow bool
	fields   []infotable.Field
	initial  infotable.Row // of a table of one row
}

func (c *configTable) fresh() *infotable.Table {
	table := infotable.New(c.fields...)
	if !c.multiRow {
		table.Add(c.initial...)
	}
	return table
}

// configurationServices are those of GenericThing for configuration tables; parameters are the platform's own (read).
// Changes always persist here.
func configurationServices() []*service {
	name, persistent := required("tableName", tString), optional("persistent", tBoolean)
	return []*service{
		{ServiceInfo: ServiceInfo{"GetConfigurationTable", "Rows of a configuration table", []Param{name}, tTable},
			always: true, run: getConfigurationTable},
		{ServiceInfo: ServiceInfo{"SetConfigurationTable", "Replace a configuration table",
			[]Param{name, required("configurationTable", tTable), persistent}, tNothing}, always: true, run: setConfigurationTable},
		{ServiceInfo: ServiceInfo{"SetConfigurationTableRows", "Add or change rows of a configuration table; with one row, its columns",
			[]Param{name, required("values", tTable), persistent}, tNothing}, always: true, run: setConfigurationTableRows},
	}
}

// configTable finds a table that a template or one of its bases defines.
func (m *model) configTable(templateName, name string) (*configTable, error) {
	known := map[string]*configTable{}
	for _, t := range m.lineage(templateName) {
		for i := range t.tables {
			known[t.tables[i].name] = &t.tables[i]
		}
	}
	if c := known[name]; c != nil {
		return c, nil
	}
	if len(known) == 0 {
		return nil, Refuse(NotFound, "template %s has no configuration tables", templateName)
	}
	return nil, Refuse(NotFound, "template %s has no configuration table %q; it has %s", templateName, shorten(name),
		list(slices.Sorted(maps.Keys(known))))
}

// configured returns a configuration table of a Thing. It must not be changed.
func (p *Platform) configured(t *thing, name string) (*infotable.Table, *configTable, error) {
	c, err := p.model.configTable(t.template, name)
	if err != nil {
		return nil, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if table := t.config[name]; table != nil {
		return table, c, nil
	}
	return c.fresh(), c, nil
}

func getConfigurationTable(p *Platform, c *call) (infotable.Value, error) {
	table, _, err := p.configured(c.thing, c.text("tableName"))
	return infotable.FromTable(table), err
}

func setConfigurationTable(p *Platform, c *call) (infotable.Value, error) {
	name := c.text("tableName")
	return nothing(), p.configure(c.thing, name, c.table("configurationTable"), (*configTable).replaced)
}

func setConfigurationTableRows(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.configure(c.thing, c.text("tableName"), c.table("values"), (*configTable).merged)
}

func (p *Platform) configure(t *thing, name string, in *infotable.Table,
	combine func(c *configTable, old, in *infotable.Table) (*infotable.Table, error)) error {
	old, c, err := p.configured(t, name)
	if err != nil {
		return err
	}
	table, err := combine(c, old, in)
	if err != nil {
		return Refuse(Invalid, "configuration table %s of Thing %s: %v", name, t.name, err)
	}
	t.mu.Lock()
	if t.config == nil {
		t.config = map[string]*infotable.Table{}
	}
	t.config[name] = table
	t.mu.Unlock()
	p.changed(t)
	return nil
}

// replaced is in with the table's own columns; a column that in lacks is null.
func (c *configTable) replaced(_, in *infotable.Table) (*infotable.Table, error) {
	table := infotable.New(c.fields...)
	for i := range in.Rows {
		row, err := c.row(make(infotable.Row, len(c.fields)), in, i)
		if err != nil {
			return nil, err
		}
		table.Add(row...)
	}
	return table, c.check(table)
}

// merged is old with the rows of in: each changes the row with its key, or is a new one. Columns that in lacks stay.
func (c *configTable) merged(old, in *infotable.Table) (*infotable.Table, error) {
	table := infotable.New(c.fields...)
	table.Rows = slices.Clone(old.Rows)
	for i := range in.Rows {
		at := 0
		if c.multiRow {
			key := in.At(i, c.fields[0].Name)
			at = slices.IndexFunc(table.Rows, func(r infotable.Row) bool { return r.Cell(0).Equal(key.Unwrap()) })
		}
		if at < 0 || at >= len(table.Rows) {
			at = len(table.Rows)
			table.Add(make(infotable.Row, len(c.fields))...)
		}
		row, err := c.row(slices.Clone(table.Rows[at]), in, i)
		if err != nil {
			return nil, err
		}
		table.Rows[at] = row
	}
	return table, c.check(table)
}

// row puts the cells of a row of in into row.
func (c *configTable) row(row infotable.Row, in *infotable.Table, i int) (infotable.Row, error) {
	for j, f := range in.Fields {
		at := slices.IndexFunc(c.fields, func(own infotable.Field) bool { return own.Name == f.Name })
		if at < 0 {
			return nil, Refuse(Invalid, "it has no column %q", shorten(f.Name))
		}
		v := in.Rows[i].Cell(j)
		if v.IsNothing() {
			row[at] = infotable.Nothing()
			continue
		}
		fitted, err := fit(c.fields[at].Type, v)
		if err != nil {
			return nil, Refuse(Invalid, "row %d, column %s: %v", i+1, f.Name, err)
		}
		row[at] = fitted
	}
	return row, nil
}

func (c *configTable) check(table *infotable.Table) error {
	if !c.multiRow {
		if len(table.Rows) != 1 {
			return Refuse(Invalid, "it has one row, not %d", len(table.Rows))
		}
		return nil
	}
	if len(table.Rows) > maxConfigRows {
		return Refuse(Invalid, "it may have %d rows", maxConfigRows)
	}
	seen := map[string]bool{}
	for i, row := range table.Rows {
		key, _ := row.Cell(0).Text()
		if strings.TrimSpace(key) == "" || seen[key] {
			return Refuse(Invalid, "row %d: its key, the column %s, must be given and not be that of another row", i+1, c.fields[0].Name)
		}
		seen[key] = true
	}
	return nil
}
