package page

import (
	"context"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// How much the page shows.
const (
	mostThings     = 200
	mostRows       = 50 // properties of one Thing
	mostWaiting    = 24
	mostSuggested  = 30
	mostRefusals   = 20
	mostEvents     = 10
	mostCharacters = 120 // of a value
)

// view is all that the page shows.
type view struct {
	Query           string
	Mark            uint64
	Stats           thingworx.Stats
	Things          things
	Waiting         waiting
	Events          []event
	Refusals        []refusal
	Problem, Notice string
}

type things struct {
	Cards    []card
	Total    int
	More     bool
	Filtered bool
}

type card struct {
	Name, Template, Gateway string
	Enabled, Connected      bool
	Rows                    []row
	Hidden                  int
}

type row struct {
	Name, Type, Source       string
	Value, Full              string
	Clock, Day, ISO, Quality string
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

type event struct{ Event, Thing, Clock, Data string }

type refusal struct {
	Reason, What, Via, User, Clock string
	Count                          int
}

const (
	clockLayout = "15:04:05.000"
	dayLayout   = "2006-01-02"
)

func (h *Handler) thingsOf(query string) things {
	views, _ := h.platform.Things(context.Background(), query, 0)
	t := things{Filtered: query != ""}
	for i := range views {
		if views[i].System || views[i].Package != "" {
			continue
		}
		t.Total++
		if len(t.Cards) < mostThings {
			t.Cards = append(t.Cards, cardOf(&views[i]))
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

func cardOf(v *thingworx.ThingView) card {
	c := card{Name: v.Name, Template: v.Template, Enabled: v.Enabled, Connected: v.Connected}
	if gateway, ok := v.Property("gatewayThing"); ok {
		c.Gateway, _ = gateway.Value.Text()
	}
	for i := range v.Properties {
		p := &v.Properties[i]
		if p.From != "" && (p.Remote == nil || p.Value.IsNothing()) {
			continue
		}
		if len(c.Rows) == mostRows {
			c.Hidden++
			continue
		}
		c.Rows = append(c.Rows, rowOf(p))
	}
	return c
}

func rowOf(p *thingworx.PropertyView) row {
	r := row{Name: p.Name, Type: p.Type.String(), Value: "—"}
	if p.Remote != nil && p.Remote.EdgeName != p.Name {
		r.Source = p.Remote.EdgeName
	}
	if p.Value.IsNothing() {
		return r
	}
	r.Full = cut(p.Value.String(), 10*mostCharacters)
	r.Value = cut(r.Full, mostCharacters)
	at := time.UnixMilli(p.Time).UTC()
	r.Clock, r.Day, r.ISO, r.Quality = at.Format(clockLayout), at.Format(dayLayout), at.Format(time.RFC3339Nano), p.Quality
	return r
}

func (h *Handler) waitingNow() waiting {
	listed := h.platform.Waiting(mostWaiting)
	w := waiting{Total: h.platform.Stats().Waiting, Token: h.token}
	for i := range listed {
		in := &listed[i]
		d := device{ID: in.ID, Thing: in.Thing, Hub: in.Hub, Clock: in.Last.UTC().Format(clockLayout), Count: in.Count}
		for _, s := range in.Properties[:min(len(in.Properties), mostSuggested)] {
			value := "—"
			if !s.Value.IsNothing() {
				value = cut(s.Value.String(), mostCharacters)
			}
			d.Properties = append(d.Properties, suggested{s.EdgeName, s.Type.String(), value})
		}
		w.Devices = append(w.Devices, d)
	}
	w.More = w.Total > len(w.Devices)
	return w
}

// eventsNow leaves out what the list of waiting devices shows.
func (h *Handler) eventsNow() []event {
	var out []event
	for _, e := range h.platform.Events("", 200) {
		if e.Event == thingworx.EventThingNotFound {
			continue
		}
		if out = append(out, event{e.Event, e.Thing, e.Time.UTC().Format(clockLayout), dataOf(e.Data)}); len(out) == mostEvents {
			break
		}
	}
	return out
}

// dataOf shows the one row of an event.
func dataOf(t *infotable.Table) string {
	if t.Len() == 0 {
		return ""
	}
	var cells []string
	for i, f := range t.Fields {
		if v := t.Rows[0].Cell(i); !v.IsNothing() {
			cells = append(cells, cut(f.Name, mostCharacters)+" "+cut(v.String(), mostCharacters))
		}
	}
	return cut(strings.Join(cells, ", "), 4*mostCharacters)
}

func (h *Handler) refusalsNow() []refusal {
	var out []refusal
	for _, r := range h.platform.Refusals() {
		if len(out) == mostRefusals {
			break
		}
		out = append(out, refusal{
			Reason: cut(r.Reason, 4*mostCharacters), What: cut(r.What, 2*mostCharacters), Via: r.Caller.Via, User: r.Caller.User,
			Clock: r.Last.UTC().Format(clockLayout), Count: r.Count,
		})
	}
	return out
}

// statsNow counts without the system's own Things, since the page does not show them.
func (h *Handler) statsNow() thingworx.Stats {
	s := h.platform.Stats()
	s.Things--
	return s
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
