package script

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

// fakeHost is a platform of a few entities.
type fakeHost struct {
	mu       sync.Mutex
	entities map[string]*fakeEntity // by collection and name
	lines    []string
}

func (h *fakeHost) Entity(_ context.Context, collection, name string) (Entity, bool) {
	e, ok := h.entities[collection+"/"+name]
	if !ok {
		return nil, false
	}
	return e, true
}

func (h *fakeHost) Log(_ context.Context, level, logger, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, level+" "+logger+": "+text)
}

func (h *fakeHost) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, "\n")
}

// fakeEntity has properties, services that are Go functions, and events that are remembered.
type fakeEntity struct {
	collection, name string
	attributes       map[string]infotable.Value
	properties       map[string]infotable.Value
	types            map[string]Signature // of properties, services and events
	services         map[string]func(ctx context.Context, params *infotable.Table) (infotable.Value, error)
	events           map[string]*infotable.Table
	values           *infotable.Table
}

func (e *fakeEntity) Name() string       { return e.name }
func (e *fakeEntity) Collection() string { return e.collection }

func (e *fakeEntity) Attribute(name string) (infotable.Value, bool) {
	if name == "name" {
		return infotable.String(e.name), true
	}
	v, ok := e.attributes[name]
	return v, ok
}

func (e *fakeEntity) Has(name string) Member {
	if _, ok := e.properties[name]; ok {
		return Property
	}
	if e.services[name] != nil {
		return Service
	}
	if _, ok := e.events[name]; ok {
		return Event
	}
	return None
}

func (e *fakeEntity) Get(_ context.Context, property string) (infotable.Value, error) {
	if property == "broken" {
		return infotable.Nothing(), &refusal{"the property cannot be read"}
	}
	return e.properties[property], nil
}

func (e *fakeEntity) Set(_ context.Context, property string, v infotable.Value) error {
	if property == "broken" {
		return &refusal{"the property cannot be written"}
	}
	e.properties[property] = v
	return nil
}

func (e *fakeEntity) ServiceInfo(name string) (Signature, bool) {
	info, ok := e.types[name]
	return info, ok
}

func (e *fakeEntity) Call(ctx context.Context, service string, params *infotable.Table) (infotable.Value, error) {
	return e.services[service](ctx, params)
}

func (e *fakeEntity) Fire(_ context.Context, event string, data *infotable.Table) error {
	e.events[event] = data
	return nil
}

func (e *fakeEntity) Values() (*infotable.Table, error) {
	if e.values == nil {
		return nil, &refusal{"no data shape"}
	}
	return infotable.New(e.values.Fields...), nil
}

// refusal is an error of the platform.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// pumpShape is a data shape of the fake platform.
func pumpShape() *infotable.Table {
	location := infotable.Column("place", infotable.TypeLocation)
	nested := infotable.Column("parts", infotable.TypeInfotable)
	nested.Aspects = []infotable.Aspect{{Name: "dataShape", Value: infotable.String("Part")}}
	key := infotable.Column("name", infotable.TypeString)
	key.Aspects = []infotable.Aspect{{Name: "isPrimaryKey", Value: infotable.Boolean(true)}}
	return infotable.New(key, infotable.Column("speed", infotable.TypeNumber), infotable.Column("count", infotable.TypeInteger),
		infotable.Column("since", infotable.TypeDateTime), infotable.Column("on", infotable.TypeBoolean),
		infotable.Column("data", infotable.TypeJSON), location, nested, infotable.Column("tags", infotable.TypeTags))
}

// newHost is the fake platform that the tables of scripts run on.
func newHost() *fakeHost {
	shapes := func(name string, t *infotable.Table) *fakeEntity {
		return &fakeEntity{collection: "DataShapes", name: name, values: t}
	}
	pump := &fakeEntity{
		collection: "Things", name: "Pump",
		attributes: map[string]infotable.Value{
			"description": infotable.String("a pump"), "thingTemplate": infotable.Text(infotable.TypeThingTemplateName, "GenericThing"),
			"tags": infotable.Text(infotable.TypeTags, "Plant:North"),
		},
		properties: map[string]infotable.Value{
			"speed": infotable.Number(7.5), "module::temp": infotable.Number(21), "on": infotable.Boolean(true),
			"since": infotable.DateTime(1000), "data": infotable.Text(infotable.TypeJSON, `{"a":[1,2]}`),
			"list": infotable.Text(infotable.TypeJSON, `[1,2]`), "place": infotable.Location(infotable.Coordinates{Latitude: 1, Longitude: 2}),
			"count": infotable.Integer(3), "big": infotable.Long(1 << 52), "blob": infotable.Blob([]byte{1, 255}),
			"picture": infotable.Image([]byte("ab")), "broken": infotable.Nothing(), "empty": infotable.Nothing(),
			"table": infotable.FromTable(pumpShape().Add(infotable.String("p1"), infotable.Number(1)).Add(infotable.String("p2"), infotable.Number(2))),
		},
		types: map[string]Signature{
			"count": {Result: infotable.TypeInteger}, "place": {Result: infotable.TypeLocation},
			"Add": {Params: []infotable.Field{infotable.Column("a", infotable.TypeInteger), infotable.Column("b", infotable.TypeNumber),
				infotable.Column("when", infotable.TypeDateTime), infotable.Column("rows", infotable.TypeInfotable)}, Result: infotable.TypeNumber},
			"Stopped": {Params: []infotable.Field{infotable.Column("reason", infotable.TypeString), infotable.Column("code", infotable.TypeInteger)}},
		},
		events: map[string]*infotable.Table{"Stopped": nil},
	}
	pump.services = map[string]func(context.Context, *infotable.Table) (infotable.Value, error){
		"Add": func(_ context.Context, in *infotable.Table) (infotable.Value, error) {
			a, _ := in.First("a").Number()
			b, _ := in.First("b").Number()
			return infotable.Number(a + b), nil
		},
		"Echo": func(_ context.Context, in *infotable.Table) (infotable.Value, error) {
			if in == nil {
				return infotable.String("nothing"), nil
			}
			return in.First("v"), nil
		},
		"Types": func(_ context.Context, in *infotable.Table) (infotable.Value, error) {
			var all []string
			for i, f := range in.Fields {
				all = append(all, fmt.Sprintf("%s %s=%s", f.Name, f.Type, in.Rows[0][i]))
			}
			return infotable.String(strings.Join(all, ", ")), nil
		},
		"Refuse": func(context.Context, *infotable.Table) (infotable.Value, error) {
			return infotable.Nothing(), fmt.Errorf("call: %w", &refusal{"the pump is off"})
		},
		"GetTable": func(context.Context, *infotable.Table) (infotable.Value, error) { return pump.properties["table"], nil },
	}
	encryption := &fakeEntity{collection: "Resources", name: "EncryptionServices"}
	encryption.services = map[string]func(context.Context, *infotable.Table) (infotable.Value, error){
		"EncryptPropertyValue": func(_ context.Context, in *infotable.Table) (infotable.Value, error) {
			text, _ := in.First("data").Text()
			return infotable.String("secret(" + text + ")"), nil
		},
	}
	part := infotable.New(infotable.Column("id", infotable.TypeString), infotable.Column("weight", infotable.TypeNumber))
	return &fakeHost{entities: map[string]*fakeEntity{
		"Things/Pump": pump, "DataShapes/Pump": shapes("Pump", pumpShape()), "DataShapes/Part": shapes("Part", part),
		"Resources/EncryptionServices": encryption,
	}}
}

// script is one script and what becomes of it.
type script struct {
	name, code string
	result     infotable.BaseType
	want       string // the result as text; for errors the error's text
	fails      bool
}

// runAll runs each script on a platform of its own.
func runAll(t *testing.T, scripts []script) {
	t.Helper()
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			h := newHost()
			got, err := runOne(h, s.code, s.result)
			text := shownValue(got)
			if err != nil {
				text = err.Error()
			}
			if s.fails != (err != nil) || text != s.want {
				t.Errorf("got %s (error: %v)\nwant %s", text, err, s.want)
			}
		})
	}
}

func runOne(h *fakeHost, code string, result infotable.BaseType) (infotable.Value, error) {
	p, err := Compile("Things/Pump/Services/S", code)
	if err != nil {
		return infotable.Nothing(), err
	}
	return New(h, Options{}).Run(context.Background(), p, Run{
		Me: h.entities["Things/Pump"], Result: result, Logger: "log", Deadline: 20 * time.Second,
	})
}

// shownValue shows tables with their rows.
func shownValue(v infotable.Value) string {
	t, ok := v.Table()
	if !ok {
		return v.String()
	}
	var names []string
	for _, f := range t.Fields {
		names = append(names, f.Name)
	}
	rows := []string{strings.Join(names, ",")}
	for _, row := range t.Rows {
		var cells []string
		for _, c := range row {
			if c.IsNothing() {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, shownValue(c))
		}
		rows = append(rows, strings.Join(cells, ","))
	}
	return strings.Join(rows, "|")
}
