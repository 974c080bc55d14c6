// Package page is the platform's page for people: Things and their values live, devices without a Thing, refusals.
//
// It needs no application key, so it answers only requests for a loopback host, which keeps other sites' scripts out
// that resolve their name to this machine; and it creates Things only for its own forms. The page is whole without a
// script; the script puts in what a stream of server-sent events brings.
package page

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"azx/internal/local/thingworx"
)

// assets are the templates, the style and the script. They never change.
//
//go:embed assets
var assets embed.FS

// maxForm is how large a form may be, in bytes.
const maxForm = 64 << 10

// maxStreams is how many pages may be live at once.
const maxStreams = 64

// Handler serves the page at / and what belongs to it below /azx/page/.
type Handler struct {
	platform  *thingworx.Platform
	log       *slog.Logger
	templates *template.Template
	token     string // that forms of this process carry
	streams   chan struct{}
}

// New returns a Handler for a platform. log may be nil.
func New(p *thingworx.Platform, log *slog.Logger) (*Handler, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	templates, err := template.ParseFS(assets, "assets/page.html")
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	return &Handler{
		platform: p, log: log, templates: templates, token: hex.EncodeToString(token[:]), streams: make(chan struct{}, maxStreams),
	}, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"+
		" form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin") // with no-referrer browsers send the form with "Origin: null"
	header.Set("Cache-Control", "no-store")
	if !isLoopback(r.Host) {
		http.Error(w, "this page answers only at a loopback address, such as http://127.0.0.1:8080/", http.StatusForbidden)
		return
	}
	path, allowed := r.URL.Path, r.Method == http.MethodGet || r.Method == http.MethodHead
	if path == "/azx/page/create" {
		allowed = r.Method == http.MethodPost
	}
	serve := map[string]http.HandlerFunc{
		"/": h.page, "/azx/page/stream": h.stream, "/azx/page/create": h.create,
		"/azx/page/style.css": h.asset("style.css"), "/azx/page/script.js": h.asset("script.js"),
	}[path]
	switch {
	case serve == nil:
		http.Error(w, "nothing is here; the page is at /, REST at /Thingworx, AlwaysOn at /Thingworx/WS", http.StatusNotFound)
	case !allowed:
		http.Error(w, r.Method+" is not possible here", http.StatusMethodNotAllowed)
	default:
		serve(w, r)
	}
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (h *Handler) asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, "assets/"+name) }
}

func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	notice := ""
	if name := r.URL.Query().Get("created"); name != "" {
		if _, err := h.platform.Thing(r.Context(), name); err == nil {
			notice = "Thing " + name + " was created; the next message of its device is written to it."
		}
	}
	h.show(w, http.StatusOK, r.URL.Query().Get("q"), "", notice)
}

// show writes the whole page.
func (h *Handler) show(w http.ResponseWriter, status int, query, problem, notice string) {
	_, mark, _ := h.platform.Changes(0, nil) // before looking, so that nothing is missed between here and the stream
	v := view{
		Query: cut(query, 255), Mark: mark, Stats: h.statsNow(), Things: h.thingsOf(query), Waiting: h.waitingNow(),
		Events: h.eventsNow(), Refusals: h.refusalsNow(), Problem: problem, Notice: notice,
	}
	var out bytes.Buffer
	if err := h.templates.ExecuteTemplate(&out, "page", v); err != nil {
		h.log.Error("page not made", "error", err)
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(out.Bytes()); err != nil {
		h.log.Debug("page not written", "error", err)
	}
}

// create creates the Thing of a listed device.
func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := h.ownForm(r); err != nil {
		h.refuse(w, "a form of another page", err)
		return
	}
	name := r.PostForm.Get("thing")
	if err := h.platform.CreateWaiting(name); err != nil {
		h.refuse(w, "create Thing "+cut(name, mostCharacters), err)
		return
	}
	http.Redirect(w, r, "/?created="+url.QueryEscape(name), http.StatusSeeOther)
}

func (h *Handler) refuse(w http.ResponseWriter, what string, err error) {
	h.platform.Refused(thingworx.Caller{Via: "page"}, what, err)
	h.show(w, http.StatusForbidden, "", err.Error(), "")
}

// ownForm refuses what another site's page sends: its Origin differs, and it cannot know the token.
func (h *Handler) ownForm(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return thingworx.Refuse(thingworx.Forbidden, "the form comes from %s and not from this page", cut(origin, mostCharacters))
	}
	if err := r.ParseForm(); err != nil {
		return thingworx.Refuse(thingworx.Invalid, "the form is malformed: %v", err)
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(h.token)) != 1 {
		return thingworx.Refuse(thingworx.Forbidden, "the form is from before the platform was started: try again on this page")
	}
	return nil
}
