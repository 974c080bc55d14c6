package thingworx

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/store"
)

// service defines one that is bound to the edge as its lower-case name.
func remoteService(name string, result infotable.BaseType, params ...Param) ServiceDefinition {
	return ServiceDefinition{ServiceInfo: ServiceInfo{Name: name, Params: params, Result: result}, Remote: &ServiceBinding{EdgeName: strings.ToLower(name)}}
}

// boundBy is plant with an edge that stands for Pump-1 and serves as told, and with services there.
func boundBy(t *testing.T, o Options, serve func(context.Context, EdgeRequest) (*infotable.Table, error)) (*Platform, *fakeEdge) {
	t.Helper()
	p := plant(t, o)
	e := &fakeEdge{name: "the edge", serve: serve}
	must(t, p.Bind(t.Context(), e, []string{"Pump-1"}))
	for _, d := range []ServiceDefinition{
		remoteService("Restart", tNothing),
		remoteService("Add", tInteger, required("a", tNumber), required("b", tInteger), optional("c", tJSON)),
		remoteService("List", tTable),
		remoteService("State", tJSON),
		{ServiceInfo: ServiceInfo{Name: "Unbound", Result: tNothing}},
		{ServiceInfo: ServiceInfo{Name: "Quick", Result: tNothing}, Remote: &ServiceBinding{Timeout: 1500}},
	} {
		must(t, p.AddService(t.Context(), "Pump-1", d))
	}
	return p, e
}

func answering(content *infotable.Table, err error) func(context.Context, EdgeRequest) (*infotable.Table, error) {
	return func(context.Context, EdgeRequest) (*infotable.Table, error) { return content, err }
}

func TestAWriteGoesToTheEdgeByItsNameAndIsStoredOnlyWhenEchoed(t *testing.T) {
	p, e := boundBy(t, Options{}, nil)
	must(t, p.Set(t.Context(), "Pump-1", []Write{{Property: "temperature", Value: infotable.Integer(21)}}))
	if len(e.asked) != 1 || e.asked[0].Verb != EdgeWrite || e.asked[0].Thing != "Pump-1" || e.asked[0].Name != "temp" ||
		!e.asked[0].Params.Equal(infotable.Single("temp", num(21))) {
		t.Errorf("asked %+v", e.asked)
	}
	if v, _ := p.Read(t.Context(), "Pump-1", "temperature"); !v.Value.IsNothing() {
		t.Errorf("stored %v before the device echoed it", v.Value)
	}
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(21)}}))
	if v, _ := p.Read(t.Context(), "Pump-1", "temperature"); !v.Value.Equal(num(21)) {
		t.Errorf("stored %v", v.Value)
	}
}

func TestSeveralWritesAreCheckedBeforeAnyIsSent(t *testing.T) {
	p, e := boundBy(t, Options{}, nil)
	both := []Write{{Property: "mode", Value: text("auto")}, {Property: "temperature", Value: num(1)}, {Property: "state", Value: text("on")}}
	refused(t, p.Set(t.Context(), "Pump-1", append(both[:3:3], Write{Property: "count", Value: text("x")})), Invalid, "expected INTEGER")
	if len(e.asked) != 0 {
		t.Errorf("asked %+v", e.asked)
	}
	must(t, p.Set(t.Context(), "Pump-1", both))
	if v, _ := p.Read(t.Context(), "Pump-1", "mode"); len(e.asked) != 2 || !v.Value.Equal(text("auto")) {
		t.Errorf("asked %+v, stored %v", e.asked, v.Value)
	}
	e.serve = func(_ context.Context, r EdgeRequest) (*infotable.Table, error) {
		if r.Name == "state" {
			return nil, Refuse(Failed, "queue full")
		}
		return nil, nil
	}
	both[0].Value = text("off")
	refused(t, p.Set(t.Context(), "Pump-1", both), Failed, "write property state of Thing Pump-1: over the edge: queue full")
	if v, _ := p.Read(t.Context(), "Pump-1", "mode"); !v.Value.Equal(text("auto")) {
		t.Errorf("stored %v although a remote write failed", v.Value)
	}
}

func TestARequestToAnEdgeSaysWhyItFailed(t *testing.T) {
	write := func(p *Platform) error {
		return p.Set(context.Background(), "Pump-1", []Write{{Property: "temperature", Value: num(1)}})
	}
	call := func(service string, cells ...infotable.Cell) func(*Platform) error {
		return func(p *Platform) error { _, err := invoke(p, "Pump-1", service, cells...); return err }
	}
	read := func(p *Platform) error {
		_, err := invoke(p, "Pump-1", "SetRemotePropertyBinding", cell("propertyName", text("temperature")), cell("cacheTime", infotable.Integer(-1)),
			cell("sourcePropertyName", text("temp")))
		if err == nil {
			_, err = p.Fetch(context.Background(), "Pump-1", "temperature")
		}
		return err
	}
	disabled := func(then func(*Platform) error) func(*Platform) error {
		return func(p *Platform) error {
			if _, err := invoke(p, "Pump-1", "DisableThing"); err != nil {
				return err
			}
			return then(p)
		}
	}
	sum := []infotable.Cell{cell("a", num(1)), cell("b", num(2))}
	for _, tc := range []struct {
		name   string
		answer *infotable.Table
		err    error
		do     func(*Platform) error
		kind   Kind
		want   string
	}{
		{"a write that the edge refuses", nil, Refuse(Failed, "the edge refused"), write, Failed, "write property temperature of Thing Pump-1: over the edge: the edge refused"},
		{"a write whose connection ends", nil, ErrLost, write, Failed, "the edge ended before the answer came; the edge may or may not have carried it out"},
		{"a write that nobody takes any more", nil, ErrNotSent, write, Unbound, "nobody stands for Thing Pump-1"},
		{"a write to a disabled Thing", nil, nil, disabled(write), Forbidden, "Thing Pump-1 is disabled"},
		{"a service of a disabled Thing", nil, nil, disabled(call("Restart")), Forbidden, "Thing Pump-1 is disabled"},
		{"a read of a disabled Thing", nil, nil, disabled(read), Forbidden, "Thing Pump-1 is disabled"},
		{"a service without its parameter", nil, nil, call("Add", sum[0]), Invalid, "service Add needs the parameter b (INTEGER)"},
		{"a service with a wrong parameter", nil, nil, call("Add", sum[0], cell("b", num(1.5))), Invalid, "service Add, parameter b: expected INTEGER, got NUMBER 1.5"},
		{"a service that is not bound", nil, nil, call("Unbound"), Unsupported, "service Unbound of Thing Pump-1 has nothing that carries it out"},
		{"a service that the edge refuses", nil, Refuse(Failed, "status 500: overheated"), call("Restart"), Failed, "status 500: overheated"},
		{"a service whose connection ends", nil, ErrLost, call("Restart"), Failed, "may or may not"},
		{"a result of a wrong type", infotable.Single("result", text("x")), nil, call("Add", sum...), Failed,
			`service Add of Thing Pump-1: the answer of the edge does not fit: expected INTEGER, got STRING "x"`},
		{"a result that is no JSON", infotable.Single("result", text("{")), nil, call("State"), Failed, "no JSON"},
		{"a result in another column", infotable.Single("answer", num(1)), nil, call("Add", sum...), Failed, "expected the column result, got answer"},
		{"a read that the edge refuses", nil, Refuse(Failed, "no such device"), read, Failed, "read property temperature of Thing Pump-1: over the edge: no such device"},
		{"a read without a value", nil, nil, read, Failed, "the answer of the edge does not fit"},
		{"a read of a wrong type", infotable.Single("temp", text("x")), nil, read, Failed, "expected NUMBER"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := boundBy(t, Options{}, answering(tc.answer, tc.err))
			refused(t, tc.do(p), tc.kind, tc.want)
		})
	}
}

func TestAServiceTakesATypedRowAndReturnsItsTypedResult(t *testing.T) {
	rows := infotable.New(infotable.Column("x", tNumber)).Add(num(1)).Add(num(2))
	for _, tc := range []struct {
		name, service string
		cells         []infotable.Cell
		answer        *infotable.Table
		sent          string
		want          *infotable.Table
	}{
		{"numbers", "Add", []infotable.Cell{cell("b", num(2)), cell("a", infotable.Integer(1))}, infotable.Single("result", num(3)),
			"add a NUMBER 1, b INTEGER 2", infotable.Single("result", infotable.Integer(3))},
		{"JSON", "Add", []infotable.Cell{cell("a", num(1)), cell("b", num(2)), cell("c", text(`{"d":1}`))}, infotable.Single("result", num(3)),
			`add a NUMBER 1, b INTEGER 2, c JSON {"d":1}`, infotable.Single("result", infotable.Integer(3))},
		{"no result for a typed service", "Add", []infotable.Cell{cell("a", num(1)), cell("b", num(2))}, nil, "add a NUMBER 1, b INTEGER 2", nil},
		{"nothing at all", "Restart", nil, nil, "restart", nil},
		{"a result that nobody wants", "Restart", nil, infotable.Single("result", num(1)), "restart", nil},
		{"a table", "List", nil, rows, "list", rows},
		{"a table in a column", "List", nil, infotable.Single("result", infotable.FromTable(rows)), "list", rows},
		{"an empty table", "List", nil, nil, "list", &infotable.Table{}},
		{"JSON as text", "State", nil, infotable.Single("result", text(`[1]`)), "state", infotable.Single("result", infotable.Text(tJSON, `[1]`))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, e := boundBy(t, Options{}, answering(tc.answer, nil))
			got, err := invoke(p, "Pump-1", tc.service, tc.cells...)
			if err != nil || !got.Equal(tc.want) {
				t.Errorf("got %v, %v", got, err)
			}
			if len(e.asked) != 1 || e.asked[0].Verb != EdgeService || e.asked[0].Thing != "Pump-1" || shown(e.asked[0]) != tc.sent {
				t.Errorf("asked %+v: %s", e.asked, shown(e.asked[0]))
			}
		})
	}
}

// shown is the name of a request and its parameters.
func shown(r EdgeRequest) string {
	var parts []string
	for i := 0; r.Params != nil && i < len(r.Params.Fields); i++ {
		parts = append(parts, fmt.Sprint(r.Params.Fields[i].Name, " ", r.Params.Fields[i].Type, " ", r.Params.Rows[0][i]))
	}
	return strings.TrimSpace(r.Name + " " + strings.Join(parts, ", "))
}

func TestAnEdgeThatDoesNotAnswerIsWaitedForSoLong(t *testing.T) {
	for name, want := range map[string]time.Duration{"Restart": 30 * time.Second, "Quick": 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := boundBy(t, Options{}, func(ctx context.Context, _ EdgeRequest) (*infotable.Table, error) {
				<-ctx.Done()
				return nil, fmt.Errorf("wait: %w", context.Cause(ctx))
			})
			began := time.Now()
			_, err := invoke(p, "Pump-1", name)
			refused(t, err, TimedOut, fmt.Sprintf("no answer over the edge within %v; the edge may or may not have carried it out", want))
			if took := time.Since(began); took != want {
				t.Errorf("%s took %v", name, took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err = p.Set(ctx, "Pump-1", []Write{{Property: "temperature", Value: num(1)}})
			refused(t, err, Unbound, "nobody waits for the answer any more")
		})
	}
}

func TestReadsComeFromTheStoreOrTheEdgeAsTheCacheTimeSays(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	p, e := boundBy(t, Options{Now: func() time.Time { return now }}, answering(infotable.Single("temp", num(7)), nil))
	push := func() {
		must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(1), Time: now.UnixMilli()}}))
	}
	for _, tc := range []struct {
		cacheTime int32
		age       time.Duration
		asked     bool
	}{{0, time.Hour, false}, {-1, 0, true}, {5000, 5 * time.Second, false}, {5000, 5001 * time.Millisecond, true}} {
		_, err := invoke(p, "Pump-1", "SetRemotePropertyBinding", cell("propertyName", text("temperature")),
			cell("sourcePropertyName", text("temp")), cell("cacheTime", infotable.Integer(tc.cacheTime)))
		must(t, err)
		e.asked = nil
		push()
		now = now.Add(tc.age)
		got, err := p.Fetch(t.Context(), "Pump-1", "temperature")
		must(t, err)
		want := num(1)
		if tc.asked {
			want = num(7)
		}
		if !got.Value.Equal(want) || (len(e.asked) == 1) != tc.asked || tc.asked && (e.asked[0].Verb != EdgeRead || e.asked[0].Name != "temp") {
			t.Errorf("cache time %d, age %v: got %v, asked %+v", tc.cacheTime, tc.age, got.Value, e.asked)
		}
	}
	if stored, _ := p.Read(t.Context(), "Pump-1", "temperature"); !stored.Value.Equal(num(7)) {
		t.Errorf("what was fetched is not stored: %v", stored.Value)
	}
}

func TestServiceDefinitionsSayWhyTheyAreRefused(t *testing.T) {
	fields := func(rows ...[2]string) infotable.Value {
		table := infotable.New(infotable.Column("name", tString), infotable.Column("baseType", tString))
		for _, r := range rows {
			table.Add(text(r[0]), text(r[1]))
		}
		return infotable.FromTable(table)
	}
	add := func(name string, cells ...infotable.Cell) []infotable.Cell {
		return append(cells, cell("name", text(name)))
	}
	for _, tc := range []struct {
		name, thing, service string
		cells                []infotable.Cell
		kind                 Kind
		want                 string
	}{
		{"no name", "Pump-1", "AddServiceDefinition", add(""), Invalid, "service: a property name is required"},
		{"bad name", "Pump-1", "AddServiceDefinition", add("1x"), Invalid, `service: property name "1x"`},
		{"name of the template's", "Pump-1", "AddServiceDefinition", add("EnableThing"), Exists, "service EnableThing exists already"},
		{"parameter of no type", "Pump-1", "AddServiceDefinition", add("S", cell("parameters", fields([2]string{"a", "FLOAT"}))), Invalid, `parameters: row 1, a: there is no base type "FLOAT"`},
		{"parameter without values", "Pump-1", "AddServiceDefinition", add("S", cell("parameters", fields([2]string{"a", "VEC3"}))), Invalid, "base type VEC3 cannot hold values here"},
		{"parameter without name", "Pump-1", "AddServiceDefinition", add("S", cell("parameters", fields([2]string{"", "STRING"}))), Invalid, `parameter ""`},
		{"parameter twice", "Pump-1", "AddServiceDefinition", add("S", cell("parameters", fields([2]string{"a", "STRING"}, [2]string{"a", "STRING"}))), Invalid, "or that of another one"},
		{"two results", "Pump-1", "AddServiceDefinition", add("S", cell("resultType", fields([2]string{"a", "STRING"}, [2]string{"b", "STRING"}))), Invalid, "resultType must be one row"},
		{"result that cannot travel", "Pump-1", "AddServiceDefinition", add("S", cell("resultType", fields([2]string{"r", "VEC3"}))), Invalid, "cannot be a result here"},
		{"remote service of a GenericThing", thingRepository, "AddServiceDefinition", add("S", cell("remote", infotable.Boolean(true))), Forbidden, "only RemoteThings"},
		{"negative time-out", "Pump-1", "AddServiceDefinition", add("S", cell("remote", infotable.Boolean(true)), cell("timeout", num(-1))), Invalid, "negative time-out"},
		{"endless source name", "Pump-1", "AddServiceDefinition", add("S", cell("remote", infotable.Boolean(true)), cell("remoteServiceName", text(strings.Repeat("x", 2000)))), Invalid, "source name longer"},
		{"binding of no service", "Pump-1", "SetRemoteServiceBinding", []infotable.Cell{cell("serviceName", text("S"))}, NotFound, `Thing Pump-1 defines no service "S" itself`},
		{"binding of the template's", "Pump-1", "SetRemoteServiceBinding", []infotable.Cell{cell("serviceName", text("EnableThing"))}, NotFound, "defines no service"},
		{"removal of no service", "Pump-1", "RemoveServiceDefinition", add("S"), NotFound, "defines no service"},
		{"binding of no service told", "Pump-1", "GetRemoteServiceBinding", []infotable.Cell{cell("serviceName", text("S"))}, NotFound, `has no service "S"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := invoke(plant(t, Options{}), tc.thing, tc.service, tc.cells...)
			refused(t, err, tc.kind, tc.want)
		})
	}
}

func TestServicesAreDefinedBoundAndKept(t *testing.T) {
	kept := store.Memory()
	p := plant(t, Options{Store: kept})
	fields := infotable.New(infotable.Column("name", tString), infotable.Column("baseType", tString), infotable.Column("isRequired", tBoolean)).
		Add(text("delay"), text("INTEGER"), infotable.Boolean(true))
	result := infotable.New(infotable.Column("name", tString), infotable.Column("baseType", tString)).Add(text("result"), text("JSON"))
	_, err := invoke(p, "Pump-1", "AddServiceDefinition", cell("name", text("m::Restart")), cell("description", text("d")),
		cell("parameters", infotable.FromTable(fields)), cell("resultType", infotable.FromTable(result)))
	must(t, err)
	_, err = invoke(p, "Pump-1", "SetRemoteServiceBinding", cell("serviceName", text("m::Restart")),
		cell("sourceServiceName", text("mod1::reboot")), cell("timeout", num(2000)))
	must(t, err)
	must(t, p.Save())
	again, err := New(Options{Store: kept})
	must(t, err)
	for name, p := range map[string]*Platform{"before": p, "after the restart": again} {
		info, err := p.Service(t.Context(), EntityThing, "Pump-1", "m::Restart")
		if err != nil || info.Description != "d" || info.Result != tJSON || len(info.Params) != 1 || !info.Params[0].Required || info.Params[0].Name != "delay" || info.Params[0].Type != tInteger {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		bound, err := invoke(p, "Pump-1", "GetRemoteServiceBinding", cell("serviceName", text("m::Restart")))
		must(t, err)
		if source, _ := bound.First("sourceName").Text(); source != "mod1::reboot" || !bound.First("timeout").Equal(infotable.Integer(2000)) {
			t.Errorf("%s: bound to %v", name, bound.Rows)
		}
	}
	_, err = invoke(again, "Pump-1", "RemoveRemoteServiceBinding", cell("serviceName", text("m::Restart")))
	must(t, err)
	_, err = invoke(again, "Pump-1", "m::Restart", cell("delay", num(1)))
	refused(t, err, Unsupported, "nothing that carries it out")
	_, err = invoke(again, "Pump-1", "RemoveServiceDefinition", cell("name", text("m::Restart")))
	must(t, err)
	_, err = invoke(again, "Pump-1", "m::Restart")
	refused(t, err, NotFound, "has no service")
}
