package script

import (
	"context"
	"testing"

	"azx/alwayson/infotable"
)

// parts is code that makes a table t of ids and weights.
const parts = `var t = DataShapes["Part"].CreateValues();
t.AddRow({id: "b", weight: 2}); t.AddRow({id: "a", weight: 3}); t.AddRow({id: "c", weight: 1});
`

func TestAnInfotable(t *testing.T) {
	table, text, number := infotable.TypeInfotable, infotable.TypeString, infotable.TypeNumber
	runAll(t, []script{
		{name: "has rows by index", code: parts + `var result = t.rows[1].id + t[2].id + t.rows.getRow(0).id + t.getRow(0).weight;`, result: text, want: "acb2"},
		{name: "has a length in many ways", code: parts + `var result = [t.length, t.rows.length, t.getRowCount(), t.RowCount(), t.getLength(), t.rows.getLength(), t.isEmpty()].join();`,
			result: text, want: "3,3,3,3,3,3,false"},
		{name: "has a first and a last row", code: parts + `var result = t.rows.getFirstRow().id + t.rows.getLastRow().id + t.getFirstRow().id + t.getLastRow().id;`, result: text, want: "bcbc"},
		{name: "has no row beyond its end", code: parts + `var result = [typeof t.rows[3], typeof t.rows[-1], typeof t.getRow(7), typeof t[9]].join();`, result: text, want: "undefined,undefined,undefined,undefined"},
		{name: "gives its rows as an array", code: parts + `var result = t.rows.toArray().map(function(r) { return r.id; }).join("");`, result: text, want: "bac"},
		{name: "has rows without the functions of an array", code: parts + `var result = typeof t.rows.forEach;`, result: text, want: "undefined"},
		{name: "can be looped over", code: parts + `var result = ""; for (var i in t.rows) { result += t.rows[i].id; } for (var r of t) { result += r.id; } for (var q of t.rows) { result += q.id; }`, result: text, want: "bacbacbac"},
		{name: "reads fields of its first row", code: parts + `var result = t.id + t.weight;`, result: text, want: "b2"},
		{name: "has no first row when empty", code: `var t = DataShapes.Part.CreateValues(); var result = typeof t.id;`, result: text, want: "undefined"},
		{name: "makes its first row when a field is set", code: `var t = DataShapes.Part.CreateValues(); t.id = "x"; t.weight = "4"; var result = t;`, result: table, want: "id,weight|x,4"},
		{name: "writes fields of its first row", code: parts + `t.id = "z"; var result = t;`, result: table, want: "id,weight|z,2|a,3|c,1"},
		{name: "refuses fields that it does not have", code: parts + `t.other = 1;`, fails: true,
			want: `Things/Pump/Services/S: line 3, column 3: the infotable has no field "other"`},
		{name: "has live rows", code: parts + `var r = t.rows[1]; r.weight = 9; t.rows[0].id = "q"; var result = t;`, result: table, want: "id,weight|q,2|a,9|c,1"},
		{name: "refuses a cell of the wrong type", code: parts + `t.rows[0].weight = "x";`, fails: true,
			want: `Things/Pump/Services/S: line 3, column 11: field weight: expected NUMBER, got "x"`},
		{name: "drops nulls and unknown fields of new rows", code: `var t = DataShapes.Part.CreateValues(); t.AddRow({id: null, weight: 1, other: 2}); var result = t;`, result: table, want: "id,weight|-,1"},
		{name: "refuses rows that are no objects", code: `var t = DataShapes.Part.CreateValues(); t.AddRow("x");`, fails: true,
			want: `Things/Pump/Services/S: line 1, column 49: a row is an object with the names of the fields, not "x"`},
		{name: "takes rows of other tables", code: parts + `var u = DataShapes.Part.CreateValues(); u.AddRow(t.rows[1]); t.rows[1].id = "new"; var result = u;`, result: table, want: "id,weight|a,3"},
		{name: "replaces a row", code: parts + `t.rows[0] = {id: "new"}; var result = t;`, result: table, want: "id,weight|new,-|a,3|c,1"},
		{name: "removes rows", code: parts + `t.RemoveRow(1); var result = t;`, result: table, want: "id,weight|b,2|c,1"},
		{name: "removes no row that is not there", code: parts + `t.RemoveRow(3);`, fails: true,
			want: `Things/Pump/Services/S: line 3, column 12: RemoveRow: the infotable has no row 3`},
		{name: "removes all rows", code: parts + `t.RemoveAllRows(); var result = t;`, result: table, want: "id,weight"},
		{name: "gets fields", code: parts + `t.AddField({name: "on", baseType: "boolean"}); t.rows[0].on = true; var result = t;`, result: table, want: "id,weight,on|b,2,true|a,3,-|c,1,-"},
		{name: "gets no field of an unknown type", code: parts + `t.AddField({name: "x", baseType: "THING"});`, fails: true,
			want: `Things/Pump/Services/S: line 3, column 11: AddField: parse base type "THING": unsupported base type`},
		{name: "loses fields", code: parts + `t.RemoveField("id"); t.RemoveField("none"); var result = t;`, result: table, want: "weight|2|3|1"},
		{name: "finds a row", code: parts + `var r = t.Find({weight: "3"}); var result = r.id + typeof t.Find({id: "x"});`, result: text, want: "aundefined"},
		{name: "finds by fields that it has", code: parts + `t.Find({other: 1});`, fails: true,
			want: `Things/Pump/Services/S: line 3, column 7: Find: the infotable has no field "other"`},
		{name: "keeps the rows of a filter", code: parts + `t.Filter({id: "a"}); var result = t;`, result: table, want: "id,weight|a,3"},
		{name: "deletes rows by values", code: parts + `var n = t.Delete({id: "a"}); t.AddRow({weight: n}); var result = t;`, result: table, want: "id,weight|b,2|c,1|-,1"},
		{name: "sorts up", code: parts + `t.Sort({name: "weight"}); var result = t;`, result: table, want: "id,weight|c,1|b,2|a,3"},
		{name: "sorts down", code: parts + `t.Sort({name: "id", ascending: false}); var result = t;`, result: table, want: "id,weight|c,1|b,2|a,3"},
		{name: "keeps its top", code: parts + `t.topN(2); var result = t;`, result: table, want: "id,weight|b,2|a,3"},
		{name: "keeps no more than it has", code: parts + `t.topN(20); t.topN(-1); var result = t;`, result: table, want: "id,weight"},
		{name: "copies its top", code: parts + `var u = t.topNToNewTable(1); u.id = "new"; var result = t.id + u.id + u.length;`, result: text, want: "bnew1"},
		{name: "copies a row", code: parts + `var u = t.CopyValues(1); u.id = "new"; var result = t.rows[1].id + u.id;`, result: text, want: "anew"},
		{name: "is cloned", code: parts + `var u = t.clone(); u.id = "new"; u.AddRow({id: "x"}); var result = t.id + u.id + t.length + u.length;`, result: text, want: "bnew34"},
		{name: "is JSON", code: parts + `t.topN(1); var j = t.ToJSON(); var result = j.rows[0].id + j.dataShape.fieldDefinitions.weight.baseType + JSON.stringify(t).length;`, result: text, want: "bNUMBER247"},
		{name: "has a data shape", code: parts + `var f = t.dataShape.fields; var names = []; for (var n in f) { names.push(n + ":" + f[n].baseType + ":" + f[n].ordinal + ":" + f[n].getName()); } var result = names.join();`,
			result: text, want: "id:STRING:1:id,weight:NUMBER:2:weight"},
		{name: "knows its fields", code: parts + `var result = [t.hasField("id"), t.hasField("x"), t.getField("id").baseType, t.getField("x"), t.getFieldCount(), t.dataShape.hasField("id"), t.getDataShape().getFieldDefinition("weight").getBaseType(), DataShapes.Pump.CreateValues().dataShape.hasPrimaryKey(), t.dataShape.hasPrimaryKey()].join();`,
			result: text, want: "true,false,STRING,,2,true,NUMBER,true,false"},
		{name: "lists its fields", code: parts + `var result = Object.keys(t).join() + ":" + Object.keys(t.rows[0]).join();`, result: text, want: "id,weight:id,weight"},
		{name: "of a property is a copy", code: `me.table.rows[0].name = "new"; me.table.AddRow({name: "x"}); var result = me.table.rows[0].name + me.table.length;`, result: text, want: "p12"},
		{name: "of a property can be written back", code: `var t = me.table; t.rows[0].name = "new"; me.table = t; t.rows[0].name = "newer"; var result = me.table.name;`, result: text, want: "new"},
		{name: "holds tables that are live once they are in", code: `var t = DataShapes.Pump.CreateValues(); t.AddRow({parts: DataShapes.Part.CreateValues()}); t.parts.AddRow({id: "x"}); t.rows[0].parts.AddRow({id: "y"}); var result = t.parts.length + t.parts.rows[1].id;`,
			result: text, want: "2y"},
		{name: "makes nested tables of JSON by their data shape", code: `var t = DataShapes.Pump.CreateValues(); t.AddRow({parts: [{id: "x", weight: 1}, {id: "y"}]}); var result = t.parts;`, result: table, want: "id,weight|x,1|y,-"},
		{name: "can hold itself", code: `var t = DataShapes.Pump.CreateValues(); t.AddRow({name: "x"}); t.parts = t; t.parts.parts = t; var result = t.parts.length;`, result: number, want: "1"},
		{name: "gives dates of rows as Date", code: `var t = DataShapes.Pump.CreateValues(); t.AddRow({since: 5, data: {a: [1]}, tags: ["V:T"]}); var result = "" + (t.since instanceof Date) + t.rows[0].data.a[0] + t.tags;`, result: text, want: "true1V:T"},
		{name: "is given back as text nowhere", code: parts + `var result = t;`, result: text, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected STRING, got an infotable; JSON.stringify makes a text of it"},
	})
}

func TestARow(t *testing.T) {
	text := infotable.TypeString
	runAll(t, []script{
		{name: "has functions", code: parts + `var r = t.rows[0]; r.setValue("id", "q"); var result = r.getValue("id") + t.id + r.has("id") + r.has("x") + typeof r.getValue("x");`, result: text, want: "qqtruefalseundefined"},
		{name: "is cloned", code: parts + `var r = t.rows[0].clone(); r.id = "q"; var result = r.id + t.id;`, result: text, want: "qb"},
		{name: "becomes a table", code: parts + `var result = t.rows[1].toInfoTable();`, result: infotable.TypeInfotable, want: "id,weight|a,3"},
		{name: "is JSON", code: parts + `var result = JSON.stringify(t.rows[1]) + JSON.stringify({r: t.rows}).length;`, result: text, want: `{"id":"a","weight":3}73`},
		{name: "is JSON with its dates as numbers", code: `var t = DataShapes.Pump.CreateValues(); t.since = 5; t.data = {a: 1}; var result = JSON.stringify(t.rows[0]);`, result: text, want: `{"since":5,"data":{"a":1}}`},
		{name: "is the same object each time", code: parts + `var result = String(t.rows[0] === t.rows[0] && t.rows[0] === t.getRow(0));`, result: text, want: "true"},
		{name: "has no other fields", code: parts + `t.rows[0].x = 1;`, fails: true, want: `Things/Pump/Services/S: line 3, column 11: the row has no field "x"`},
		{name: "loses a value that is deleted", code: parts + `delete t.rows[0].id; var result = typeof t.id;`, result: text, want: "undefined"},
		{name: "stays what it was after its table lost it", code: parts + `var r = t.rows[0]; t.RemoveAllRows(); r.id = "q"; var result = r.id + t.length;`, result: text, want: "q0"},
	})
}

// What the platform hands out must never change, whatever a script does.
func TestAScriptDoesNotChangeThePlatformsTable(t *testing.T) {
	h := newHost()
	before := shownValue(h.entities["Things/Pump"].properties["table"])
	code := `var t = me.GetTable(); t.AddField({name: "x", baseType: "STRING"}); t.rows[0].name = "q"; t.rows[0].x = "y"; t.RemoveRow(1); t.Sort({name: "name"}); t.RemoveField("speed");`
	if _, err := runOne(h, code, infotable.TypeNothing); err != nil {
		t.Fatal(err)
	}
	if got := shownValue(h.entities["Things/Pump"].properties["table"]); got != before {
		t.Errorf("got %s, want %s", got, before)
	}
}

func TestAnEvent(t *testing.T) {
	h := newHost()
	pump := h.entities["Things/Pump"]
	if _, err := runOne(h, `me.Stopped({reason: "hot", code: "7", more: 1});`, infotable.TypeNothing); err != nil {
		t.Fatal(err)
	}
	got := pump.events["Stopped"]
	if code, _ := got.First("code").Integer(); len(got.Fields) != 2 || code != 7 || got.Fields[1].Type != infotable.TypeInteger {
		t.Errorf("got %s", shownValue(infotable.FromTable(got)))
	}
	if want := "warn log: Stopped of Things/Pump has no parameter more: it is ignored"; h.logged() != want {
		t.Errorf("logged %s, want %s", h.logged(), want)
	}
	if _, err := runOne(h, `me.Stopped();`, infotable.TypeNothing); err != nil || pump.events["Stopped"] != nil {
		t.Errorf("got %v, %v", pump.events["Stopped"], err)
	}
}

// A subscription gets its variables like a service its parameters.
func TestASubscription(t *testing.T) {
	vtq := infotable.New(infotable.Column("value", infotable.TypeNumber), infotable.Column("time", infotable.TypeDateTime), infotable.Column("quality", infotable.TypeString)).
		Add(infotable.Number(5), infotable.DateTime(1), infotable.String("GOOD"))
	data := infotable.New(infotable.Column("newValue", infotable.TypeInfotable), infotable.Column("oldValue", infotable.TypeInfotable)).
		Add(infotable.FromTable(vtq), infotable.Nothing())
	p, err := Compile("Things/Pump/Subscriptions/S", `
		var source = source || "none"; // a parameter that is declared again keeps its value
		let eventName = "shadowed";    // and one that is declared with let is hidden
		var result = eventData.newValue.value + eventData.newValue.quality + typeof eventData.oldValue + sourceProperty + source + eventTime.getTime() + typeof missing + eventName;`)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost()
	got, err := New(h, Options{}).Run(context.Background(), p, Run{Me: h.entities["Things/Pump"], Result: infotable.TypeString, Vars: []infotable.Cell{
		{Name: "eventData", Value: infotable.FromTable(data)}, {Name: "eventName", Value: infotable.String("DataChange")},
		{Name: "eventTime", Value: infotable.DateTime(9)}, {Name: "source", Value: infotable.Text(infotable.TypeThingName, "Pump")},
		{Name: "sourceProperty", Value: infotable.String("speed")}, {Name: "missing"},
		{Name: "no-variable", Value: infotable.Number(1)}, {Name: "class", Value: infotable.Number(1)},
	}})
	if want := "5GOODundefinedspeedPump9undefinedshadowed"; err != nil || got.String() != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
