package page

import (
	"context"
	"net/http"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// thingView is the page of a Thing: its properties.
type thingView struct {
	frame
	Head
	About     []fact
	Own       []row
	Inherited []row
	Calls     []link // services that its device carries out
	Adding    string // address of the form for a property
}

func (h *Handler) thing(w http.ResponseWriter, r *http.Request) {
	v, err := h.platform.Thing(r.Context(), r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	own, inherited := valuesOf(&v)
	view := &thingView{frame: frame{Title: v.Name, Tab: "entities", Stream: streamOf("thing", "thing", v.Name)}, Head: thingHead(&v, "properties"),
		Own: own, Inherited: inherited, Calls: h.callsOf(r.Context(), v.Name), Adding: linkThing(v.Name, "properties")}
	view.About = thingFacts(&v)
	h.show(w, r, http.StatusOK, "thingpage", view)
}

// thingHead is the top of all pages of a Thing.
func thingHead(v *thingworx.ThingView, tab string) Head {
	head := Head{Name: v.Name, Kind: "Things", KindLink: wanted{kind: string(thingworx.EntityThing)}.link(), Description: v.Description,
		Package: v.Package, Base: v.Template, BaseLink: linkTo(thingworx.EntityTemplate, v.Template), System: v.System, IsThing: true,
		Enabled: v.Enabled, Connected: v.Connected, Remote: v.Remote, Gateway: gatewayOf(v), State: linkThing(v.Name, "state"),
		Deletion: !v.System && v.Package == ""}
	head.GatewayLink = linkThing(head.Gateway)
	if v.Package != "" {
		head.PackageLink = wanted{pkg: v.Package}.link()
	}
	for _, t := range []struct{ name, path string }{{"Properties", ""}, {"Services", "services"}, {"Configuration", "configuration"},
		{"Events", "events"}, {"Scripts", "scripts"}} {
		c := choice{Name: t.name, Link: linkThing(v.Name), Current: tab == strings.ToLower(t.name)}
		if t.path != "" {
			c.Link += "/" + t.path
		}
		head.Tabs = append(head.Tabs, c)
	}
	return head
}

func thingFacts(v *thingworx.ThingView) []fact {
	out := aboutOf(&entity.Common{Project: v.Project, Tags: v.Tags, HomeMashup: v.HomeMashup})
	if v.Identifier != "" {
		out = append(out, fact{"Identifier", v.Identifier, ""})
	}
	if v.ValueStream != "" {
		out = append(out, fact{"Value stream", v.ValueStream, linkThing(v.ValueStream)})
	}
	return out
}

// valuesOf lists a Thing's properties, its own and those that a device sends first.
func (h *Handler) valuesOf(ctx context.Context, name string) (own, inherited []row) {
	v, err := h.platform.Thing(ctx, name)
	if err != nil {
		return nil, nil // it was deleted
	}
	return valuesOf(&v)
}

func valuesOf(v *thingworx.ThingView) (own, inherited []row) {
	for i := range v.Properties[:min(len(v.Properties), mostMembers)] {
		p := &v.Properties[i]
		if p.From == "" || p.Remote != nil && !p.Value.IsNothing() {
			own = append(own, rowOf(v.Name, p))
		} else {
			inherited = append(inherited, rowOf(v.Name, p))
		}
	}
	return own, inherited
}

// eventsView lists what a Thing fired.
type eventsView struct {
	frame
	Head
	Events  []event
	Defined []member
}

func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	v, err := h.platform.Thing(r.Context(), r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := &eventsView{frame: frame{Title: v.Name + ": events", Tab: "entities", Stream: streamOf("events", "thing", v.Name)},
		Head: thingHead(&v, "events"), Events: h.eventsNow(v.Name, mostActivity)}
	definitions, err := h.platform.EventDefinitions(r.Context(), v.Name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, d := range definitions {
		m := member{Name: d.Name, Of: d.DataShape, Description: d.Description, Type: d.From}
		if d.DataShape != "" {
			m.Link = linkTo(thingworx.EntityDataShape, d.DataShape)
		}
		view.Defined = append(view.Defined, m)
	}
	h.show(w, r, http.StatusOK, "eventspage", view)
}

// scriptsView shows what runs when something happens to a Thing, and what its services do.
type scriptsView struct {
	frame
	Head
	Subscriptions []scripted
	Services      []scripted
}

// scripted is a script with what makes it run.
type scripted struct {
	Name, When, Description, Code, From string
	Link                                string
	Off                                 bool
}

func (h *Handler) scripts(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	v, err := h.platform.Thing(ctx, r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := &scriptsView{frame: frame{Title: v.Name + ": scripts", Tab: "entities"}, Head: thingHead(&v, "scripts")}
	subscriptions, err := h.platform.Subscriptions(ctx, v.Name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for i := range subscriptions {
		view.Subscriptions = append(view.Subscriptions, subscriptionOf(&subscriptions[i]))
	}
	services, err := h.platform.Services(ctx, thingworx.EntityThing, v.Name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for i := range services {
		if s := &services[i]; s.Code != "" {
			view.Services = append(view.Services, scripted{Name: s.Name, Description: s.Description, Code: s.Code, From: s.From,
				When: "when it is called", Link: linkThing(v.Name, "services", s.Name)})
		}
	}
	h.show(w, r, http.StatusOK, "scripts", view)
}

func subscriptionOf(s *entity.Subscription) scripted {
	when := "on " + s.Event
	if s.Property != "" {
		when += " of the property " + s.Property
	}
	if s.Source != "" {
		when += " of " + s.Source
	}
	return scripted{Name: s.Name, When: when, Description: s.Description, Code: s.Code, Off: !s.Enabled}
}

// changeState enables, disables, starts again or deletes a Thing.
func (h *Handler) changeState(w http.ResponseWriter, r *http.Request) {
	name, to := r.PathValue("name"), r.PostForm.Get("to")
	do, ok := map[string]string{"enabled": "EnableThing", "disabled": "DisableThing", "started": "RestartThing", "deleted": "DeleteThing"}[to]
	if !ok {
		h.refuse(w, r, "change Thing "+name, thingworx.Refuse(thingworx.Invalid, "there is no state %q", cut(to, mostCharacters)))
		return
	}
	var err error
	path := linkThing(name)
	if to == "deleted" {
		path = entitiesPath
		err = h.platform.DeleteThing(r.Context(), name)
	} else {
		_, err = h.platform.Call(r.Context(), thingworx.EntityThing, name, do, (*infotable.Table)(nil))
	}
	if err != nil {
		h.refuse(w, r, do+" "+name, err)
		return
	}
	back(w, r, path, to, name)
}
