package page

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// mostCalls is how many services a card offers.
const mostCalls = 4

// overviewView is the first page: what arrives, and who stands for whom.
type overviewView struct {
	frame
	Filter   string // of the Things' names
	Things   things
	Ways     ways
	Waiting  waiting
	Events   []event
	Refusals []refusal
}

type things struct {
	Cards    []card
	Total    int
	More     bool
	Filtered bool
}

type card struct {
	Name, Link              string
	Template, Gateway       string
	Enabled, Connected, Hub bool
	Remote                  bool
	Rows                    []row
	Hidden                  int
	Calls                   []link // services that its device carries out
}

type link struct{ Name, Link, Hint string }

type row struct {
	Name, Link, Type, Source string
	Value, Full              string
	Clock, ISO, Quality      string
	Day                      string // "" for today
}

// ways are how requests reach devices: hub Things and connectors.
type ways struct {
	Hubs       []hub
	Connectors []connector
}

type hub struct {
	Name, Link, Settings, Group string
	Connected, Enabled          bool
}

type waiting struct {
	Devices []device
	Total   int
	More    bool
	Token   string
}

type device struct {
	ID, Thing, Hub, Clock string
	Count                 int
	Properties            []suggested
}

type suggested struct{ Name, Type, Value string }

func (h *Handler) overview(w http.ResponseWriter, r *http.Request) {
	_, mark, _ := h.platform.Changes(0, nil) // before looking, so that nothing is missed between here and the stream
	ctx, filter := r.Context(), cut(r.URL.Query().Get("q"), 255)
	h.show(w, r, http.StatusOK, "overview", &overviewView{
		frame:  frame{Title: "Overview", Tab: "overview", Stream: streamOf("overview", "q", filter, "mark", number(mark))},
		Filter: filter, Things: h.thingsOf(ctx, filter), Ways: h.waysNow(ctx), Waiting: h.waitingNow(),
		Events: h.eventsNow("", mostEvents), Refusals: h.refusalsNow(mostRefusals),
	})
}

// createWaiting creates the Thing of a listed device.
func (h *Handler) createWaiting(w http.ResponseWriter, r *http.Request) {
	name := r.PostForm.Get("thing")
	if err := h.platform.CreateWaiting(name); err != nil {
		h.refuse(w, r, "create Thing "+cut(name, mostCharacters), err)
		return
	}
	back(w, r, "/", "waiting", name)
}

// thingsOf shows the Things that somebody made here, not those of the system, of packages and of connectors.
func (h *Handler) thingsOf(ctx context.Context, filter string) things {
	views, _ := h.platform.Things(ctx, filter, 0)
	t := things{Filtered: filter != ""}
	for i := range views {
		if v := &views[i]; v.System || v.Package != "" || isConnector(v) || isHub(v) {
			continue
		}
		t.Total++
		if len(t.Cards) < mostThings {
			t.Cards = append(t.Cards, h.cardOf(ctx, &views[i]))
		}
	}
	t.More = t.Total > len(t.Cards)
	return t
}

// names of the Things shown.
func (t *things) names() []string {
	names := make([]string, len(t.Cards))
	for i := range t.Cards {
		names[i] = t.Cards[i].Name
	}
	return names
}

// roles knows which Things are hub Things and which those of connectors, without looking at all Things each time.
type roles struct {
	mu               sync.Mutex
	known            bool
	mark             uint64 // of Platform.Changes when the names were taken
	hubs, connectors []string
}

func (r *roles) names(ctx context.Context, p *thingworx.Platform) (hubs, connectors []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, next, reshaped := p.Changes(r.mark, nil)
	if r.known && !reshaped {
		return r.hubs, r.connectors
	}
	r.known, r.mark, r.hubs, r.connectors = true, next, nil, nil
	views, _ := p.Things(ctx, "", 0)
	for i := range views {
		switch v := &views[i]; {
		case v.System:
		case isHub(v) && len(r.hubs) < mostThings:
			r.hubs = append(r.hubs, v.Name)
		case isConnector(v) && v.Package == "" && len(r.connectors) < mostThings:
			r.connectors = append(r.connectors, v.Name)
		}
	}
	return r.hubs, r.connectors
}

// isHub reports whether devices are reached through a Thing.
func isHub(v *thingworx.ThingView) bool { return slices.Contains(v.Shapes, thingworx.ShapeEgressGate) }

func isConnector(v *thingworx.ThingView) bool {
	return strings.HasPrefix(v.Template, "ProtocolAdapter") || slices.Contains(v.Shapes, "ProtocolAdapterWithAvailability")
}

func (h *Handler) cardOf(ctx context.Context, v *thingworx.ThingView) card {
	c := card{Name: v.Name, Link: linkThing(v.Name), Template: v.Template, Enabled: v.Enabled, Connected: v.Connected,
		Gateway: gatewayOf(v), Remote: v.Remote}
	for i := range v.Properties {
		p := &v.Properties[i]
		if p.From != "" && (p.Remote == nil || p.Value.IsNothing()) {
			continue
		}
		if len(c.Rows) == mostRows {
			c.Hidden++
			continue
		}
		c.Rows = append(c.Rows, rowOf(v.Name, p))
	}
	c.Calls = h.callsOf(ctx, v.Name)
	return c
}

// callsOf lists what the device of a Thing carries out, as far as people said so: not what any remote Thing has.
func (h *Handler) callsOf(ctx context.Context, name string) []link {
	services, err := h.platform.Services(ctx, thingworx.EntityThing, name)
	if err != nil {
		return nil // it was deleted a moment ago
	}
	var own, inherited []link
	for i := range services {
		s := &services[i]
		l := link{s.Name, linkThing(name, "services", s.Name), s.Description}
		switch {
		case s.Remote == nil:
		case s.From == "":
			own = append(own, l)
		case !h.isBuiltIn(ctx, s.From):
			inherited = append(inherited, l)
		}
	}
	all := append(own, inherited...)
	return all[:min(len(all), mostCalls)]
}

// isBuiltIn reports whether a template or shape is the platform's own.
func (h *Handler) isBuiltIn(ctx context.Context, name string) bool {
	for _, kind := range []thingworx.EntityKind{thingworx.EntityTemplate, thingworx.EntityShape} {
		if e, err := h.platform.Entity(ctx, kind, name); err == nil {
			return e.System
		}
	}
	return false
}

func gatewayOf(v *thingworx.ThingView) string {
	gateway, _ := v.Property("gatewayThing")
	name, _ := gateway.Value.Text()
	return name
}

func rowOf(thing string, p *thingworx.PropertyView) row {
	r := row{Name: p.Name, Link: linkThing(thing, "properties", p.Name), Type: p.Type.String(), Value: "—"}
	if p.Remote != nil && p.Remote.EdgeName != p.Name {
		r.Source = p.Remote.EdgeName
	}
	if p.Value.IsNothing() {
		return r
	}
	r.Full = cut(textOf(p.Value), 10*mostCharacters)
	r.Value = cut(r.Full, mostCharacters)
	at := time.UnixMilli(p.Time).UTC()
	r.Clock, r.ISO, r.Quality = at.Format(clockLayout), at.Format(time.RFC3339Nano), p.Quality
	if r.Day = at.Format(dayLayout); r.Day == time.Now().UTC().Format(dayLayout) {
		r.Day = ""
	}
	return r
}

func (h *Handler) waysNow(ctx context.Context) ways {
	var w ways
	hubs, connectors := h.roles.names(ctx, h.platform)
	for _, name := range hubs {
		if v, err := h.platform.Thing(ctx, name); err == nil { // else it was deleted a moment ago
			w.Hubs = append(w.Hubs, hub{Name: name, Link: linkThing(name), Settings: linkThing(name, "configuration"),
				Group: h.routingGroup(ctx, name), Connected: v.Connected, Enabled: v.Enabled})
		}
	}
	for _, name := range connectors {
		if v, err := h.platform.Thing(ctx, name); err == nil {
			w.Connectors = append(w.Connectors, h.connectorOf(ctx, &v))
		}
	}
	return w
}

// routingGroup is that of a hub Thing, as its configuration has it.
func (h *Handler) routingGroup(ctx context.Context, name string) string {
	table, err := h.platform.Call(ctx, thingworx.EntityThing, name, "GetConfigurationTable",
		infotable.OneRow(infotable.Cell{Name: "tableName", Value: infotable.String(thingworx.TableRouting)}))
	if err != nil {
		return "" // not every such Thing has one
	}
	group, _ := table.First(thingworx.ColumnRoutingGroup).Text()
	return strings.ReplaceAll(group, "${hub-thing-name}", name)
}

func (h *Handler) waitingNow() waiting {
	listed := h.platform.Waiting(mostWaiting)
	w := waiting{Total: h.platform.Stats().Waiting, Token: h.token}
	for i := range listed {
		in := &listed[i]
		d := device{ID: in.ID, Thing: in.Thing, Hub: in.Hub, Clock: clock(in.Last), Count: in.Count}
		for _, s := range in.Properties[:min(len(in.Properties), mostSuggested)] {
			value := "—"
			if !s.Value.IsNothing() {
				value = cut(textOf(s.Value), mostCharacters)
			}
			d.Properties = append(d.Properties, suggested{s.EdgeName, s.Type.String(), value})
		}
		w.Devices = append(w.Devices, d)
	}
	w.More = w.Total > len(w.Devices)
	return w
}
