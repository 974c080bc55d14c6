package page

import (
	"context"
	"net/http"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// serviceDecrypt gives secrets in the clear, so the page does not call it.
const serviceDecrypt = "DecryptPropertyValue"

// servicesView lists the services of an entity.
type servicesView struct {
	frame
	Head
	Groups []serviceGroup
	Filter string
}

// serviceGroup is what a device or a script does, or the platform itself.
type serviceGroup struct {
	ID, Name, Hint string
	Services       []member
	Folded         bool
}

func (h *Handler) headFor(r *http.Request, tab string) (Head, thingworx.EntityKind, error) {
	e, err := h.target(r)
	if err != nil {
		return Head{}, "", err
	}
	if e.Kind != thingworx.EntityThing {
		return headOf(&e, tab), e.Kind, nil
	}
	v, err := h.platform.Thing(r.Context(), e.Name)
	return thingHead(&v, tab), e.Kind, err
}

func (h *Handler) services(w http.ResponseWriter, r *http.Request) {
	head, kind, err := h.headFor(r, "services")
	if err != nil {
		h.fail(w, r, err)
		return
	}
	all, err := h.platform.Services(r.Context(), kind, head.Name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	groups := []serviceGroup{
		{ID: "remote", Name: "Carried out by the device or the connector"},
		{ID: "scripts", Name: "Carried out by a script"},
		{ID: "native", Name: "Of the platform", Hint: "what every such entity can do"},
	}
	if kind == thingworx.EntityThing {
		groups[2].Folded = true
	}
	for i := range all {
		s, at := &all[i], 2
		switch {
		case s.Remote != nil:
			at = 0
		case s.Code != "":
			at = 1
		}
		groups[at].Services = append(groups[at].Services, serviceMember(kind, head.Name, s))
	}
	view := &servicesView{frame: frame{Title: head.Name + ": services", Tab: "entities"}, Head: head}
	for _, g := range groups {
		if len(g.Services) > 0 {
			view.Groups = append(view.Groups, g)
		}
	}
	if len(view.Groups) == 1 {
		view.Groups[0].Folded = false
	}
	h.show(w, r, http.StatusOK, "services", view)
}

func serviceMember(kind thingworx.EntityKind, name string, s *thingworx.ServiceDefinition) member {
	m := member{Name: s.Name, Link: linkTo(kind, name, "services", s.Name), Type: resultName(s), Description: s.Description, Of: s.From}
	for _, p := range s.Params {
		m.Notes = append(m.Notes, p.Name)
	}
	return m
}

func resultName(s *thingworx.ServiceDefinition) string {
	if s.Result == infotable.TypeNothing {
		return "nothing"
	}
	return s.Result.String()
}

// serviceView is a form made from the parameters of a service, and what it answered.
type serviceView struct {
	frame
	Head
	Service, About, Result string
	Shape, ShapeLink       string // of the result's columns
	From, Edge             string
	Private, Async         bool
	Fields                 []field
	Code                   string
	Action                 string
	Answer                 *answer
}

// answer is what a service gave back, or why not.
type answer struct {
	Problem []string // lines
	Took    string
	Nothing bool
	Queued  bool
	Single  *cell
	Table   *grid
}

func (h *Handler) service(w http.ResponseWriter, r *http.Request) {
	view, _, err := h.serviceView(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.show(w, r, http.StatusOK, "service", view)
}

func (h *Handler) serviceView(r *http.Request) (*serviceView, *thingworx.ServiceDefinition, error) {
	head, kind, err := h.headFor(r, "services")
	if err != nil {
		return nil, nil, err
	}
	s, err := h.platform.Service(r.Context(), kind, head.Name, r.PathValue("service"))
	if err != nil {
		return nil, nil, err
	}
	v := &serviceView{frame: frame{Title: head.Name + ": " + s.Name, Tab: "entities"}, Head: head, Service: s.Name, About: s.Description,
		Result: resultName(&s), Shape: s.DataShape, From: s.From, Private: s.Private, Async: s.Async, Code: s.Code,
		Action: linkTo(kind, head.Name, "services", s.Name)}
	if s.DataShape != "" {
		v.ShapeLink = linkTo(thingworx.EntityDataShape, s.DataShape)
	}
	if s.Remote != nil {
		v.Edge = s.Remote.EdgeName
	}
	for i := range s.Params {
		p := &s.Params[i]
		f := fieldOf(p.Name, p.Type, inputText(p.Default))
		f.Required = p.Required && p.Default.IsNothing()
		if p.Description != "" {
			f.Hint = p.Description
		}
		v.Fields = append(v.Fields, f)
	}
	return v, &s, nil
}

// call calls a service and shows its answer below the form, with what was typed still in it.
func (h *Handler) call(w http.ResponseWriter, r *http.Request) {
	view, s, err := h.serviceView(r)
	if err != nil {
		h.refuse(w, r, "call a service", err)
		return
	}
	params, ok := h.paramsOf(r, view, s)
	if !ok {
		view.Problem = "Some parameters were not understood; nothing was called."
		h.show(w, r, http.StatusBadRequest, "service", view)
		return
	}
	kind := thingworx.EntityKind(r.PathValue("kind"))
	began := time.Now()
	table, err := h.ask(r.Context(), kind, view.Name, s.Name, params)
	view.Answer = answerOf(table, err, s)
	view.Answer.Took = took(time.Since(began))
	if err != nil {
		h.remember("call "+view.Name+"."+s.Name, err)
	}
	h.show(w, r, http.StatusOK, "service", view)
}

func (h *Handler) ask(ctx context.Context, kind thingworx.EntityKind, name, service string, params *infotable.Table) (*infotable.Table, error) {
	if service == serviceDecrypt {
		return nil, thingworx.Refuse(thingworx.Forbidden, "this page shows no secrets: call %s by REST, with an application key", service)
	}
	return h.platform.Call(ctx, kind, name, service, params)
}

// paramsOf reads the form; what it does not understand it marks in the view.
func (h *Handler) paramsOf(r *http.Request, view *serviceView, s *thingworx.ServiceDefinition) (*infotable.Table, bool) {
	params, ok := &infotable.Table{Rows: []infotable.Row{{}}}, true
	for i := range s.Params {
		p, f := &s.Params[i], &view.Fields[i]
		text := r.PostForm.Get(p.Name)
		if f.Widget != "password" {
			f.Value = text
		}
		for k := range f.Options {
			f.Options[k].Chosen = f.Options[k].Value == text
		}
		v, err := parse(p.Type, text, h.fieldsOf(r.Context(), p.DataShape))
		if err != nil {
			f.Problem, ok = err.Error(), false
			continue
		}
		if v.IsNothing() {
			continue
		}
		params.Fields = append(params.Fields, infotable.Column(p.Name, p.Type))
		params.Rows[0] = append(params.Rows[0], v)
	}
	return params, ok
}

func answerOf(table *infotable.Table, err error, s *thingworx.ServiceDefinition) *answer {
	switch {
	case err != nil:
		return &answer{Problem: strings.Split(strings.TrimSpace(veil(err.Error())), "\n")}
	case s.Async:
		return &answer{Queued: true}
	case table == nil:
		return &answer{Nothing: true}
	case s.Result != infotable.TypeInfotable && len(table.Fields) == 1 && table.Len() == 1:
		c := cellOf(table.Rows[0].Cell(0))
		return &answer{Single: &c}
	default:
		return &answer{Table: gridOf(table)}
	}
}

func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
