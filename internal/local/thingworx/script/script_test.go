package script

import (
	"testing"

	"go.uber.org/goleak"

	"azx/alwayson/infotable"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAService(t *testing.T) {
	runAll(t, []script{
		{name: "returns what is in the variable result", code: `var result = 1 + 2;`, result: infotable.TypeNumber, want: "3"},
		{name: "may declare result with let", code: `let result = 4;`, result: infotable.TypeNumber, want: "4"},
		{name: "may leave result undeclared", code: `result = 5;`, result: infotable.TypeNumber, want: "5"},
		{name: "may return as its last statement", code: "var x = 2;\nreturn x * 3;", result: infotable.TypeNumber, want: "6"},
		{name: "may end with a return without a value", code: "var result = 7; return;", result: infotable.TypeNumber, want: "7"},
		{name: "may end with a comment", code: "var result = 8; // the end", result: infotable.TypeNumber, want: "8"},
		{name: "without result gives nothing", code: `var x = 1;`, result: infotable.TypeNumber, want: "NOTHING"},
		{name: "of no result gives nothing", code: `var result = {};`, result: infotable.TypeNothing, want: "NOTHING"},
		{name: "reads a property of the Thing", code: `var result = me.speed;`, result: infotable.TypeNumber, want: "7.5"},
		{name: "reads a property of a module", code: `var result = me["module::temp"];`, result: infotable.TypeNumber, want: "21"},
		{name: "reads a property without a value as undefined", code: `var result = typeof me.empty;`, want: "undefined"},
		{name: "reads attributes", code: `var result = [me.name, me.description, me.thingTemplate, me.tags].join("/");`, want: "Pump/a pump/GenericThing/Plant:North"},
		{name: "finds no member that is not there", code: `var result = typeof me.other;`, want: "undefined"},
		{name: "writes a property", code: `me.speed = 3; var result = Things["Pump"].speed;`, result: infotable.TypeNumber, want: "3"},
		{name: "writes a property of a module", code: `me["module::temp"] = 30; var result = me["module::temp"];`, result: infotable.TypeNumber, want: "30"},
		{name: "writes a property by its base type", code: `me.count = "12.9"; var result = me.count;`, result: infotable.TypeInteger, want: "12"},
		{name: "cannot write a property of the wrong type", code: "\n  me.count = {};", fails: true,
			want: "Things/Pump/Services/S: line 2, column 6: count: expected INTEGER, got an object of class Object"},
		{name: "cannot write a property that is not there", code: `me.other = 1;`, fails: true,
			want: `Things/Pump/Services/S: line 1, column 4: Things/Pump has no property "other"`},
		{name: "cannot assign to a service", code: `me.Add = 1;`, fails: true,
			want: `Things/Pump/Services/S: line 1, column 4: Add of Things/Pump is called, not assigned to`},
		{name: "gets undefined for a Thing that is absent", code: `var result = typeof Things["No"] + typeof Things["toString"];`, want: "undefinedundefined"},
		{name: "gets the same object for the same Thing", code: `var result = Things.Pump === me && Things["Pump"] === Things.Pump;`, result: infotable.TypeBoolean, want: "true"},
		{name: "calls a service with parameters", code: `var result = me.Add({a: 1.9, b: "2.5"});`, result: infotable.TypeNumber, want: "3.5"},
		{name: "calls a service without parameters", code: `var result = me.Echo();`, want: "nothing"},
		{name: "calls a service by a name that it makes", code: `var result = me["Ec" + "ho"]({v: "x"});`, want: "x"},
		{name: "leaves undefined parameters out", code: `var result = me.Echo({v: undefined, w: null});`, want: "nothing"},
		{name: "gives parameters their base types", code: `var result = me.Types({s: "x", n: 1, b: true, d: new Date(5), o: {a: 1}, l: {latitude: 1, longitude: 2}});`,
			want: `s STRING=x, n NUMBER=1, b BOOLEAN=true, d DATETIME=1970-01-01T00:00:00.005Z, o JSON={"a":1}, l LOCATION=2,1,0`},
		{name: "must give parameters as an object", code: `me.Add(1, 2);`, fails: true,
			want: "Things/Pump/Services/S: line 1, column 7: Add of Things/Pump takes its parameters as one object, such as {name: value}"},
		{name: "must give a parameter its type", code: `me.Add({a: "x"});`, fails: true,
			want: `Things/Pump/Services/S: line 1, column 7: parameter a of Add: expected INTEGER, got "x"`},
		{name: "does without Java", code: `var result = [typeof Java, typeof Packages, typeof java, typeof require, typeof process].join();`,
			want: "undefined,undefined,undefined,undefined,undefined"},
		{name: "makes empty values of a data shape", code: `var v = DataShapes["Pump"].CreateValues(); v.speed = 3; var result = v;`,
			result: infotable.TypeInfotable, want: "name,speed,count,since,on,data,place,parts,tags|-,3,-,-,-,-,-,-,-"},
		{name: "can use for...in, recursion and closures", code: `function f(n) { return n < 2 ? 1 : n * f(n - 1); } var result = f(6); for (var k in {a: 1}) { result += k.length; }`,
			result: infotable.TypeNumber, want: "721"},
	})
}

func TestExceptions(t *testing.T) {
	const at = "Things/Pump/Services/S: "
	runAll(t, []script{
		{name: "of the script are errors with their place", code: "var a = 1;\n  throw new Error(\"no\");", fails: true, want: at + "line 2, column 9: no"},
		{name: "have their name unless it is Error", code: "me.empty.x;", fails: true, want: at + "line 1, column 10: TypeError: Cannot read property 'x' of undefined"},
		{name: "may be texts", code: `throw "text";`, fails: true, want: at + "line 1, column 1: text"},
		{name: "may be objects with a message", code: `throw {message: "m"};`, fails: true, want: at + "line 1, column 1: m"},
		{name: "may be undefined", code: `throw undefined;`, fails: true, want: at + "line 1, column 1: undefined"},
		{name: "of the platform can be caught", code: `try { me.Refuse(); } catch (e) { var result = (e instanceof Error) + " " + e.message; }`, want: "true call: the pump is off"},
		{name: "of the platform are shown when uncaught", code: "\n\nme.Refuse();", fails: true, want: at + "line 3, column 10: call: the pump is off"},
		{name: "of properties can be caught", code: `try { me.broken; } catch (e) { var result = e.message; }`, want: "the property cannot be read"},
		{name: "keep their place in functions", code: "function f() {\n  undefinedName();\n}\nf();", fails: true,
			want: at + "line 2, column 16: ReferenceError: undefinedName is not defined"},
		{name: "know their line and file", code: "\ntry { null.x } catch (e) { var result = e.fileName + \" \" + e.lineNumber; }", want: "Things/Pump/Services/S 2"},
		{name: "say when there is no end of functions", code: `function f() { return f() + 1; } f();`, fails: true,
			want: at + "line 1, column 24: more than 2000 functions call each other"},
		{name: "say what is wrong with a result", code: `var result = {};`, result: infotable.TypeNumber, fails: true,
			want: at + "the variable result: expected NUMBER, got an object of class Object"},
		{name: "may come from converting the result", code: `var result = {toJSON: function() { throw new Error("deep"); }};`, result: infotable.TypeJSON, fails: true,
			want: at + "line 1, column 42: deep"},
	})
}

func TestCodeThatIsRefused(t *testing.T) {
	const at = "Things/Pump/Services/S: "
	inner := "return is allowed only as the last statement of the code: assign the variable result instead"
	runAll(t, []script{
		{name: "returns within a block", code: "if (true) {\n  return 1;\n}", fails: true, want: at + "line 2, column 3: " + inner},
		{name: "returns within a loop", code: "for (;;) return 1;", fails: true, want: at + "line 1, column 10: " + inner},
		{name: "returns within try", code: "try { } catch (e) { } finally { return 1; }", fails: true, want: at + "line 1, column 33: " + inner},
		{name: "returns within switch", code: "switch (1) { case 1: return; }", fails: true, want: at + "line 1, column 22: " + inner},
		{name: "returns before the end", code: "return 1;\nvar x;", fails: true, want: at + "line 1, column 1: " + inner},
		{name: "is cut short", code: "var x = {\n", fails: true, want: at + "line 2, column 1: Unexpected end of input"},
		{name: "closes too much", code: "var x = 1;\n}", fails: true, want: at + "line 2, column 1: Unexpected token }"},
		{name: "closes the program", code: "}); (function(){", fails: true, want: at + "line 1, column 1: Unexpected token }"},
		{name: "has no known statement", code: "var a;\nvar 1x;", fails: true, want: at + "line 2, column 5: Unexpected token ILLEGAL"},
		{name: "declares a name twice", code: "let a = 1;\nlet a = 2;", fails: true, want: at + "line 2, column 5: Identifier 'a' has already been declared"},
		{name: "uses for each", code: "for each (var r in me.table.rows) { }", fails: true,
			want: at + "line 1, column 5: Unexpected identifier: `for each` is not supported; loop with an index over t.rows"},
	})
}

func TestConversions(t *testing.T) {
	runAll(t, []script{
		{name: "INTEGER cuts the fraction off", code: `var result = -2.9;`, result: infotable.TypeInteger, want: "-2"},
		{name: "INTEGER has 32 bits", code: `var result = 3000000000;`, result: infotable.TypeInteger, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected INTEGER, got 3e+09: out of range"},
		{name: "LONG has more", code: `var result = 3000000000.5;`, result: infotable.TypeLong, want: "3000000000"},
		{name: "LONG comes back", code: `var result = me.big + 1;`, result: infotable.TypeLong, want: "4503599627370497"},
		{name: "NUMBER may be a text", code: `var result = " 12.5 ";`, result: infotable.TypeNumber, want: "12.5"},
		{name: "NUMBER is no other text", code: `var result = "";`, result: infotable.TypeNumber, fails: true,
			want: `Things/Pump/Services/S: the variable result: expected NUMBER, got ""`},
		{name: "STRING may be a number", code: `var result = 1.5;`, want: "1.5"},
		{name: "STRING is no object", code: `var result = {a: 1};`, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected STRING, got an object of class Object; JSON.stringify makes a text of it"},
		{name: "THINGNAME may be a Thing", code: `var result = me;`, result: infotable.TypeThingName, want: "Pump"},
		{name: "PASSWORD is hidden in texts of the platform", code: `var result = "s3cret";`, result: infotable.TypePassword, want: "(hidden)"},
		{name: "BOOLEAN reads the text false", code: `var result = "False";`, result: infotable.TypeBoolean, want: "false"},
		{name: "BOOLEAN is no other text", code: `var result = "no";`, result: infotable.TypeBoolean, fails: true,
			want: `Things/Pump/Services/S: the variable result: expected BOOLEAN, got "no"`},
		{name: "DATETIME is a Date", code: `var result = new Date(me.since.getTime() + 1);`, result: infotable.TypeDateTime, want: "1970-01-01T00:00:01.001Z"},
		{name: "DATETIME may be milliseconds", code: `var result = 5;`, result: infotable.TypeDateTime, want: "1970-01-01T00:00:00.005Z"},
		{name: "DATETIME may be ISO 8601", code: `var result = "2026-01-02T03:04:05.006Z";`, result: infotable.TypeDateTime, want: "2026-01-02T03:04:05.006Z"},
		{name: "DATETIME is no invalid date", code: `var result = new Date("x");`, result: infotable.TypeDateTime, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected DATETIME, got an invalid date"},
		{name: "JSON is an object", code: `var d = me.data; d.a.push(3); var result = d;`, result: infotable.TypeJSON, want: `{"a":[1,2,3]}`},
		{name: "JSON of a property is a copy", code: `me.data.a.push(3); var result = me.data;`, result: infotable.TypeJSON, want: `{"a":[1,2]}`},
		{name: "JSON arrays are arrays", code: `var result = Array.isArray(me.list) && me.list.length === 2;`, result: infotable.TypeBoolean, want: "true"},
		{name: "JSON may be its text", code: `var result = '{"b":1}';`, result: infotable.TypeJSON, want: `{"b":1}`},
		{name: "JSON quotes other texts", code: `var result = 'b"';`, result: infotable.TypeJSON, want: `"b\""`},
		{name: "JSON is no function", code: `var result = function() {};`, result: infotable.TypeJSON, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected JSON, got an object of class Function"},
		{name: "JSON of a table is the table's", code: `var result = {t: Resources.InfoTableFunctions.CreateInfoTable()};`, result: infotable.TypeJSON,
			want: `{"t":{"dataShape":{"name":"","fieldDefinitions":{}},"rows":[]}}`},
		{name: "JSON has no circles", code: `var result = {}; result.a = result;`, result: infotable.TypeJSON, fails: true,
			want: "Things/Pump/Services/S: TypeError: Converting circular structure to JSON"},
		{name: "LOCATION is an object", code: `var p = me.place; var result = p.latitude + "/" + p.longitude + "/" + p.units;`, want: "1/2/WGS84"},
		{name: "LOCATION is made of an object", code: `var result = {latitude: "3", longitude: 4, elevation: 5};`, result: infotable.TypeLocation, want: "4,3,5"},
		{name: "LOCATION may be a text", code: `var result = "1.5,2";`, result: infotable.TypeLocation, want: "2,1.5,0"},
		{name: "LOCATION needs both", code: `var result = {latitude: 3};`, result: infotable.TypeLocation, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected LOCATION: longitude is missing"},
		{name: "BLOB is a list of bytes", code: `var result = me.blob.length + ":" + me.blob[1];`, want: "2:255"},
		{name: "BLOB may be a list, also of signed bytes", code: `var result = [-1, 2];`, result: infotable.TypeBlob, want: "BLOB of 2 bytes"},
		{name: "IMAGE is base64", code: `var result = me.picture;`, want: "YWI="},
		{name: "IMAGE is made of base64", code: `var result = "YWI=";`, result: infotable.TypeImage, want: "IMAGE of 2 bytes"},
		{name: "IMAGE is no other text", code: `var result = "%";`, result: infotable.TypeImage, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected IMAGE: a text that is base64, or a list of bytes"},
		{name: "VEC3 is kept as JSON", code: `var result = {x: 1, y: 2, z: 3};`, result: infotable.TypeVec3, want: `{"x":1,"y":2,"z":3}`},
		{name: "TAGS may be a list", code: `var result = [{vocabulary: "Plant", vocabularyTerm: "North"}, "Plant:South"];`, result: infotable.TypeTags, want: "Plant:North;Plant:South"},
		{name: "VARIANT takes what comes", code: `var result = 5;`, result: infotable.TypeVariant, want: "5"},
		{name: "INFOTABLE may be JSON", code: `var result = {dataShape: {fieldDefinitions: {a: {name: "a", baseType: "NUMBER"}}}, rows: [{a: 1}, {}]};`,
			result: infotable.TypeInfotable, want: "a|1|-"},
		{name: "INFOTABLE may be a row", code: `var result = me.table.rows[1];`, result: infotable.TypeInfotable, want: "name,speed,count,since,on,data,place,parts,tags|p2,2,-,-,-,-,-,-,-"},
		{name: "INFOTABLE needs fields", code: `var result = [{a: 1}];`, result: infotable.TypeInfotable, fails: true,
			want: "Things/Pump/Services/S: the variable result: expected INFOTABLE, got an object of class Array: make one with CreateInfoTableFromDataShape, or give its JSON with dataShape and rows"},
	})
}
