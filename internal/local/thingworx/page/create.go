package page

import (
	"net/http"

	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// createView is the form for a new Thing.
type createView struct {
	frame
	Name, About string
	Template    string
	Templates   []group
	Hub         string
	Hubs        []string
	Disabled    bool
}

// group is a part of a choice.
type group struct {
	Name    string
	Options []option
}

func (h *Handler) newThing(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	h.showCreate(w, r, http.StatusOK, &createView{Name: q.Get("name"), Template: q.Get("template"), Hub: q.Get("hub")})
}

func (h *Handler) showCreate(w http.ResponseWriter, r *http.Request, status int, v *createView) {
	v.Title, v.Tab = "New Thing", "entities"
	if v.Template == "" {
		v.Template = thingworx.TemplateRemote
	}
	v.Templates = h.templateChoices(r, v.Template)
	v.Hubs, _ = h.roles.names(r.Context(), h.platform)
	h.show(w, r, status, "create", v)
}

// templateChoices are the templates that Things can be made of: own ones, those of packages, and those built in.
func (h *Handler) templateChoices(r *http.Request, chosen string) []group {
	groups := []group{{Name: "Your own"}, {Name: "Of packages"}, {Name: "Built in"}}
	for _, e := range h.platform.Entities(r.Context(), thingworx.EntityTemplate) {
		at := 0
		switch {
		case e.System:
			at = 2
		case e.Package != "":
			at = 1
		}
		label := e.Name
		if t, ok := e.Source.(entity.ThingTemplate); ok && t.Base != "" {
			label += " (on " + t.Base + ")"
		}
		groups[at].Options = append(groups[at].Options, option{e.Name, label, e.Name == chosen})
	}
	var out []group
	for _, g := range groups {
		if len(g.Options) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func (h *Handler) createThing(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	v := &createView{Name: form.Get("name"), About: form.Get("description"), Template: form.Get("template"), Hub: form.Get("hub"),
		Disabled: form.Get("disabled") != ""}
	err := h.platform.CreateThing(r.Context(), thingworx.ThingSpec{Name: v.Name, Template: v.Template, Description: v.About,
		Gateway: v.Hub, Enabled: !v.Disabled})
	if err != nil {
		h.remember("create Thing "+cut(v.Name, mostCharacters), err)
		v.Problem = err.Error()
		h.showCreate(w, r, statusOf(err), v)
		return
	}
	back(w, r, linkThing(v.Name), "created", v.Name)
}
