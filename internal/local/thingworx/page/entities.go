package page

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// entitiesPath is where entities are listed and searched.
const entitiesPath = "/azx/page/entities"

// entitiesView is the tree of entities: by collection, package and project, and by name.
type entitiesView struct {
	frame
	Heading  string
	Kinds    []choice
	Packages []choice
	Projects []choice
	Rows     []listed
	Total    int
	More     bool
	BuiltIn  choice // shows or hides what is built in
	New      string // address of the form for a new Thing
}

// choice is a link of the tree.
type choice struct {
	Name, Link string
	Count      int
	Current    bool
}

type listed struct {
	Name, Link, Kind, Of, Description, Package string // Kind is "" where all are of one
	System                                     bool
}

// wanted says which entities a list shows; "" is any.
type wanted struct {
	kind, pkg, project, query string
	builtIn                   bool
}

func wantedOf(r *http.Request) wanted {
	q := r.URL.Query()
	return wanted{q.Get("kind"), q.Get("package"), q.Get("project"), cut(q.Get("q"), 255), q.Get("builtin") != ""}
}

func (f wanted) link() string {
	builtIn := ""
	if f.builtIn {
		builtIn = "1"
	}
	return withQuery(entitiesPath, "kind", f.kind, "package", f.pkg, "project", f.project, "q", f.query, "builtin", builtIn)
}

func (f wanted) takes(e *thingworx.EntityView) bool {
	return (f.builtIn || !e.System) && (f.kind == "" || f.kind == string(e.Kind)) && (f.pkg == "" || f.pkg == e.Package) &&
		(f.project == "" || f.project == e.Project) &&
		(f.query == "" || strings.Contains(strings.ToLower(e.Name), strings.ToLower(f.query)))
}

func (h *Handler) entities(w http.ResponseWriter, r *http.Request) {
	f := wantedOf(r)
	if f == (wanted{}) {
		f.kind = string(thingworx.EntityThing)
	}
	v := &entitiesView{frame: frame{Title: "Entities", Tab: "entities", Query: f.query}, Heading: headingOf(f), New: "/azx/page/new"}
	all := h.allEntities(r.Context())
	counts := map[thingworx.EntityKind]int{}
	packages, projects := map[string]int{}, map[string]int{}
	for i := range all {
		e := &all[i]
		if f.builtIn || !e.System {
			counts[e.Kind]++
		}
		packages[e.Package]++
		projects[e.Project]++
		if !f.takes(e) {
			continue
		}
		v.Total++
		if len(v.Rows) < mostListed {
			row := listedOf(e)
			if f.kind != "" {
				row.Kind = ""
			}
			v.Rows = append(v.Rows, row)
		}
	}
	v.More = v.Total > len(v.Rows)
	slices.SortStableFunc(v.Rows, func(a, b listed) int { return origin(a) - origin(b) })
	for _, kind := range h.kinds() {
		if n := counts[kind]; n > 0 {
			v.Kinds = append(v.Kinds, choice{words(kind), wanted{kind: string(kind), builtIn: f.builtIn}.link(), n, f.kind == string(kind)})
		}
	}
	v.Packages = choices(packages, func(name string) wanted { return wanted{pkg: name, builtIn: f.builtIn} }, f.pkg)
	v.Projects = choices(projects, func(name string) wanted { return wanted{project: name, builtIn: f.builtIn} }, f.project)
	other := f
	other.builtIn = !f.builtIn
	v.BuiltIn = choice{Link: other.link(), Current: f.builtIn}
	h.show(w, r, http.StatusOK, "entities", v)
}

func headingOf(f wanted) string {
	switch {
	case f.query != "":
		return "Names that contain “" + f.query + "”"
	case f.pkg != "":
		return "Package " + f.pkg
	case f.project != "":
		return "Project " + f.project
	case f.kind == string(thingworx.EntityThing):
		return "Things"
	default:
		return words(thingworx.EntityKind(f.kind))
	}
}

// kinds are the collections that the page shows, Things and what they are made of first. Application keys are not:
// whoever may open the page need not have a key.
func (h *Handler) kinds() []thingworx.EntityKind {
	first := []thingworx.EntityKind{thingworx.EntityThing, thingworx.EntityTemplate, thingworx.EntityShape, thingworx.EntityDataShape}
	out := first
	for _, kind := range h.platform.Collections() {
		if !slices.Contains(first, kind) && kind != thingworx.EntityApplicationKey {
			out = append(out, kind)
		}
	}
	return out
}

func (h *Handler) allEntities(ctx context.Context) []thingworx.EntityView {
	var all []thingworx.EntityView
	for _, kind := range h.kinds() {
		all = append(all, h.platform.Entities(ctx, kind)...)
	}
	return all
}

func listedOf(e *thingworx.EntityView) listed {
	row := listed{Name: e.Name, Link: linkTo(e.Kind, e.Name), Kind: words(e.Kind), Description: cut(e.Description, 2*mostCharacters),
		Package: e.Package, System: e.System}
	switch s := e.Source.(type) {
	case entity.Thing:
		row.Of = s.Template
	case entity.ThingTemplate:
		row.Of = s.Base
	}
	return row
}

// origin orders a list: what somebody made here, what packages brought, what is built in.
func origin(l listed) int {
	switch {
	case l.System:
		return 2
	case l.Package != "":
		return 1
	default:
		return 0
	}
}

func choices(counts map[string]int, to func(name string) wanted, current string) []choice {
	var out []choice
	for name, n := range counts {
		if name != "" {
			out = append(out, choice{name, to(name).link(), n, name == current})
		}
	}
	slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.Name, b.Name) })
	return out
}
