package script

import (
	"context"
	"errors"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

// FuzzRun: whatever the code is, it ends in time, and without a panic.
func FuzzRun(f *testing.F) {
	for _, seed := range []string{
		`var result = 1;`, `return me.speed;`, `for (;;) { }`, parts + `t.Sort({name: "id"}); var result = t;`, stock + `var result = ids({});`,
		`me.Add({a: [], b: me});`, `throw me;`, `var result = {toJSON: null}; result.a = me.table.rows;`, `function f() { return f; } f()()();`,
		`Object.keys(me.table).forEach(function(k) { delete me.table.rows[0][k]; });`, "if (1) { return 2 }", "`${me}`; class A extends Array { }",
		`new Proxy(me.table, {get: function() { return me; }}).AddRow({});`, `JSON.parse("[[[[]]]]", function(k, v) { return this; });`,
		`me.table.AddRow.call(me.table.rows, me.table.rows[0]); me.table.AddRow.call(5);`, `dateFormat(new Date(1e15), "yyyyyyyyy'"); formatNumber(1e300, "#,#");`,
		`eval("var result = 5"); var g = (function() { }).constructor("return this")(); g.result = 4;`, `result = Symbol(); var result = [result];`,
		`Object.setPrototypeOf(this, me); Object.setPrototypeOf(me.table, me.table.rows); for (var i in this) { this[i]; }`,
		"async function a() { await a(); } a(); function* b() { yield* b(); } b().next();", `me.__proto__ = Things; Things.__proto__ = me; "" + Things;`,
	} {
		f.Add(seed, uint8(infotable.TypeInfotable))
	}
	h := newHost()
	e := New(h, Options{MaxMemory: 64 << 20})
	f.Fuzz(func(t *testing.T, code string, result uint8) {
		p, err := Compile("S", code)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("not a syntax error: %v", err)
			}
			return
		}
		begin := time.Now()
		_, err = e.Run(context.Background(), p, Run{Me: newHost().entities["Things/Pump"], Result: infotable.BaseType(result), Deadline: 20 * time.Millisecond})
		var failed *Error
		if err != nil && !errors.As(err, &failed) {
			t.Fatalf("not an error of the script: %v", err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}
