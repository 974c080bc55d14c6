package script

import (
	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// row is one row of a table in a script's hands: to change it is to change the table.
type row struct {
	t      *table
	cells  infotable.Row
	shared bool           // cells belong to the platform: copied before a change
	tables map[int]*table // cells that are tables and were handed out, so that the script may have changed them
	object *goja.Object
}

// js returns the object for the row, which is the same each time.
func (w *row) js() goja.Value {
	if w.object == nil {
		w.object = w.t.r.rt.NewDynamicObject(w)
		w.t.r.check(w.object.SetPrototype(w.t.r.proto("row", w.t.r.engine.rows, nil)))
	}
	return w.object
}

// value returns a cell as the platform has it.
func (w *row) value(i int) infotable.Value {
	if t := w.tables[i]; t != nil {
		return infotable.FromTable(t.export())
	}
	return w.cells.Cell(i)
}

func (w *row) export() infotable.Row {
	out := make(infotable.Row, len(w.t.fields))
	for i := range out {
		out[i] = w.value(i)
	}
	return out
}

func (w *row) get(i int) goja.Value {
	if t := w.tables[i]; t != nil {
		return t.object
	}
	v := w.cells.Cell(i)
	js := w.t.r.toJS(v)
	if object, ok := js.(*goja.Object); ok && v.Unwrap().Type() == infotable.TypeInfotable {
		if w.tables == nil {
			w.tables = map[int]*table{}
		}
		w.tables[i] = asTable(object)
	}
	return js
}

// set converts a script's value to the field's base type. A table is copied.
func (w *row) set(i int, js goja.Value) {
	v, err := w.t.r.fromJS(js, w.t.fields[i], nil)
	w.t.r.check(named("field "+w.t.fields[i].Name, err))
	w.put(i, v)
}

func (w *row) put(i int, v infotable.Value) {
	if w.shared || i >= len(w.cells) {
		cells := make(infotable.Row, len(w.t.fields))
		copy(cells, w.cells)
		w.cells, w.shared = cells, false
	}
	delete(w.tables, i)
	w.cells[i] = v
}

// remove takes a column away.
func (w *row) remove(at int) {
	cells := make(infotable.Row, 0, len(w.cells))
	for i := range len(w.t.fields) {
		if i != at {
			cells = append(cells, w.value(i))
		}
	}
	w.cells, w.shared, w.tables = cells, false, nil
}

// Get returns a field.
func (w *row) Get(key string) goja.Value {
	if i := w.t.field(key); i >= 0 {
		return w.get(i)
	}
	return nil
}

// Set writes a field.
func (w *row) Set(key string, js goja.Value) bool {
	i := w.t.field(key)
	if i < 0 {
		w.t.r.throwf("the row has no field %q", key)
	}
	w.set(i, js)
	return true
}

// Has reports whether there is such a field.
func (w *row) Has(key string) bool { return w.t.field(key) >= 0 }

// Delete empties a field.
func (w *row) Delete(key string) bool {
	if i := w.t.field(key); i >= 0 {
		w.put(i, infotable.Nothing())
	}
	return true
}

// Keys returns the names of the fields that have a value.
func (w *row) Keys() []string {
	names := make([]string, 0, len(w.t.fields))
	for i := range w.t.fields {
		if w.tables[i] != nil || !w.cells.Cell(i).IsNothing() {
			names = append(names, w.t.fields[i].Name)
		}
	}
	return names
}

// rowMembers are the functions of a row.
func rowMembers() members {
	return members{
		"getValue": rowMethod(func(w *row, call goja.FunctionCall) goja.Value {
			if v := w.Get(call.Argument(0).String()); v != nil {
				return v
			}
			return goja.Undefined()
		}),
		"setValue": rowMethod(func(w *row, call goja.FunctionCall) goja.Value {
			w.Set(call.Argument(0).String(), call.Argument(1))
			return goja.Undefined()
		}),
		"has": rowMethod(func(w *row, call goja.FunctionCall) goja.Value {
			i := w.t.field(call.Argument(0).String())
			return w.t.r.rt.ToValue(i >= 0 && !w.value(i).IsNothing())
		}),
		"clone": rowMethod(func(w *row, _ goja.FunctionCall) goja.Value { return w.alone().rows[0].js() }),
		"toInfoTable": rowMethod(func(w *row, _ goja.FunctionCall) goja.Value {
			return w.alone().object
		}),
		"toJSON": rowMethod(func(w *row, _ goja.FunctionCall) goja.Value {
			whole := w.t.r.tableJSON(w.alone().export())
			return whole.Get("rows").ToObject(w.t.r.rt).Get("0")
		}),
	}
}

// alone copies the row into a table of its own.
func (w *row) alone() *table {
	t := w.t.r.newTable(w.t.fields)
	t.rows = []*row{t.copyRow(w)}
	return t
}

func rowMethod(f func(w *row, call goja.FunctionCall) goja.Value) member {
	return method(func(r *run, call goja.FunctionCall) goja.Value {
		if object, ok := call.This.(*goja.Object); ok {
			if w := asRow(object); w != nil {
				return f(w, call)
			}
		}
		r.throwf("this function is called on a row of an infotable")
		return nil
	})
}
