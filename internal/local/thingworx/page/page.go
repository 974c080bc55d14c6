// Package page is the platform's page for people: Things and their values live, services to call, settings to edit,
// packages to install, connectors, and what was refused and why.
//
// It needs no application key, so it answers only requests for a loopback host, which keeps other sites' scripts out
// that resolve their name to this machine; it takes only its own forms, and it never shows a secret. Each view is whole
// without a script; the script puts in what a stream of server-sent events brings.
//
// Reading order: routes.go says what is where, view.go what all views have in common; then a file for each view, with
// its template of the same name in assets. stream.go keeps views up to date, fields.go makes forms of base types,
// grid.go shows values and tables.
package page

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"azx/internal/local/thingworx"
)

// assets are the templates, the style, the icon and the script. They never change.
//
//go:embed assets
var assets embed.FS

// Bounds of what comes in, in bytes, and of pages that are live at once.
const (
	maxForm    = 1 << 20
	maxUpload  = 64 << 20
	maxStreams = 64
)

// user is on whose behalf the page acts: whoever sits at this machine administers its platform.
const user = "Administrator"

// Handler serves the page at / and what belongs to it below /azx/page/.
type Handler struct {
	platform  *thingworx.Platform
	log       *slog.Logger
	templates *template.Template
	mux       *http.ServeMux
	token     string // that forms of this process carry
	streams   chan struct{}
	roles     roles
	system    int // Things that are the system's own
}

// New returns a Handler for a platform. log may be nil.
func New(p *thingworx.Platform, log *slog.Logger) (*Handler, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	templates, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	h := &Handler{platform: p, log: log, templates: templates, token: hex.EncodeToString(token[:]), streams: make(chan struct{}, maxStreams)}
	h.mux = h.routes()
	for _, e := range p.Entities(asUser(context.Background()), thingworx.EntityThing) {
		if e.System {
			h.system++
		}
	}
	return h, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"+
		" img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin") // with no-referrer browsers send the form with "Origin: null"
	header.Set("Cache-Control", "no-store")
	if !isLoopback(r.Host) {
		http.Error(w, "this page answers only at a loopback address, such as http://127.0.0.1:8080/", http.StatusForbidden)
		return
	}
	h.mux.ServeHTTP(w, r.WithContext(asUser(r.Context())))
}

func asUser(ctx context.Context) context.Context {
	return thingworx.WithCaller(ctx, thingworx.Caller{User: user, Via: "page"})
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ownForm refuses what another site's page sends: its Origin differs, and it cannot know the token. Nothing else of a
// form may be looked at before.
func (h *Handler) ownForm(w http.ResponseWriter, r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return thingworx.Refuse(thingworx.Forbidden, "the form comes from %s and not from this page", cut(origin, mostCharacters))
	}
	if err := readForm(w, r); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(h.token)) != 1 {
		return thingworx.Refuse(thingworx.Forbidden, "the form is from before the platform was started: try again on this page")
	}
	return nil
}

// readForm reads a form, which may hold files only where packages are taken.
func readForm(w http.ResponseWriter, r *http.Request) error {
	limit, files := int64(maxForm), strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
	if files {
		limit = maxUpload
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	read := r.ParseForm
	if files {
		read = func() error { return r.ParseMultipartForm(maxUpload) }
	}
	err := read()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return thingworx.Refuse(thingworx.Invalid, "the form is larger than %d bytes", limit)
	case err != nil:
		return thingworx.Refuse(thingworx.Invalid, "the form is malformed: %v", err)
	}
	return nil
}

// statusOf is the status of a page that says why something was refused.
func statusOf(err error) int {
	kind, ok := thingworx.KindOf(err)
	switch {
	case !ok:
		return http.StatusInternalServerError
	case kind == thingworx.NotFound:
		return http.StatusNotFound
	case kind == thingworx.Forbidden, kind == thingworx.Denied:
		return http.StatusForbidden
	case kind == thingworx.Exists:
		return http.StatusConflict
	case kind == thingworx.Unsupported:
		return http.StatusNotImplemented
	case kind == thingworx.Unbound:
		return http.StatusServiceUnavailable
	case kind == thingworx.TimedOut:
		return http.StatusGatewayTimeout
	case kind == thingworx.Failed:
		return http.StatusBadGateway
	default:
		return http.StatusBadRequest
	}
}
