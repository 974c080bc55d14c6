package script

import (
	"context"
	"testing"

	"azx/alwayson/infotable"
)

// stock is code that makes a table t and a short name for the resource.
const stock = `var F = Resources["InfoTableFunctions"];
var t = F.FromJSON({json: {dataShape: {fieldDefinitions: {
  id: {name: "id", baseType: "STRING", ordinal: 1}, n: {name: "n", baseType: "NUMBER", ordinal: 2}, g: {name: "g", baseType: "STRING", ordinal: 3},
  d: {name: "d", baseType: "DATETIME", ordinal: 4}}},
  rows: [{id: "Apple", n: 3, g: "x", d: 1000}, {id: "banana", n: 1, g: "y", d: 2000}, {id: "cherry", g: "x"}, {id: "apple", n: 2, g: "y", d: 3000}]}});
function ids(q) { var r = F.Query({t: t, query: q}); var s = []; for (var i = 0; i < r.rows.length; i++) { s.push(r.rows[i].id); } return s.join(); }
`

func TestQueries(t *testing.T) {
	q := func(query string) string { return stock + "var result = ids(" + query + ");" }
	one := func(filter string) string { return q("{filters: " + filter + "}") }
	runAll(t, []script{
		{name: "EQ", code: one(`{type: "EQ", fieldName: "id", value: "apple"}`), want: "apple"},
		{name: "EQ without case", code: one(`{type: "EQ", fieldName: "id", value: "apple", isCaseSensitive: false}`), want: "Apple,apple"},
		{name: "EQ of a number as text", code: one(`{type: "EQ", fieldName: "n", value: "3"}`), want: "Apple"},
		{name: "NE has what is missing", code: one(`{type: "NE", fieldName: "n", value: 3}`), want: "banana,cherry,apple"},
		{name: "GT has not", code: one(`{type: "GT", fieldName: "n", value: 1}`), want: "Apple,apple"},
		{name: "GE", code: one(`{type: "ge", fieldName: "n", value: 2}`), want: "Apple,apple"},
		{name: "LT of dates", code: one(`{type: "LT", fieldName: "d", value: new Date(2000)}`), want: "Apple"},
		{name: "LE of milliseconds", code: one(`{type: "LE", fieldName: "d", value: 2000}`), want: "Apple,banana"},
		{name: "BETWEEN", code: one(`{type: "BETWEEN", fieldName: "n", from: 1, to: 2}`), want: "banana,apple"},
		{name: "NOTBETWEEN", code: one(`{type: "NotBetween", fieldName: "n", from: 1, to: 2}`), want: "Apple,cherry"},
		{name: "IN", code: one(`{type: "IN", fieldName: "id", values: ["apple", "cherry"]}`), want: "cherry,apple"},
		{name: "NOTIN", code: one(`{type: "NOTIN", fieldName: "id", values: ["apple", "cherry"]}`), want: "Apple,banana"},
		{name: "LIKE", code: one(`{type: "LIKE", fieldName: "id", value: "%an*a"}`), want: "banana"},
		{name: "LIKE with one character", code: one(`{type: "LIKE", fieldName: "id", value: "?pple"}`), want: "Apple,apple"},
		{name: "LIKE takes points for themselves", code: one(`{type: "LIKE", fieldName: "id", value: ".*"}`), want: ""},
		{name: "NOTLIKE", code: one(`{type: "NOTLIKE", fieldName: "id", value: "%e%"}`), want: "banana"},
		{name: "Matches", code: one(`{type: "Matches", fieldName: "id", expression: "(an){2}|rr"}`), want: "banana,cherry"},
		{name: "NotMatches", code: one(`{type: "NotMatches", fieldName: "id", expression: "^[A-Z]"}`), want: "banana,cherry,apple"},
		{name: "MissingValue", code: one(`{type: "MissingValue", fieldName: "n"}`), want: "cherry"},
		{name: "NotMissingValue", code: one(`{type: "NotMissingValue", fieldName: "n"}`), want: "Apple,banana,apple"},
		{name: "AND", code: one(`{type: "AND", filters: [{type: "EQ", fieldName: "g", value: "y"}, {type: "GT", fieldName: "n", value: 1}]}`), want: "apple"},
		{name: "OR within AND", code: one(`{type: "AND", filters: [{type: "EQ", fieldName: "g", value: "x"}, {type: "OR", filters: [{type: "EQ", fieldName: "n", value: 3}, {type: "EQ", fieldName: "n", value: 1}]}]}`), want: "Apple"},
		{name: "no filters", code: one(`{type: "AND", filters: []}`), want: "Apple,banana,cherry,apple"},
		{name: "a filter without the word around it", code: q(`{type: "EQ", fieldName: "g", value: "x"}`), want: "Apple,cherry"},
		{name: "sorts by several fields", code: q(`{sorts: [{fieldName: "g", isAscending: false}, {fieldName: "n"}]}`), want: "banana,apple,cherry,Apple"},
		{name: "sorts without case", code: q(`{sorts: [{fieldName: "id", isCaseSensitive: false}]}`), want: "Apple,apple,banana,cherry"},
		{name: "an unknown field", code: one(`{type: "EQ", fieldName: "zz", value: 1}`), fails: true,
			want: `Things/Pump/Services/S: line 6, column 34: Query: the infotable has no field "zz"`},
		{name: "an unknown kind", code: one(`{type: "ABOUT", fieldName: "n", value: 1}`), fails: true,
			want: `Things/Pump/Services/S: line 6, column 34: Query: filter ABOUT of n: there is no such kind of filter`},
		{name: "a value of another type", code: one(`{type: "EQ", fieldName: "n", value: "three"}`), fails: true,
			want: `Things/Pump/Services/S: line 6, column 34: Query: filter EQ of n: expected NUMBER, got "three"`},
	})
}

func TestInfoTableFunctions(t *testing.T) {
	f := func(call string) string { return stock + "var result = F." + call + ";" }
	table := infotable.TypeInfotable
	runAll(t, []script{
		{name: "CreateInfoTable", code: `var t = Resources.InfoTableFunctions.CreateInfoTable({infoTableName: "x"}); t.AddField({name: "a", baseType: "NUMBER"}); t.AddRow({a: 1}); var result = t;`, result: table, want: "a|1"},
		{name: "CreateInfoTableFromDataShape", code: f(`CreateInfoTableFromDataShape({infoTableName: "x", dataShapeName: "Part"})`), result: table, want: "id,weight"},
		{name: "CreateInfoTableFromDataShape of none", code: f(`CreateInfoTableFromDataShape({dataShapeName: "No"})`), fails: true,
			want: `Things/Pump/Services/S: line 7, column 44: CreateInfoTableFromDataShape: there is no data shape "No"`},
		{name: "ToJSON", code: stock + `var result = F.ToJSON({table: t}).rows[1].id;`, want: "banana"},
		{name: "Sort", code: f(`Sort({t: t, sortColumn: "n", ascending: false})`), result: table,
			want: "id,n,g,d|Apple,3,x,1970-01-01T00:00:01.000Z|apple,2,y,1970-01-01T00:00:03.000Z|banana,1,y,1970-01-01T00:00:02.000Z|cherry,-,x,-"},
		{name: "Sort leaves its table alone", code: stock + `F.Sort({t: t, sortColumn: "n"}); var result = t.id;`, want: "Apple"},
		{name: "Distinct", code: f(`Distinct({t: t, columns: "g"})`), result: table, want: "g|x|y"},
		{name: "Aggregate with groups", code: f(`Aggregate({t: t, columns: "n, n, id,d", aggregates: "SUM,AVERAGE,COUNT,MAX", groupByColumns: "g"})`), result: table,
			want: "g,SUM_n,AVERAGE_n,COUNT_id,MAX_d|x,3,3,2,1970-01-01T00:00:01.000Z|y,3,1.5,2,1970-01-01T00:00:03.000Z"},
		{name: "Aggregate of everything", code: f(`Aggregate({t: t, columns: "n,n,n", aggregates: "MIN,MAX,COUNT"})`), result: table, want: "MIN_n,MAX_n,COUNT_n|1,3,3"},
		{name: "Aggregate of texts has no sum", code: f(`Aggregate({t: t, columns: "id", aggregates: "SUM"})`), fails: true,
			want: `Things/Pump/Services/S: line 7, column 25: Aggregate: SUM of id: the field is STRING`},
		{name: "Union", code: f(`Union({t1: F.TopN({t: F.Distinct({t: t, columns: "id"}), maxItems: 1}), t2: F.Distinct({t: t, columns: "g"})})`), result: table, want: "id,g|Apple,-|-,x|-,y"},
		{name: "Intersect", code: stock + parts2 + `var result = F.Intersect({t1: t, t2: u, columns1: "id,g", columns2: "name", joinColumns1: "g", joinColumns2: "g", joinType: "INNER"});`, result: table,
			want: "id,g,name|Apple,x,ex|cherry,x,ex"},
		{name: "Intersect to the left", code: stock + parts2 + `var result = F.Intersect({t1: t, t2: u, columns1: "id", columns2: "name", joinColumns1: "g", joinColumns2: "g", joinType: "LEFT"});`, result: table,
			want: "id,name|Apple,ex|banana,-|cherry,ex|apple,-"},
		{name: "Intersect with both", code: stock + parts2 + `var result = F.Intersect({t1: t, t2: u, columns1: "id,g", columns2: "g,name", joinColumns1: "g", joinColumns2: "g", joinType: "FULL"});`, result: table,
			want: "id,g,name|Apple,x,ex|banana,y,-|cherry,x,ex|apple,y,-|-,z,zed"},
		{name: "TopN", code: stock + `var result = F.TopN({t: t, maxItems: 2}).length + F.TopN({t: t, maxItems: 99}).length;`, result: infotable.TypeNumber, want: "6"},
		{name: "Clone", code: stock + `var u = F.Clone({t1: t}); u.id = "q"; var result = t.id + u.id;`, want: "Appleq"},
		{name: "RenameField", code: f(`RenameField({t: F.Distinct({t: t, columns: "g"}), from: "g", to: "h"})`), result: table, want: "h|x|y"},
		{name: "RenameField to one that is there", code: f(`RenameField({t: t, from: "g", to: "id"})`), fails: true,
			want: `Things/Pump/Services/S: line 7, column 27: RenameField: there is a field "id" already`},
		{name: "EQFilter", code: stock + `var result = F.EQFilter({t: t, fieldName: "id", value: "APPLE", isCaseSensitive: false}).length;`, result: infotable.TypeNumber, want: "2"},
		{name: "the other filters", code: stock + `var n = function(x) { return x.length; }; var result = [n(F.NEFilter({t: t, fieldName: "n", value: "1"})), n(F.GTFilter({t: t, fieldName: "n", value: "1"})),
			n(F.GEFilter({t: t, fieldName: "n", value: "1"})), n(F.LTFilter({t: t, fieldName: "n", value: 2})), n(F.LEFilter({t: t, fieldName: "d", value: "2000"})),
			n(F.LikeFilter({t: t, fieldName: "id", pattern: "%e"})), n(F.LikeFilter({t: t, fieldName: "id", pattern: "%e", inclusive: false})),
			n(F.BetweenFilter({t: t, fieldName: "n", minValue: "2", maxValue: "3"})), n(F.MissingValueFilter({t: t, fieldName: "n"})),
			n(F.MissingValueFilter({t: t, fieldName: "n", inclusive: false})), n(F.SetFilter({t: t, fieldName: "g", matchValues: "x;z"})), n(F.RegexFilter({t: t, fieldName: "id", pattern: "an"}))].join();`,
			want: "3,2,3,1,2,2,2,2,1,3,2,1"},
		{name: "DeleteQuery", code: stock + `var result = F.DeleteQuery({t: t, query: {filters: {type: "EQ", fieldName: "g", value: "x"}}}).length;`, result: infotable.TypeNumber, want: "2"},
		{name: "UpdateQuery", code: stock + `var v = F.Distinct({t: t, columns: "g"}); v.g = "new"; var u = F.UpdateQuery({t: t, query: {filters: {type: "EQ", fieldName: "n", value: 1}}, values: v}); var result = u.rows[1].g + u.rows[0].g;`, want: "newx"},
		{name: "a table that is missing", code: f(`Query({query: {}})`), fails: true, want: `Things/Pump/Services/S: line 7, column 21: Query: the infotable t is missing`},
		{name: "functions that are not there", code: f(`Pivot({t: t})`), fails: true, want: `Things/Pump/Services/S: line 7, column 21: TypeError: Object has no member 'Pivot'`},
	})
}

// parts2 makes a second table u for joins.
const parts2 = `var u = F.FromJSON({json: {dataShape: {fieldDefinitions: {g: {name: "g", baseType: "STRING"}, name: {name: "name", baseType: "STRING"}}},
  rows: [{g: "x", name: "ex"}, {g: "z", name: "zed"}]}});
`

func TestTheHostsOwnInfoTableFunctionsComeFirst(t *testing.T) {
	h := newHost()
	answer := func(text string) func(context.Context, *infotable.Table) (infotable.Value, error) {
		return func(context.Context, *infotable.Table) (infotable.Value, error) { return infotable.String(text), nil }
	}
	h.entities["Resources/InfoTableFunctions"] = &fakeEntity{collection: "Resources", name: "InfoTableFunctions",
		services: map[string]func(context.Context, *infotable.Table) (infotable.Value, error){"AddRunTimePermission": answer("granted"), "Clone": answer("cloned")}}
	got, err := runOne(h, `var F = Resources.InfoTableFunctions; var result = F.AddRunTimePermission({principal: "x"}) + F.Clone() + F.CreateInfoTable({}).length + F.name;`, infotable.TypeString)
	if want := "grantedcloned0InfoTableFunctions"; err != nil || got.String() != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// The resource is an entity like others, so that it can also be called from outside of scripts.
func TestInfoTableFunctionsFromOutside(t *testing.T) {
	e := New(newHost(), Options{}).InfoTableFunctions()
	info, ok := e.ServiceInfo("CreateInfoTableFromDataShape")
	if !ok || e.Has("Query") != Service || e.Has("Fly") != None || info.Params[1].Type != infotable.TypeDataShapeName || info.Result != infotable.TypeInfotable {
		t.Errorf("got %+v, %v", info, ok)
	}
	in := infotable.OneRow(infotable.Cell{Name: "dataShapeName", Value: infotable.String("Part")})
	out, err := e.Call(context.Background(), "CreateInfoTableFromDataShape", in)
	if err != nil || shownValue(out) != "id,weight" {
		t.Errorf("got %s, %v", shownValue(out), err)
	}
	if _, err := e.Call(context.Background(), "Sort", nil); err == nil {
		t.Error("a table that is missing was sorted")
	}
}
