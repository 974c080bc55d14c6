package infotable

// Aspect is a named value that qualifies a field, such as isPrimaryKey or defaultValue.
type Aspect struct {
	Name  string
	Value Value
}

// Field is one column. The name of the data shape that a table has is never on the wire, only its fields.
type Field struct {
	Name        string
	Description string
	Type        BaseType
	Aspects     []Aspect // usual names: isPrimaryKey, ordinal, defaultValue, dataShape, minimumValue, maximumValue, units
}

// Column returns a Field without description and aspects.
func Column(name string, t BaseType) Field { return Field{Name: name, Type: t} }

// Aspect returns the value of the aspect called name, NOTHING if there is none.
func (f Field) Aspect(name string) Value {
	for _, a := range f.Aspects {
		if a.Name == name {
			return a.Value
		}
	}
	return Nothing()
}

// Row holds one value per field, in the order of the fields. A short row is completed with NOTHING
// when it is written. A cell's own type need not be that of its field.
type Row []Value

// Table is an infotable: typed columns and rows.
type Table struct {
	Fields []Field
	Rows   []Row
}

// New returns an empty table with these columns.
func New(fields ...Field) *Table { return &Table{Fields: fields} }

// Single returns a table of one row and one column, as services use it for a plain result ("result").
func Single(name string, v Value) *Table {
	return &Table{Fields: []Field{Column(name, v.Type())}, Rows: []Row{{v}}}
}

// Cell is a named value, one column of a table of one row.
type Cell struct {
	Name  string
	Value Value
}

// OneRow returns a table of one row, one column per cell, as services use it for their parameters.
// Each column takes the type of its value; for a null of another type build the Table by hand.
func OneRow(cells ...Cell) *Table {
	t := &Table{Fields: make([]Field, len(cells)), Rows: []Row{make(Row, len(cells))}}
	for i, c := range cells {
		t.Fields[i] = Column(c.Name, c.Value.Type())
		t.Rows[0][i] = c.Value
	}
	return t
}

// Add appends a row and returns the table.
func (t *Table) Add(cells ...Value) *Table {
	t.Rows = append(t.Rows, cells)
	return t
}

// Index returns the position of the column called name, -1 if there is none. A nil table has no columns.
func (t *Table) Index(name string) int {
	if t == nil {
		return -1
	}
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// At returns the cell of a row in the column called name; NOTHING if the row, the column or the cell is missing.
func (t *Table) At(row int, name string) Value {
	col := t.Index(name)
	if col < 0 || row < 0 || row >= len(t.Rows) || col >= len(t.Rows[row]) {
		return Nothing()
	}
	return t.Rows[row][col]
}

// First returns the cell of the first row in the column called name, as parameters are read; NOTHING if missing.
func (t *Table) First(name string) Value { return t.At(0, name) }

// Len returns the number of rows; 0 for a nil table.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.Rows)
}

// Equal reports whether both tables have equal fields and rows. Nil equals only nil.
func (t *Table) Equal(other *Table) bool {
	if t == nil || other == nil {
		return t == other
	}
	if len(t.Fields) != len(other.Fields) || len(t.Rows) != len(other.Rows) {
		return false
	}
	for i := range t.Fields {
		if !t.Fields[i].equal(&other.Fields[i]) {
			return false
		}
	}
	for i := range t.Rows {
		if !t.Rows[i].equal(other.Rows[i]) {
			return false
		}
	}
	return true
}

func (f *Field) equal(other *Field) bool {
	if f.Name != other.Name || f.Description != other.Description || f.Type != other.Type ||
		len(f.Aspects) != len(other.Aspects) {
		return false
	}
	for i := range f.Aspects {
		if f.Aspects[i].Name != other.Aspects[i].Name || !f.Aspects[i].Value.Equal(other.Aspects[i].Value) {
			return false
		}
	}
	return true
}

func (r Row) equal(other Row) bool {
	if len(r) != len(other) {
		return false
	}
	for i := range r {
		if !r[i].Equal(other[i]) {
			return false
		}
	}
	return true
}

// Cell returns the cell at a position, NOTHING if the row has none there.
func (r Row) Cell(at int) Value {
	if at < 0 || at >= len(r) {
		return Nothing()
	}
	return r[at]
}
