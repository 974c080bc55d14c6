package script

import (
	"reflect"
	"strconv"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// table is an infotable in a script's hands. The script changes it as it likes: what it was made from stays as it is.
// A name that is a field reads and writes the first row.
type table struct {
	r      *run
	fields []infotable.Field
	rows   []*row
	object *goja.Object
	list   *goja.Object // rows, once asked for
}

// Types of the Go values behind objects, to tell them without looking at the content of others.
func asTable(object *goja.Object) *table {
	if object.ExportType() != reflect.TypeFor[*table]() {
		return nil
	}
	t, _ := object.Export().(*table)
	return t
}

func asRow(object *goja.Object) *row {
	if object.ExportType() != reflect.TypeFor[*row]() {
		return nil
	}
	w, _ := object.Export().(*row)
	return w
}

func asEntity(object *goja.Object) *entity {
	if object.ExportType() != reflect.TypeFor[*entity]() {
		return nil
	}
	e, _ := object.Export().(*entity)
	return e
}

// newTable returns an empty table; fields are not changed.
func (r *run) newTable(fields []infotable.Field) *table {
	t := &table{r: r, fields: fields[:len(fields):len(fields)]}
	t.object = r.rt.NewDynamicObject(t)
	r.check(t.object.SetPrototype(r.proto("table", r.engine.tables, iterateRows)))
	return t
}

// wrap puts a table of the platform, which is not changed, into the script's hands.
func (r *run) wrap(from *infotable.Table) *table {
	if from == nil {
		from = &infotable.Table{}
	}
	t := r.newTable(from.Fields)
	t.rows = make([]*row, len(from.Rows))
	block := make([]row, len(from.Rows))
	for i, cells := range from.Rows {
		block[i] = row{t: t, cells: cells, shared: true}
		t.rows[i] = &block[i]
	}
	return t
}

// export copies the table, for the platform to keep.
func (t *table) export() *infotable.Table {
	out := &infotable.Table{Fields: append([]infotable.Field(nil), t.fields...), Rows: make([]infotable.Row, len(t.rows))}
	for i, w := range t.rows {
		out.Rows[i] = w.export()
	}
	return out
}

func (t *table) field(name string) int {
	for i := range t.fields {
		if t.fields[i].Name == name {
			return i
		}
	}
	return -1
}

func (t *table) names() []string {
	names := make([]string, len(t.fields))
	for i := range t.fields {
		names[i] = t.fields[i].Name
	}
	return names
}

// Get gives the number of rows, the rows, the data shape, a row by its index, or a field of the first row.
func (t *table) Get(key string) goja.Value {
	switch key {
	case "length":
		return t.r.rt.ToValue(len(t.rows))
	case "rows":
		return t.rowList()
	case "dataShape":
		return t.r.shape(t.fields)
	}
	if i := t.field(key); i >= 0 && t.r.engine.tables[key] == nil {
		if len(t.rows) == 0 {
			return goja.Undefined()
		}
		return t.rows[0].get(i)
	}
	if i, ok := index(key); ok && i < len(t.rows) {
		return t.rows[i].js()
	}
	return nil
}

// Set writes a field of the first row, which is made if the table is empty.
func (t *table) Set(key string, js goja.Value) bool {
	i := t.field(key)
	if i < 0 || t.r.engine.tables[key] != nil {
		t.r.throwf("the infotable has no field %q", key)
	}
	if len(t.rows) == 0 {
		w := &row{t: t}
		w.set(i, js)
		t.rows = append(t.rows, w)
		return true
	}
	t.rows[0].set(i, js)
	return true
}

func (t *table) Has(key string) bool {
	if key == "length" || key == "rows" || key == "dataShape" || t.field(key) >= 0 {
		return true
	}
	i, ok := index(key)
	return ok && i < len(t.rows)
}

func (t *table) Delete(string) bool { return false }
func (t *table) Keys() []string     { return t.names() }

// index reads a row's index.
func index(key string) (int, bool) {
	if key == "" || key[0] < '0' || key[0] > '9' {
		return 0, false
	}
	i, err := strconv.Atoi(key)
	return i, err == nil
}

func (t *table) rowList() goja.Value {
	if t.list == nil {
		t.list = t.r.rt.NewDynamicArray(&rowList{t: t})
		t.r.check(t.list.SetPrototype(t.r.proto("rows", t.r.engine.lists, iterateRows)))
	}
	return t.list
}

// rowList is the rows of a table: an index, a length and a few functions, but not those of an array.
type rowList struct{ t *table }

// Len returns the number of rows.
func (l *rowList) Len() int { return len(l.t.rows) }

// Get returns the row at an index.
func (l *rowList) Get(i int) goja.Value {
	if i < 0 || i >= len(l.t.rows) {
		return nil
	}
	return l.t.rows[i].js()
}

// Set replaces the row at an index.
func (l *rowList) Set(i int, js goja.Value) bool {
	if i < 0 || i >= len(l.t.rows) {
		l.t.r.throwf("the infotable has no row %d", i)
	}
	l.t.rows[i] = l.t.newRow(js)
	return true
}

// SetLen refuses to change the number of rows.
func (l *rowList) SetLen(n int) bool { return n == len(l.t.rows) }

// newRow makes a row from an object or another row. What is null or no field of the table is left out.
func (t *table) newRow(js goja.Value) *row {
	object, ok := js.(*goja.Object)
	if !ok {
		t.r.throwf("a row is an object with the names of the fields, not %s", described(js))
	}
	w := &row{t: t}
	for _, name := range keysOf(object) {
		if i := t.field(name); i >= 0 {
			w.set(i, object.Get(name))
		}
	}
	return w
}

// copyRow makes a row from one of another table, whose fields may be others.
func (t *table) copyRow(from *row) *row {
	w := &row{t: t}
	for i := range from.t.fields {
		if at := t.field(from.t.fields[i].Name); at >= 0 {
			w.put(at, from.value(i))
		}
	}
	return w
}
