package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
)

func compiled(t testing.TB, code string) *Program {
	t.Helper()
	p, err := Compile("Things/Pump/Services/S", code)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAScriptThatNeverEndsIsEnded(t *testing.T) {
	for name, code := range map[string]string{
		"a loop":                   "var i = 0;\nfor (;;) {\n  i++;\n}",
		"a loop that catches":      "for (;;) { try { for (;;) { } } catch (e) { } finally { } }",
		"a loop of host calls":     "for (;;) { me.Add({a: 1, b: 2}); }",
		"a loop of caught calls":   "for (;;) { try { me.Refuse(); } catch (e) { } }",
		"a loop of lookups":        "for (;;) { Things.Pump.speed = Things.Nobody ? 1 : 2; }",
		"a getter in the result":   "var result = {get a() { for (;;) { } }};",
		"a toJSON of the result":   "var result = {toJSON: function() { for (;;) { } }};",
		"a toString of a value":    "logger.info('{}', {toString: function() { for (;;) { } }});",
		"a pause":                  "pause(1e12);",
		"a comparison of its sort": "[1, 2, 3].sort(function() { for (;;) { } });",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost()
			_, err := New(h, Options{}).Run(context.Background(), compiled(t, code), Run{
				Me: h.entities["Things/Pump"], Result: infotable.TypeJSON, Deadline: 30 * time.Millisecond,
			})
			if !errors.Is(err, ErrDeadline) || !strings.Contains(fmt.Sprint(err), "the script did not end in time (30ms)") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAScriptEndsWithItsCaller(t *testing.T) {
	gone := errors.New("the caller went away")
	ctx, cancel := context.WithCancelCause(context.Background())
	h := newHost()
	h.entities["Things/Pump"].services["Leave"] = func(context.Context, *infotable.Table) (infotable.Value, error) {
		cancel(gone)
		return infotable.Nothing(), nil
	}
	_, err := New(h, Options{}).Run(ctx, compiled(t, "me.Leave();\nfor (;;) { }"), Run{Me: h.entities["Things/Pump"]})
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestPauseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if _, err := New(newHost(), Options{}).Run(t.Context(), compiled(t, "pause(1500);"), Run{}); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited != 1500*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		begin = time.Now()
		_, err := New(newHost(), Options{}).Run(t.Context(), compiled(t, "pause(50000);"), Run{})
		if waited := time.Since(begin); !errors.Is(err, ErrDeadline) || waited != 30*time.Second {
			t.Errorf("waited %v, got %v", waited, err)
		}
	})
}

func TestErrorsOfThePlatformKeepWhatTheyAre(t *testing.T) {
	for name, code := range map[string]string{
		"uncaught":                 `me.Refuse();`,
		"thrown again":             `try { me.Refuse(); } catch (e) { throw e; }`,
		"out of a callback":        `[1].forEach(function() { me.Refuse(); });`,
		"of a property":            `me.broken;`,
		"of writing a property":    `me.broken = 1;`,
		"of a data shape's values": `me.CreateValues();`,
		"while finally does more":  `try { me.Refuse(); } finally { var x = 1; }`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runOne(newHost(), code, infotable.TypeNothing)
			var refused *refusal
			var failed *Error
			if !errors.As(err, &refused) || !errors.As(err, &failed) || failed.Line != 1 {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("but not those that the script replaced", func(t *testing.T) {
		_, err := runOne(newHost(), `try { me.Refuse(); } catch (e) { throw new Error("mine: " + e.message); }`, infotable.TypeNothing)
		var refused *refusal
		if errors.As(err, &refused) || !strings.HasSuffix(fmt.Sprint(err), "mine: call: the pump is off") {
			t.Errorf("got %v", err)
		}
	})
}

// nested lets the Pump have services that are scripts.
func nested(t testing.TB, h *fakeHost, e *Engine, services map[string]string) {
	pump := h.entities["Things/Pump"]
	for name, code := range services {
		p, err := Compile("Things/Pump/Services/"+name, code)
		if err != nil {
			t.Fatal(err)
		}
		pump.services[name] = func(ctx context.Context, _ *infotable.Table) (infotable.Value, error) {
			return e.Run(ctx, p, Run{Me: pump, Result: infotable.TypeString})
		}
	}
}

func TestServicesCallEachOther(t *testing.T) {
	h := newHost()
	e := New(h, Options{})
	nested(t, h, e, map[string]string{
		"Inner":   "var result = me.Nothing ? 1 : 'inner';",
		"Failing": "\n  me.Refuse();",
		"Endless": "var result = me.Endless();",
		"Slow":    "for (;;) { }",
	})
	run := func(code string) (infotable.Value, error) {
		return e.Run(context.Background(), compiled(t, code), Run{Me: h.entities["Things/Pump"], Result: infotable.TypeString, Deadline: 200 * time.Millisecond})
	}
	if v, err := run(`var result = me.Inner() + me.Inner();`); err != nil || v.String() != "innerinner" {
		t.Errorf("got %v, %v", v, err)
	}
	_, err := run(`me.Failing();`)
	want := "Things/Pump/Services/S: line 1, column 11: Things/Pump/Services/Failing: line 2, column 12: call: the pump is off"
	var refused *refusal
	if fmt.Sprint(err) != want || !errors.As(err, &refused) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err = run(`me.Endless();`); !errors.Is(err, ErrDepth) || !strings.HasSuffix(err.Error(), "more than 32 services call each other") {
		t.Errorf("got %v", err)
	}
	if v, err := run(`try { me.Endless(); } catch (e) { var result = "caught"; }`); err != nil || v.String() != "caught" {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err = run(`try { me.Slow(); } catch (e) { } var result = "went on";`); !errors.Is(err, ErrDeadline) {
		t.Errorf("got %v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	h := newHost()
	e := New(h, Options{MaxMemory: 16 << 20})
	for name, code := range map[string]string{
		"a list that grows":  `var a = []; for (;;) { a.push({x: a.length}); }`,
		"a table that grows": `var t = me.table; for (;;) { t.AddRow({name: "x" + t.length}); }`,
		"a text that grows":  `var a = []; for (var s = "x";;) { s += "xxxxxxxxxxxxxxxxxxxxxxx"; a.push(s + a.length); }`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Run(context.Background(), compiled(t, code), Run{Me: h.entities["Things/Pump"]})
			if !errors.Is(err, ErrMemory) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, code := range map[string]string{
		"repeat":   `"x".repeat(1e12);`,
		"padStart": `"x".padStart(1e12);`,
		"padEnd":   `"x".padEnd(Infinity);`,
		"join":     `new Array(4e9).join("xx");`,
		"fill":     `var a = []; a.length = 4e9; a.fill(0);`,
		"toString": `"" + new Array(4e9);`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Run(context.Background(), compiled(t, code), Run{})
			if err == nil || !strings.Contains(err.Error(), "more than 16777216 characters or elements") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestJSONIsNotTooDeep(t *testing.T) {
	runAll(t, []script{
		{name: "to be read", code: `JSON.parse("[".repeat(1e7));`, fails: true, want: "Things/Pump/Services/S: line 1, column 11: JSON.parse: more than 10000 levels"},
		{name: "unless its brackets are text", code: `var result = JSON.parse('{"a\\"": "' + "[".repeat(20000) + '"}')['a"'].length;`, want: "20000"},
	})
}

func TestCodeThatIsTooMuchIsRefused(t *testing.T) {
	for name, code := range map[string]string{
		"too long":    strings.Repeat("x;", maxCode),
		"too nested":  strings.Repeat("(", 100000),
		"nested data": "var x = " + strings.Repeat("[{a:", 60000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("S", code)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, code := range map[string]string{
		"sums":        strings.Repeat("a()+", 50000) + "1",
		"assignments": strings.Repeat("a=", 50000) + "1",
		"conditions":  strings.Repeat("a?b:", 50000) + "1",
		"labels":      strings.Repeat("a:b:", 50000) + "1",
		"functions":   strings.Repeat("a=>", 50000) + "1",
	} {
		t.Run("a long chain of "+name, func(t *testing.T) {
			if _, err := Compile("S", code); err == nil {
				t.Error("it should be refused before the parser takes minutes")
			}
		})
	}
	for name, code := range map[string]string{
		"branches":     strings.Repeat("if(a)", 20000) + ";",
		"constructors": strings.Repeat("new ", 20000) + "a",
		"negations":    strings.Repeat("!", 20000) + "a",
	} {
		t.Run("a long chain of "+name+" can be read", func(t *testing.T) {
			p, err := Compile("S", code)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := New(newHost(), Options{}).Run(context.Background(), p, Run{}); err == nil {
				t.Error("a is not defined: it should have failed")
			}
		})
	}
}

func TestNothingOfAScriptIsSeenByTheNext(t *testing.T) {
	h := newHost()
	e := New(h, Options{})
	look := compiled(t, `var result = [typeof leaked, typeof Array.prototype.leaked, typeof ({}).leaked, typeof Math.leaked, typeof Things.leaked, typeof me.leaked,
		typeof generateGUID, typeof parseInt, typeof String.prototype.trim, typeof logger.leaked].join();`)
	for _, code := range []string{
		`leaked = 1; this.leaked = 1; var leaked = 1; generateGUID = 1; parseInt = 1; delete String.prototype.trim; String.prototype["tr" + "im"] = 1;`,
		`Object["proto" + "type"].leaked = 1; Array["proto" + "type"].leaked = 1; Math.leaked = 1; try { logger.leaked = 1; } catch (e) { }`,
		`Object.getPrototypeOf(this).leaked = 1; Object.getPrototypeOf(me.table).leaked = 1;`,
	} {
		run := Run{Me: h.entities["Things/Pump"], Result: infotable.TypeString}
		if _, err := e.Run(context.Background(), compiled(t, code), run); err != nil {
			t.Fatal(err)
		}
		got, err := e.Run(context.Background(), look, run)
		want := "undefined,undefined,undefined,undefined,undefined,undefined,function,function,function,undefined"
		if err != nil || got.String() != want {
			t.Errorf("after %s: got %s, %v", code, got, err)
		}
	}
}

func TestBuiltInPrototypesDoNotChange(t *testing.T) {
	runAll(t, []script{
		{name: "by assignment", code: `Array.prototype.last = function() { return 1; }; var result = typeof [].last;`, want: "undefined"},
		{name: "by definition", code: `try { Object.defineProperty(String.prototype, "last", {value: 1}); } catch (e) { var result = e.name; }`, want: "TypeError"},
		{name: "but can be used", code: `var result = Array.prototype.slice.call([1, 2, 3], 1).join() + Object.prototype.toString.call([]);`, want: "2,3[object Array]"},
		{name: "and the script's own do", code: `function A() { } A.prototype.x = function() { return "x"; }; var result = new A().x();`, want: "x"},
	})
}

func TestOneProgramRunsManyTimesAtOnce(t *testing.T) {
	h := newHost()
	e := New(h, Options{})
	p := compiled(t, `x = (typeof x === "undefined" ? 0 : x) + n; var result = x;`)
	var all sync.WaitGroup
	for n := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 20 {
				name := "n"
				if i%2 == 1 { // another set of parameters
					name = "m"
				}
				got, err := e.Run(context.Background(), p, Run{Result: infotable.TypeNumber, Vars: []infotable.Cell{
					{Name: "n", Value: infotable.Number(float64(n))}, {Name: name + "2", Value: infotable.Number(1)}}})
				if f, _ := got.Number(); err != nil || f != float64(n) {
					t.Errorf("got %v, %v", got, err)
				}
			}
		}()
	}
	all.Wait()
}

func TestTheQuirksOfTheRealEngine(t *testing.T) {
	h := newHost()
	p := compiled(t, `var result = JSON.stringify(me.list);`)
	got, err := New(h, Options{RhinoQuirks: true}).Run(context.Background(), p, Run{Me: h.entities["Things/Pump"], Result: infotable.TypeString})
	if err != nil || got.String() != `{"array":[1,2]}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestTheClockIsTheHosts(t *testing.T) {
	e := New(newHost(), Options{Now: func() time.Time { return time.UnixMilli(42) }})
	got, err := e.Run(context.Background(), compiled(t, `var result = Date.now() + new Date().getTime();`), Run{Result: infotable.TypeNumber})
	if f, _ := got.Number(); err != nil || f != 84 {
		t.Errorf("got %v, %v", got, err)
	}
}
