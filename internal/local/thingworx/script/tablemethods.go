package script

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/tablejson"
)

// maxFields bounds the columns of a table that a script makes.
const maxFields = 1024

// tableMembers are the functions of an infotable.
func tableMembers() members {
	count := tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.rt.ToValue(len(t.rows)) })
	toJSON := tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.tableJSON(t.export()) })
	return members{
		"getRowCount": count, "getLength": count, "RowCount": count,
		"ToJSON": toJSON, "toJSON": toJSON,
		"isEmpty":        tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.rt.ToValue(len(t.rows) == 0) }),
		"AddRow":         tableMethod((*table).addRow),
		"RemoveRow":      tableMethod((*table).removeRow),
		"RemoveAllRows":  tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { t.rows = nil; return goja.Undefined() }),
		"AddField":       tableMethod((*table).addField),
		"RemoveField":    tableMethod((*table).removeField),
		"Find":           tableMethod((*table).find),
		"Filter":         tableMethod((*table).filter),
		"Delete":         tableMethod((*table).deleteRows),
		"Sort":           tableMethod((*table).sort),
		"topN":           tableMethod((*table).topN),
		"topNToNewTable": tableMethod((*table).topNToNewTable),
		"CopyValues":     tableMethod((*table).copyValues),
		"clone":          tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.wrap(t.export()).object }),
		"getField":       tableMethod((*table).getField),
		"hasField": tableMethod(func(t *table, c goja.FunctionCall) goja.Value {
			return t.r.rt.ToValue(t.field(c.Argument(0).String()) >= 0)
		}),
		"getFieldCount": tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.rt.ToValue(len(t.fields)) }),
		"getDataShape":  tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.shape(t.fields) }),
	}.with(listMembers())
}

// listMembers are the functions of a table's rows, which a table has itself, too.
func listMembers() members {
	return members{
		"getLength": tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.r.rt.ToValue(len(t.rows)) }),
		"getRow":    tableMethod(func(t *table, c goja.FunctionCall) goja.Value { return t.rowAt(int(c.Argument(0).ToInteger())) }),
		"getFirstRow": tableMethod(func(t *table, _ goja.FunctionCall) goja.Value {
			return t.rowAt(0)
		}),
		"getLastRow": tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.rowAt(len(t.rows) - 1) }),
		"toArray":    tableMethod(func(t *table, _ goja.FunctionCall) goja.Value { return t.array() }),
	}
}

// tableMethod is a function that is called on an infotable or on its rows.
func tableMethod(f func(t *table, call goja.FunctionCall) goja.Value) member {
	return method(func(r *run, call goja.FunctionCall) goja.Value {
		t := tableOf(call.This)
		if t == nil {
			r.throwf("this function is called on an infotable")
		}
		return f(t, call)
	})
}

func tableOf(js goja.Value) *table {
	object, ok := js.(*goja.Object)
	if !ok {
		return nil
	}
	if t := asTable(object); t != nil {
		return t
	}
	if object.ExportType() == reflect.TypeFor[*rowList]() {
		if l, ok := object.Export().(*rowList); ok {
			return l.t
		}
	}
	return nil
}

func iterateRows(this goja.Value) goja.Value {
	t := tableOf(this)
	values, _ := goja.AssertFunction(t.r.prototype("Array").Get("values"))
	return t.r.must(values(t.array()))
}

func (t *table) array() goja.Value {
	all := make([]any, len(t.rows))
	for i, w := range t.rows {
		all[i] = w.js()
	}
	return t.r.rt.NewArray(all...)
}

func (t *table) rowAt(i int) goja.Value {
	if i < 0 || i >= len(t.rows) {
		return goja.Undefined()
	}
	return t.rows[i].js()
}

func (t *table) addRow(call goja.FunctionCall) goja.Value {
	t.rows = append(t.rows, t.newRow(call.Argument(0)))
	return goja.Undefined()
}

func (t *table) removeRow(call goja.FunctionCall) goja.Value {
	i := call.Argument(0).ToInteger()
	if i < 0 || i >= int64(len(t.rows)) {
		t.r.throwf("RemoveRow: the infotable has no row %d", i)
	}
	t.rows = slices.Delete(t.rows, int(i), int(i)+1)
	return goja.Undefined()
}

func (t *table) addField(call goja.FunctionCall) goja.Value {
	object, ok := call.Argument(0).(*goja.Object)
	if !ok || isMissing(object.Get("name")) || isMissing(object.Get("baseType")) {
		t.r.throwf(`AddField: expected an object such as {name: "x", baseType: "STRING"}`)
	}
	base, err := infotable.ParseBaseType(object.Get("baseType").String())
	t.r.check(named("AddField", err))
	field := infotable.Column(object.Get("name").String(), base)
	if d := object.Get("description"); !isMissing(d) {
		field.Description = d.String()
	}
	if t.field(field.Name) >= 0 {
		return goja.Undefined()
	}
	if len(t.fields) >= maxFields {
		t.r.throwf("AddField: more than %d fields", maxFields)
	}
	t.fields = append(t.fields[:len(t.fields):len(t.fields)], field)
	return goja.Undefined()
}

func (t *table) removeField(call goja.FunctionCall) goja.Value {
	i := t.field(call.Argument(0).String())
	if i < 0 {
		return goja.Undefined()
	}
	for _, w := range t.rows {
		w.remove(i)
	}
	t.fields = slices.Concat(t.fields[:i], t.fields[i+1:])
	return goja.Undefined()
}

// matcher returns what tells the rows that have all of the given values.
func (t *table) matcher(what string, js goja.Value) func(w *row) bool {
	object, ok := js.(*goja.Object)
	if !ok {
		t.r.throwf("%s: expected an object with values of fields", what)
	}
	wanted := map[int]infotable.Value{}
	for _, name := range keysOf(object) {
		i := t.field(name)
		if i < 0 {
			t.r.throwf("%s: the infotable has no field %q", what, name)
		}
		v, err := t.r.fromJS(object.Get(name), t.fields[i], nil)
		t.r.check(named(what+": field "+name, err))
		wanted[i] = v
	}
	return func(w *row) bool {
		for i, v := range wanted {
			if compare(w.value(i), v, true) != 0 {
				return false
			}
		}
		return true
	}
}

func (t *table) find(call goja.FunctionCall) goja.Value {
	matches := t.matcher("Find", call.Argument(0))
	for _, w := range t.rows {
		if matches(w) {
			return w.js()
		}
	}
	return goja.Undefined()
}

func (t *table) filter(call goja.FunctionCall) goja.Value {
	matches := t.matcher("Filter", call.Argument(0))
	t.rows = slices.DeleteFunc(t.rows, func(w *row) bool { return !matches(w) })
	return goja.Undefined()
}

func (t *table) deleteRows(call goja.FunctionCall) goja.Value {
	before := len(t.rows)
	t.rows = slices.DeleteFunc(t.rows, t.matcher("Delete", call.Argument(0)))
	return t.r.rt.ToValue(before - len(t.rows))
}

// sort takes {name, ascending}; the order of equal rows stays.
func (t *table) sort(call goja.FunctionCall) goja.Value {
	object, ok := call.Argument(0).(*goja.Object)
	if !ok {
		t.r.throwf(`Sort: expected an object such as {name: "x", ascending: true}`)
	}
	name := object.Get("name")
	if isMissing(name) {
		t.r.throwf("Sort: the name of the field is missing")
	}
	i := t.field(name.String())
	if i < 0 {
		t.r.throwf("Sort: the infotable has no field %q", name)
	}
	sign := 1
	if ascending := object.Get("ascending"); !isMissing(ascending) && !ascending.ToBoolean() {
		sign = -1
	}
	slices.SortStableFunc(t.rows, func(a, b *row) int { return sign * compare(a.value(i), b.value(i), true) })
	return goja.Undefined()
}

func (t *table) topN(call goja.FunctionCall) goja.Value {
	t.rows = t.rows[:most(len(t.rows), call.Argument(0))]
	return goja.Undefined()
}

func (t *table) topNToNewTable(call goja.FunctionCall) goja.Value {
	top := t.r.newTable(t.fields)
	for _, w := range t.rows[:most(len(t.rows), call.Argument(0))] {
		top.rows = append(top.rows, top.copyRow(w))
	}
	return top.object
}

func most(n int, js goja.Value) int {
	return int(min(int64(n), max(0, js.ToInteger())))
}

func (t *table) copyValues(call goja.FunctionCall) goja.Value {
	i := call.Argument(0).ToInteger()
	if i < 0 || i >= int64(len(t.rows)) {
		t.r.throwf("CopyValues: the infotable has no row %d", i)
	}
	return t.rows[i].alone().object
}

func (t *table) getField(call goja.FunctionCall) goja.Value {
	if i := t.field(call.Argument(0).String()); i >= 0 {
		return t.r.fieldObject(t.fields, i)
	}
	return goja.Null()
}

// tableJSON is the plain object that a table is as JSON.
func (r *run) tableJSON(t *infotable.Table) *goja.Object {
	text, err := tablejson.AppendTable(nil, t)
	r.check(err)
	js, err := r.parseJSON(string(text))
	r.check(err)
	return js.ToObject(r.rt)
}

// infotable makes a table of what a script gives for an INFOTABLE: a table, a row, the JSON of a table, or, where the
// fields are known, objects with their names.
func (r *run) infotable(js goja.Value, field infotable.Field, shape []infotable.Field) (infotable.Value, error) {
	object, ok := js.(*goja.Object)
	if !ok {
		v, err := decodeText(infotable.TypeInfotable, js.String())
		if err != nil {
			return v, r.mismatch(infotable.TypeInfotable, js)
		}
		return v, nil
	}
	if t := tableOf(object); t != nil {
		return infotable.FromTable(t.export()), nil
	}
	if w := asRow(object); w != nil {
		return infotable.FromTable(w.alone().export()), nil
	}
	return r.plainTable(object, r.fieldsOf(field, shape))
}

// fieldsOf are the fields of the data shape that a field names, else shape.
func (r *run) fieldsOf(field infotable.Field, shape []infotable.Field) []infotable.Field {
	name, ok := field.Aspect("dataShape").Text()
	if !ok || name == "" {
		return shape
	}
	if e, ok := r.engine.host.Entity(r.ctx, "DataShapes", name); ok {
		if t, err := e.Values(); err == nil {
			return t.Fields
		}
	}
	return shape
}

func (r *run) plainTable(object *goja.Object, fields []infotable.Field) (infotable.Value, error) {
	rows := object.Get("rows")
	if object.ClassName() == "Array" {
		rows = object
	} else if !isMissing(object.Get("dataShape")) {
		text, err := r.stringify(object)
		if err != nil {
			return infotable.Nothing(), err
		}
		return decodeText(infotable.TypeInfotable, text)
	}
	if len(fields) == 0 {
		return infotable.Nothing(), fmt.Errorf("expected INFOTABLE, got %s: make one with CreateInfoTableFromDataShape, "+
			"or give its JSON with dataShape and rows", described(object))
	}
	t := r.newTable(fields)
	if isMissing(rows) { // one row
		t.rows = []*row{t.newRow(object)}
		return infotable.FromTable(t.export()), nil
	}
	list := rows.ToObject(r.rt)
	for _, key := range list.Keys() {
		t.rows = append(t.rows, t.newRow(list.Get(key)))
	}
	return infotable.FromTable(t.export()), nil
}

// decodeText reads the text of a JSON value as one of a base type; plain text is taken for a location's.
func decodeText(t infotable.BaseType, text string) (infotable.Value, error) {
	raw := []byte(text)
	if t == infotable.TypeLocation {
		raw = []byte(fmt.Sprintf("%q", text))
	}
	return tablejson.DecodeValue(t, raw)
}
