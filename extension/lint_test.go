package extension

import (
	"fmt"
	"strings"
	"testing"
)

func TestScriptsThatRunDifferentlySomewhereAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ code, want string }{
		"an arrow function":                  {"var result = [1].map(x => x);", "1: an arrow function is not ES5"},
		"let":                                {"var a;\nlet result = 1;", "2: let or const is not ES5"},
		"const in a loop":                    {"var result = 1; for (const a in {}) {}", "1: let or const is not ES5"},
		"let in a loop":                      {"var result = 1; for (let i = 0; i < 1; i++) {}", "1: let or const is not ES5"},
		"a template string":                  {"var result = `a`;", "1: a template string is not ES5"},
		"a class":                            {"var result = 1; class A {}", "1: a class is not ES5"},
		"a spread":                           {"var result = Math.max(...[1]);", "1: a spread is not ES5"},
		"a spread in an array":               {"var result = [...[1]];", "1: a spread is not ES5"},
		"a rest parameter":                   {"var result = 1; function f(...a) {}", "1: a rest parameter is not ES5"},
		"a default value":                    {"var result = 1; function f(a = 1) {}", "1: a default value of a parameter is not ES5"},
		"destructuring":                      {"var { result } = { result: 1 }; result = 1;", "1: destructuring is not ES5"},
		"destructuring of an array":          {"var [a] = [1], result = a;", "1: destructuring is not ES5"},
		"a short property":                   {"var a = 1, result = { a };", "1: a property without a value is not ES5"},
		"a computed property":                {"var result = { ['a']: 1 };", "1: a computed property or a method in an object is not ES5"},
		"a method in an object":              {"var result = { a() {} };", "1: a computed property or a method in an object is not ES5"},
		"for of":                             {"var result = 1; for (var a of []) {}", "1: for of is not ES5"},
		"?.":                                 {"var result = me?.a;", "1: ?. is not ES5"},
		"??":                                 {"var result = 1 ?? 2;", "1: the operator ?? is not ES5"},
		"**":                                 {"var result = 2 ** 3;", "1: the operator ** is not ES5"},
		"??=":                                {"var result; result ??= 2;", "1: the operator ??= is not ES5"},
		"||=":                                {"var result; result ||= 2;", "1: the operator ||= is not ES5"},
		"async":                              {"var result = 1; async function f() {}", "1: an async function or a generator is not ES5"},
		"a generator":                        {"var result = 1; function* f() {}", "1: an async function or a generator is not ES5"},
		"new.target":                         {"var result = 1; function f() { return new.target; }", "1: super, new.target or a private name is not ES5"},
		"a big number":                       {"var result = 1n;", "1: the number 1n is not ES5"},
		"a binary number":                    {"var result = 0b1;", "1: the binary or octal number 0b1 is not ES5"},
		"an old octal number":                {"var result = 017;", "1: the binary or octal number 017 is not ES5"},
		"\\u{ in a string":                   {`var result = "\u{41}";`, `1: \u{ in a string is not ES5`},
		"a flag of a regular expression":     {"var result = /a/u;", "1: the regular expression /a/u is not ES5"},
		"catch without a name":               {"var result = 1; try { me.A(); } catch { }", "1: catch without a name for the error is not ES5"},
		"for each":                           {"var result = 0;\nfor each (var a in [1]) { result += a; }", `2: Unexpected identifier; "for each" is not ES5`},
		"XML":                                {"var result = <a/>;", "1: Unexpected token <; XML in scripts (E4X) is not ES5"},
		"a return outside":                   {"var a = 1;\nreturn a;", "2: return outside of a function: the value of the variable result is what a service gives"},
		"a return in a block":                {"if (true) { return 1; }", "1: return outside of a function"},
		"an open string":                     {"var result = 'a", "1: Unexpected token ILLEGAL"},
		"a promise":                          {"var result = new Promise(function () {});", "1: Promise is not in the library of ES5"},
		"Object.assign":                      {"var result = Object.assign({}, {});", "1: Object.assign is not in the library of ES5"},
		"includes":                           {"var result = 'a'.includes('a');", "1: includes is not in the library of ES5"},
		"throw of a text":                    {"var result = 1; throw 'no';", "1: throw of something that is not an Error; write throw new Error(text)"},
		"throw of an object":                 {"var result = 1; throw { message: 'no' };", "1: throw of something that is not an Error"},
		"throw of what was not caught":       {"var result = 1, e; try { me.A(); } catch (f) { throw e; }", "1: throw of something that is not an Error"},
		"throw of it behind the catch":       {"var result = 1; try { me.A(); } catch (e) { } throw e;", "1: throw of something that is not an Error"},
		"while (true)":                       {"var result = 1; while (true) { break; }", "1: a loop without an end of its own; count its turns"},
		"while (1)":                          {"var result = 1; while (1) { break; }", "1: a loop without an end"},
		"do while (!0)":                      {"var result = 1; do { break; } while (!0);", "1: a loop without an end"},
		"for (;;)":                           {"var result = 1; for (;;) { break; }", "1: a loop without an end"},
		"debugger":                           {"var result = 1; debugger;", "1: debugger does not belong"},
		"with":                               {"var result = 1; with (me) { a = 1; }", "1: with hides which names are meant"},
		"a prototype":                        {"var result = 1; Array.prototype.last = 1;", "1: built-in prototypes are frozen on a platform"},
		"a function in a block":              {"var result = 1; if (result) { function f() {} }", "1: a function is declared inside of a block"},
		"its own name":                       {`var result = Things["Hub"].name;`, `1: the script names the Thing "Hub" that it runs as; write me`},
		"its own name with a dot":            {`var result = Things.Hub.name;`, `1: the script names the Thing "Hub" that it runs as; write me`},
		"no result":                          {"var a = 1;", "nothing is assigned to result, and the service gives STRING"},
		"a result that is only declared":     {"var result;", "nothing is assigned to result"},
		"a result that is only a property":   {"me.result = 1;", "nothing is assigned to result"},
		"a result that is only in an object": {"me.A({ result: 1 });", "nothing is assigned to result"},
		"several, in the order of the text (1st)": {"let a = 1;\nconst result = a;", "1: let or const is not ES5"},
		"several, in the order of the text (2nd)": {"let a = 1;\nconst result = a;", "2: let or const is not ES5"},
	} {
		t.Run(name, func(t *testing.T) {
			found := lintScript(Script{File: "S.A.js", Code: c.code, Result: "STRING"}, []string{"Hub"})
			want := "S.A.js:" + c.want
			if !strings.Contains(c.want, ":") || strings.HasPrefix(c.want, "nothing") {
				want = "S.A.js: " + c.want
			}
			if !strings.Contains("\n"+found.Error(), "\n"+want) {
				t.Errorf("got %q, want %q", found.Error(), want)
			}
		})
	}
}

func TestScriptsInES5AreTaken(t *testing.T) {
	for name, code := range map[string]string{
		"a table":                     "var t = me.Get(); var result = [];\nfor (var i = 0; i < t.rows.length; i++) { result.push(String(t.rows[i].name)); }",
		"a result in a function":      "var result; function f() { result = 1; } f();",
		"a result by a sum":           "var result = 0; result += 1;",
		"errors":                      "var result = 1; if (!me.a) { throw new TypeError('no'); } try { me.A(); } catch (e) { logger.warn('x {}', e); throw e; }",
		"an inner catch":              "var result = 1; try { me.A(); } catch (e) { try { me.B(); } catch (f) { throw e; } }",
		"a loop that counts":          "var result = 0; while (result < 3) { result++; } do { result--; } while (result > 0);",
		"for (;;) with a test":        "var result = 0; for (; result < 3;) { result++; }",
		"functions in functions":      "var result = (function () { function g() { return 1; } return g(); })();",
		"getters and keywords":        "var result = { get a() { return 1; }, 'default': 2, if: 3 }.if;",
		"another Thing":               `var result = Things["Other"].name + Things[name].name + me.Things.Hub;`,
		"a name of a newer library":   "var result = me.includes + me.Map;",
		"a regular expression":        "var result = /(?:a)+/gi.test('A');",
		"numbers":                     "var result = 0 + 0.5 + 1e3 + 0x1F + .5;",
		"trailing commas in literals": "var result = [1, 2,];",
	} {
		t.Run(name, func(t *testing.T) {
			if found := lintScript(Script{File: "S.A.js", Code: code, Result: "STRING"}, []string{"Hub"}); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

func TestAServiceWithoutAResultNeedsNone(t *testing.T) {
	for _, result := range []string{"", "NOTHING"} {
		if found := lintScript(Script{Code: "me.a = 1;", Result: result}, nil); len(found) > 0 {
			t.Error(found)
		}
	}
}

// A shape's script runs as each Thing that has the shape, whether itself, by its template or by a base of that.
func TestTheThingsThatAScriptRunsAsAreFollowedThroughTemplates(t *testing.T) {
	files := map[string]string{}
	add := func(collection, name, xml string) {
		files["Entities/"+collection+"/"+name+".xml"] = "<Entities><" + collection + ">" + xml + "</" + collection + "></Entities>"
	}
	service := `<ServiceDefinitions><ServiceDefinition name="Ask"/></ServiceDefinitions>`
	add("ThingShapes", "S", `<ThingShape name="S">`+service+`</ThingShape>`)
	add("ThingTemplates", "Base", `<ThingTemplate name="Base" baseThingTemplate="GenericThing"><ImplementedShapes><ImplementedShape name="S"/></ImplementedShapes></ThingTemplate>`)
	add("ThingTemplates", "T", `<ThingTemplate name="T" baseThingTemplate="Base"><ThingShape>`+service+`</ThingShape></ThingTemplate>`)
	add("Things", "One", `<Thing name="One" thingTemplate="T"/>`)
	add("Things", "Two", `<Thing name="Two" thingTemplate="GenericThing"><ImplementedShapes><ImplementedShape name="S"/></ImplementedShapes></Thing>`)
	add("Things", "Far", `<Thing name="Far" thingTemplate="GenericThing"/>`)
	for i, c := range []struct {
		file, thing string
		refused     bool
	}{
		{"Entities/ThingShapes/S.Ask.js", "One", true}, {"Entities/ThingShapes/S.Ask.js", "Two", true},
		{"Entities/ThingShapes/S.Ask.js", "Far", false}, {"Entities/ThingTemplates/T.Ask.js", "One", true},
		{"Entities/ThingTemplates/T.Ask.js", "Two", false},
	} {
		t.Run(fmt.Sprint(i, c), func(t *testing.T) {
			files["Entities/ThingShapes/S.Ask.js"], files["Entities/ThingTemplates/T.Ask.js"] = "me.a = 1;", "me.a = 1;"
			files[c.file] = `Things["` + c.thing + `"].Do();`
			_, err := Read(tree(files))
			if got := err != nil && strings.Contains(err.Error(), "write me"); got != c.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}
