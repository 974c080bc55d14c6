package thingworx

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// maxConfigRows bounds the rows of one configuration table.
const maxConfigRows = 10_000

// configTable is the definition of a configuration table, with the rows that a Thing has before somebody sets others.
type configTable struct {
	name        string
	description string
	category    string
	dataShape   string
	multiRow    bool
	hidden      bool
	ordinal     int
	fields      []infotable.Field
	rows        []infotable.Row // shipped ones; nil: those of the columns' defaults
}

// tablesOf makes definitions whose columns are not resolved yet.
func tablesOf(in []entity.TableDefinition) []configTable {
	out := make([]configTable, 0, len(in))
	for _, d := range in {
		out = append(out, configTable{name: d.Name, description: d.Description, category: d.Category, dataShape: d.DataShape,
			multiRow: d.MultiRow, hidden: d.Hidden, ordinal: d.Ordinal})
	}
	return out
}

func (c *configTable) definition() entity.TableDefinition {
	return entity.TableDefinition{Name: c.name, DataShape: c.dataShape, Description: c.description, Category: c.category,
		MultiRow: c.multiRow, Hidden: c.hidden, Ordinal: c.ordinal}
}

// resolve finds the columns of a definition that does not have its own.
func (c *configTable) resolve(m *model) error {
	if c.fields != nil {
		return nil
	}
	fields, ok := m.dataShape(c.dataShape)
	if !ok {
		return Refuse(Invalid, "configuration table %s: its data shape %q is not there", c.name, shorten(c.dataShape))
	}
	c.fields = fields
	return nil
}

// read makes rows of those that a package has as text.
func (c *configTable) read(in *entity.Table) ([]infotable.Row, error) {
	rows := make([]infotable.Row, 0, len(in.Rows))
	if len(in.Rows) > maxConfigRows {
		return nil, Refuse(Invalid, "it may have %d rows", maxConfigRows)
	}
	for i, cells := range in.Rows {
		row := c.defaults()
		for _, name := range slices.Sorted(maps.Keys(cells)) {
			at := c.column(name)
			if at < 0 {
				return nil, Refuse(Invalid, "row %d: it has no column %q", i+1, shorten(name))
			}
			v, err := defaultOf(c.fields[at].Type, cells[name])
			if err != nil {
				return nil, Refuse(Invalid, "row %d, column %s: %v", i+1, name, err)
			}
			row[at] = v
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (c *configTable) column(name string) int {
	return slices.IndexFunc(c.fields, func(f infotable.Field) bool { return f.Name == name })
}

func (c *configTable) defaults() infotable.Row {
	row := make(infotable.Row, len(c.fields))
	for i, f := range c.fields {
		row[i] = f.Aspect(aspectDefault)
	}
	return row
}

func (c *configTable) fresh() *infotable.Table {
	table := infotable.New(c.fields...)
	switch {
	case c.rows != nil:
		table.Rows = slices.Clone(c.rows)
	case !c.multiRow:
		table.Add(c.defaults()...)
	}
	return table
}

// fitted is a table that was set before, with the present columns: new ones have their defaults.
func (c *configTable) fitted(old *infotable.Table) *infotable.Table {
	if slices.EqualFunc(old.Fields, c.fields, func(a, b infotable.Field) bool { return a.Name == b.Name && a.Type == b.Type }) {
		return &infotable.Table{Fields: c.fields, Rows: old.Rows}
	}
	table := infotable.New(c.fields...)
	for i := range old.Rows {
		row := c.defaults()
		for j, f := range c.fields {
			if at := old.Index(f.Name); at >= 0 {
				if v, err := fit(f.Type, old.Rows[i].Cell(at)); err == nil {
					row[j] = v
				}
			}
		}
		table.Add(row...)
	}
	return table
}

// configTable finds a table that the Thing, its template or one of its bases defines; the caller holds the Thing's mutex.
func (t *thing) configTable(name string) (*configTable, error) {
	if c := t.tables[name]; c != nil {
		return c, nil
	}
	known := t.class.tables
	if c := known[name]; c != nil {
		return c, nil
	}
	if len(known)+len(t.tables) == 0 {
		return nil, Refuse(NotFound, "Thing %s of template %s has no configuration tables", t.name, t.template)
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(known)), maps.Keys(t.tables))
	slices.Sort(names)
	return nil, Refuse(NotFound, "Thing %s has no configuration table %q; it has %s", t.name, shorten(name), list(names))
}

// tableNow returns a table as it is now; it must not be changed. The caller holds the Thing's mutex.
func (t *thing) tableNow(c *configTable) *infotable.Table {
	if table := t.config[c.name]; table != nil {
		return c.fitted(table)
	}
	for i := range t.shipped {
		if t.shipped[i].Name != c.name {
			continue
		}
		if rows, err := c.read(&t.shipped[i]); err == nil { // what could not be read was refused when it came
			return &infotable.Table{Fields: c.fields, Rows: rows}
		}
	}
	return c.fresh()
}

// configured returns a configuration table of a Thing. It must not be changed.
func (p *Platform) configured(t *thing, name string) (*infotable.Table, *configTable, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, err := t.configTable(name)
	if err != nil {
		return nil, nil, err
	}
	return p.hidden(t.tableNow(c)), c, nil
}

// configure changes a table, and starts the Thing again with it, as saving in Composer does.
func (p *Platform) configure(c *call, name string, in *infotable.Table,
	combine func(c *configTable, old, in *infotable.Table) (*infotable.Table, error)) error {
	t := c.thing
	t.mu.Lock()
	err := func() error {
		definition, err := t.configTable(name)
		if err != nil {
			return err
		}
		table, err := combine(definition, t.tableNow(definition), in)
		if err != nil {
			return Refuse(Invalid, "configuration table %s of Thing %s: %v", name, t.name, err)
		}
		if t.config == nil {
			t.config = map[string]*infotable.Table{}
		}
		t.config[name] = p.hidden(table)
		return nil
	}()
	t.mu.Unlock()
	if err != nil {
		return err
	}
	p.changed(t)
	p.restarted(c.ctx, t)
	return nil
}

// hidden is the table with its passwords encrypted.
func (p *Platform) hidden(table *infotable.Table) *infotable.Table {
	if !slices.ContainsFunc(table.Fields, func(f infotable.Field) bool { return f.Type == infotable.TypePassword }) {
		return table
	}
	out := infotable.New(table.Fields...)
	for _, row := range table.Rows {
		row = slices.Clone(row)
		for i := range row {
			row[i] = p.hide(row[i])
		}
		out.Add(row...)
	}
	return out
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
		at := c.find(table, in, i)
		if at < 0 || at >= len(table.Rows) {
			at = len(table.Rows)
			table.Add(c.defaults()...)
		}
		row, err := c.row(slices.Clone(table.Rows[at]), in, i)
		if err != nil {
			return nil, err
		}
		table.Rows[at] = row
	}
	return table, c.check(table)
}

// without is old without the rows whose keys in has.
func (c *configTable) without(old, in *infotable.Table) (*infotable.Table, error) {
	table := infotable.New(c.fields...)
	table.Rows = slices.Clone(old.Rows)
	for i := range in.Rows {
		if at := c.find(table, in, i); at >= 0 {
			table.Rows = slices.Delete(table.Rows, at, at+1)
		}
	}
	return table, c.check(table)
}

// find returns the row that a row of in is about, -1 for none: that of the same key or, with one row, the first.
func (c *configTable) find(table, in *infotable.Table, i int) int {
	if !c.multiRow {
		return 0
	}
	key := c.key()
	if key < 0 {
		return -1
	}
	wanted := in.At(i, c.fields[key].Name).Unwrap()
	return slices.IndexFunc(table.Rows, func(r infotable.Row) bool { return keyText(r.Cell(key)) == keyText(wanted) })
}

// key returns the column that is the primary key of the rows of a multi-row table, -1 if none is.
func (c *configTable) key() int {
	return slices.IndexFunc(c.fields, func(f infotable.Field) bool {
		is, _ := f.Aspect(aspectPrimaryKey).Boolean()
		return is
	})
}

// keyText is a key as text, the same for values that only differ in their type.
func keyText(v infotable.Value) string {
	if f, ok := v.Number(); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	text, _ := formatText(v)
	return text
}

// row puts the cells of a row of in into row.
func (c *configTable) row(row infotable.Row, in *infotable.Table, i int) (infotable.Row, error) {
	for j, f := range in.Fields {
		at := c.column(f.Name)
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
	at := c.key()
	if at < 0 {
		return nil
	}
	seen := map[string]bool{}
	for i, row := range table.Rows {
		key := keyText(row.Cell(at))
		if strings.TrimSpace(key) == "" || seen[key] {
			return Refuse(Invalid, "row %d: its key, the column %s, must be given and not be that of another row", i+1, c.fields[at].Name)
		}
		seen[key] = true
	}
	return nil
}
