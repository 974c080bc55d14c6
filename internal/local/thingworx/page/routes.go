package page

import (
	"net/http"
	"net/url"
	"strings"

	"azx/internal/local/thingworx"
)

// verbs are what a path answers; nil: not this verb. A form is handed on only when it is the page's own.
type verbs struct {
	get  http.HandlerFunc
	post http.HandlerFunc
}

func (h *Handler) routes() *http.ServeMux {
	const entity, thing = "/azx/page/e/{kind}/{name}", "/azx/page/e/Things/{name}"
	mux := http.NewServeMux()
	for pattern, v := range map[string]verbs{
		"/{$}":                    {get: h.overview},
		"/azx/page/style.css":     {get: h.asset("style.css")},
		"/azx/page/forms.css":     {get: h.asset("forms.css")},
		"/azx/page/script.js":     {get: h.asset("script.js")},
		"/azx/page/icon.svg":      {get: h.asset("icon.svg")},
		"/azx/page/stream":        {get: h.stream},
		"/azx/page/create":        {post: h.createWaiting},
		"/azx/page/new":           {get: h.newThing, post: h.createThing},
		"/azx/page/entities":      {get: h.entities},
		"/azx/page/connectors":    {get: h.connectors},
		"/azx/page/packages":      {get: h.packages, post: h.install},
		"/azx/page/packages/gone": {post: h.uninstall},
		"/azx/page/activity":      {get: h.activity},

		entity:                           {get: h.entity},
		entity + "/services":             {get: h.services},
		entity + "/services/{service}":   {get: h.service, post: h.call},
		thing + "/properties":            {get: h.addingProperty, post: h.addProperty},
		thing + "/properties/{property}": {get: h.property, post: h.setProperty},
		thing + "/unproperty/{property}": {post: h.removeProperty},
		thing + "/configuration":         {get: h.configuration},
		thing + "/configuration/{table}": {get: h.configuration, post: h.configure},
		thing + "/events":                {get: h.events},
		thing + "/scripts":               {get: h.scripts},
		thing + "/state":                 {post: h.changeState},
	} {
		mux.HandleFunc(pattern, h.dispatch(v))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "nothing is here; the page is at /, REST at /Thingworx, AlwaysOn at /Thingworx/WS", http.StatusNotFound)
	})
	return mux
}

func (h *Handler) dispatch(v verbs) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		serve, reads := v.post, r.Method == http.MethodGet || r.Method == http.MethodHead
		if reads {
			serve = v.get
		}
		if serve == nil || !reads && r.Method != http.MethodPost {
			http.Error(w, r.Method+" is not possible here", http.StatusMethodNotAllowed)
			return
		}
		if !reads {
			if err := h.ownForm(w, r); err != nil {
				h.refuse(w, r, "a form of another page", err)
				return
			}
		}
		serve(w, r)
	}
}

func (h *Handler) asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "assets/"+name) }
}

// linkTo returns the address of an entity, or of what belongs to it.
func linkTo(kind thingworx.EntityKind, name string, more ...string) string {
	var b strings.Builder
	b.WriteString("/azx/page/e/" + url.PathEscape(string(kind)) + "/" + url.PathEscape(name))
	for _, part := range more {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}

// linkThing is linkTo for a Thing; "" has no address.
func linkThing(name string, more ...string) string {
	if name == "" {
		return ""
	}
	return linkTo(thingworx.EntityThing, name, more...)
}

// withQuery is a path with parameters, those that are empty left out. They come in pairs of name and value.
func withQuery(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// back answers a form that was carried out: the browser asks for a page that says so. done is one of the sentences of
// notices, and of is what it is about.
func back(w http.ResponseWriter, r *http.Request, path, done, of string) {
	http.Redirect(w, r, withQuery(path, "done", done, "of", of), http.StatusSeeOther)
}
