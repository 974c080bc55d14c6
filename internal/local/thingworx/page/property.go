package page

import (
	"context"
	"net/http"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// propertyView is the page of one property: its value, what it is, and a form that sets it.
type propertyView struct {
	frame
	Head
	Property, Type, Description string
	Facts                       []fact
	Value                       value
	Set                         field
	ReadOnly, Own, IsRemote     bool
	Action, Removal             string
}

// value is a property's value as its page shows it.
type value struct {
	Name, Key string // Key changes when what is shown does
	Cell      cell
	When, ISO string
	Quality   string
}

func (h *Handler) property(w http.ResponseWriter, r *http.Request) {
	h.showProperty(w, r, http.StatusOK, nil, "")
}

// showProperty shows a property; with an error that of the value that a person gave.
func (h *Handler) showProperty(w http.ResponseWriter, r *http.Request, status int, problem error, given string) {
	name := r.PathValue("property")
	v, err := h.platform.Thing(r.Context(), r.PathValue("name"))
	p, ok := v.Property(name)
	if err == nil && !ok {
		err = thingworx.Refuse(thingworx.NotFound, "Thing %s has no property %q", v.Name, cut(name, mostCharacters))
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := &propertyView{frame: frame{Title: v.Name + ": " + name, Tab: "entities", Stream: streamOf("property", "thing", v.Name, "property", name)},
		Head: thingHead(&v, "properties"), Property: name, Type: p.Type.String(), Description: p.Description, Facts: propertyFacts(&p),
		Value: valueOf(&p), ReadOnly: p.ReadOnly && p.Remote == nil, Own: p.From == "", IsRemote: p.Remote != nil,
		Action: linkThing(v.Name, "properties", name), Removal: linkThing(v.Name, "unproperty", name)}
	view.Set = fieldOf("value", p.Type, inputText(p.Value))
	view.Set.Label = "New value"
	if problem != nil {
		view.Problem, view.Set.Value = problem.Error(), given
	}
	h.show(w, r, status, "property", view)
}

func propertyFacts(p *thingworx.PropertyView) []fact {
	yes := func(name string, is bool) []fact {
		if !is {
			return nil
		}
		return []fact{{name, "yes", ""}}
	}
	var out []fact
	if b := p.Remote; b != nil {
		out = append(out, fact{"Edge name", b.EdgeName, ""}, fact{"Pushed by the device", b.PushType, ""})
	}
	out = append(out, yes("Logged in the value stream", p.Logged)...)
	out = append(out, yes("Kept over a restart", p.Persistent)...)
	out = append(out, yes("Read only", p.ReadOnly)...)
	if p.From != "" {
		out = append(out, fact{"Defined by", p.From, ""})
	}
	if p.DataShape != "" {
		out = append(out, fact{"Data shape", p.DataShape, linkTo(thingworx.EntityDataShape, p.DataShape)})
	}
	if !p.Default.IsNothing() {
		out = append(out, fact{"Default", cut(textOf(p.Default), mostCharacters), ""})
	}
	return out
}

func valueOf(p *thingworx.PropertyView) value {
	out := value{Name: p.Name, Cell: cellOf(p.Value)}
	if !p.Value.IsNothing() {
		at := time.UnixMilli(p.Time).UTC()
		out.When, out.ISO, out.Quality = at.Format(fullLayout+".000"), at.Format(time.RFC3339Nano), p.Quality
	}
	out.Key = out.Cell.Text + "|" + out.Quality
	return out
}

func (h *Handler) valueOf(ctx context.Context, thing, name string) value {
	p, err := h.platform.Read(ctx, thing, name)
	if err != nil {
		return value{Name: name, Cell: cell{Empty: true}}
	}
	return valueOf(&p)
}

func (h *Handler) setProperty(w http.ResponseWriter, r *http.Request) {
	thing, name, text := r.PathValue("name"), r.PathValue("property"), r.PostForm.Get("value")
	p, err := h.platform.Read(r.Context(), thing, name)
	var v infotable.Value
	if err == nil {
		v, err = parse(p.Type, text, h.fieldsOf(r.Context(), p.DataShape))
	}
	if err == nil && v.IsNothing() && p.Type.IsText() {
		v = infotable.Text(p.Type, "")
	}
	if err == nil && v.IsNothing() {
		err = thingworx.Refuse(thingworx.Invalid, "give a value")
	}
	if err == nil {
		err = h.platform.Set(r.Context(), thing, []thingworx.Write{{Property: name, Value: v}})
	}
	if err != nil {
		h.remember("set "+thing+"/"+name, err)
		if p.Type == infotable.TypePassword {
			text = ""
		}
		h.showProperty(w, r, statusOf(err), err, text)
		return
	}
	done := "set"
	if p.Remote != nil {
		done = "asked"
	}
	back(w, r, linkThing(thing, "properties", name), done, name)
}

// addingView is the form for a property.
type addingView struct {
	frame
	Head
	Property, Edge string
	Types          []option
	FromDevice     bool // the Thing can be bound to a device
	Logged, Local  bool
	Action         string
}

func (h *Handler) addingProperty(w http.ResponseWriter, r *http.Request) {
	h.showAdding(w, r, http.StatusOK, &addingView{Types: baseTypes("NUMBER")})
}

func (h *Handler) showAdding(w http.ResponseWriter, r *http.Request, status int, view *addingView) {
	v, err := h.platform.Thing(r.Context(), r.PathValue("name"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view.Title, view.Tab = v.Name+": new property", "entities"
	view.Head, view.FromDevice, view.Action = thingHead(&v, "properties"), v.Remote, linkThing(v.Name, "properties")
	h.show(w, r, status, "adding", view)
}

func (h *Handler) addProperty(w http.ResponseWriter, r *http.Request) {
	thing, form := r.PathValue("name"), r.PostForm
	view := &addingView{Property: form.Get("property"), Edge: form.Get("edge"), Types: baseTypes(form.Get("type")),
		Logged: form.Get("logged") != "", Local: form.Get("local") != ""}
	err := h.define(r, thing, view)
	if err != nil {
		h.remember("add a property to Thing "+thing, err)
		view.Problem = err.Error()
		h.showAdding(w, r, statusOf(err), view)
		return
	}
	back(w, r, linkThing(thing), "added", view.Property)
}

func (h *Handler) define(r *http.Request, thing string, view *addingView) error {
	v, err := h.platform.Thing(r.Context(), thing)
	if err != nil {
		return err
	}
	base, err := infotable.ParseBaseType(r.PostForm.Get("type"))
	if err != nil {
		return thingworx.Refuse(thingworx.Invalid, "there is no base type %q", cut(r.PostForm.Get("type"), mostCharacters))
	}
	d := thingworx.Definition{Name: view.Property, Type: base, Persistent: true, Logged: view.Logged, Description: r.PostForm.Get("description")}
	if v.Remote && !view.Local {
		d.Remote = &thingworx.Binding{EdgeName: view.Edge}
	}
	return h.platform.AddProperty(r.Context(), thing, d)
}

func (h *Handler) removeProperty(w http.ResponseWriter, r *http.Request) {
	thing, name := r.PathValue("name"), r.PathValue("property")
	_, err := h.platform.Call(r.Context(), thingworx.EntityThing, thing, "RemovePropertyDefinition",
		infotable.OneRow(infotable.Cell{Name: "name", Value: infotable.String(name)}))
	if err != nil {
		h.refuse(w, r, "remove "+thing+"/"+name, err)
		return
	}
	back(w, r, linkThing(thing), "removed", name)
}
