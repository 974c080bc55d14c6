// Package rest is the platform's REST front under /Thingworx, and the ledger under /azx.
//
// Paths are <Collection>/<Entity>/<CharacteristicCollection>/<Characteristic>; the case of collections does not
// matter (read). Codes: 200; 400 malformed JSON or a value that does not fit; 401 no or wrong application key;
// 403 missing Content-Type, something exists already, or not allowed now; 404 nothing of that name; 405 wrong verb;
// 413 body too large; 500 a service refused, with the text "Unable to Invoke Service ..." (read), or an edge that was
// asked refused or went away; 503 no edge is there to ask; 504 the edge did not answer in time. Every refusal has a text
// that says why.
package rest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// maxBody is how large a request's body may be, in bytes.
const maxBody = 8 << 20

// Handler answers REST requests. Mount it at /Thingworx/, /azx/ledger and /azx/events.
type Handler struct {
	platform *thingworx.Platform
	log      *slog.Logger
}

// New returns a Handler for a platform. log may be nil.
func New(p *thingworx.Platform, log *slog.Logger) *Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Handler{platform: p, log: log}
}

// request is one request with its path taken apart.
type request struct {
	*http.Request
	user string
	path []string // unescaped, without the leading "Thingworx"
}

// part returns the path part at i, "" beyond the end.
func (r *request) part(i int) string {
	if i < len(r.path) {
		return r.path[i]
	}
	return ""
}

// answer is what a request gets: JSON, or nothing.
type answer struct {
	body []byte
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &request{Request: hr}
	hr.Body = http.MaxBytesReader(w, hr.Body, maxBody)
	a, err := h.serve(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.Header().Set("Cache-Control", "no-store")
	if _, err := w.Write(a.body); err != nil {
		h.log.Debug("answer not written", "error", err)
	}
}

func (h *Handler) serve(r *request) (answer, error) {
	var err error
	if r.path, err = split(r.URL); err != nil {
		return answer{}, err
	}
	if len(r.path) == 2 && equal(r.path[0], "Thingworx") && equal(r.path[1], "health") {
		return answer{}, only(r, http.MethodGet)
	}
	if r.user, err = h.platform.User(keyOf(r.Request)); err != nil {
		return answer{}, err
	}
	r.Request = r.WithContext(thingworx.WithCaller(r.Context(), thingworx.Caller{User: r.user, Via: "rest"}))
	if len(r.path) == 2 && r.path[0] == "azx" && r.path[1] == "ledger" {
		return h.ledger(r)
	}
	if len(r.path) == 2 && r.path[0] == "azx" && r.path[1] == "events" {
		return h.events(r)
	}
	if len(r.path) == 0 || !equal(r.path[0], "Thingworx") {
		return answer{}, notHere(r)
	}
	r.path = r.path[1:]
	switch {
	case equal(r.part(0), "Things"):
		return h.things(r)
	default:
		return h.entities(r)
	}
}

// entities serves the services of entities other than Things.
func (h *Handler) entities(r *request) (answer, error) {
	for _, kind := range append(h.platform.Collections(), thingworx.EntityApplicationKey) {
		if equal(r.part(0), string(kind)) {
			return h.services(r, kind)
		}
	}
	return answer{}, notHere(r)
}

// keyOf returns the application key of the header or, failing that, the query; the header's case does not matter.
func keyOf(r *http.Request) string {
	if key := r.Header.Get("appKey"); key != "" {
		return key
	}
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "appKey") && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// split takes the path apart before unescaping, so that a name may hold an escaped slash.
func split(u *url.URL) ([]string, error) {
	var parts []string
	for part := range strings.SplitSeq(u.EscapedPath(), "/") {
		if part == "" {
			continue
		}
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, thingworx.Refuse(thingworx.Invalid, "path: %v", err)
		}
		parts = append(parts, text)
	}
	return parts, nil
}

func equal(a, b string) bool { return strings.EqualFold(a, b) }

func notHere(r *request) error {
	return thingworx.Refuse(thingworx.NotFound, "nothing is served at %s; there are Things/<name>/{Properties,PropertiesVTQ,"+
		"PropertyDefinitions,ServiceDefinitions,Services}, Resources/EntityServices, Subsystems/PlatformSubsystem, health",
		r.URL.Path)
}

// methodError is a verb that a path does not have.
type methodError struct{ method, allowed string }

func (e methodError) Error() string {
	return fmt.Sprintf("%s is not possible here; use %s", e.method, e.allowed)
}

// serviceError is a refusal by a service that exists.
type serviceError struct {
	service, entity string
	cause           error
}

func (e serviceError) Error() string {
	return fmt.Sprintf("Unable to Invoke Service %s on %s : %v", e.service, e.entity, e.cause)
}

func (e serviceError) Unwrap() error { return e.cause }

// only refuses all verbs but these.
func only(r *request, methods ...string) error {
	for _, m := range methods {
		if r.Method == m {
			return nil
		}
	}
	return methodError{r.Method, strings.Join(methods, " or ")}
}

// refuse writes the status and the reason, and has the platform remember it.
func (h *Handler) refuse(w http.ResponseWriter, r *request, err error) {
	status := statusOf(err)
	what := r.Method + " " + r.URL.Path
	h.platform.Refused(thingworx.Caller{User: r.user, Via: "rest"}, what, err)
	h.log.Debug("request refused", "what", what, "status", status, "reason", err)
	var method methodError
	if errors.As(err, &method) {
		w.Header().Set("Allow", strings.ReplaceAll(method.allowed, " or ", ", "))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, err.Error()+"\n"); err != nil {
		h.log.Debug("answer not written", "error", err)
	}
}

func statusOf(err error) int {
	var (
		method   methodError
		inner    serviceError
		tooLarge *http.MaxBytesError
	)
	kind, _ := thingworx.KindOf(err)
	switch {
	case kind == thingworx.Unbound:
		return http.StatusServiceUnavailable
	case kind == thingworx.TimedOut:
		return http.StatusGatewayTimeout
	case errors.As(err, &inner), kind == thingworx.Failed:
		return http.StatusInternalServerError
	case errors.As(err, &method):
		return http.StatusMethodNotAllowed
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, tablejson.ErrInvalid):
		return http.StatusBadRequest
	}
	switch kind {
	case thingworx.Denied:
		return http.StatusUnauthorized
	case thingworx.NotFound:
		return http.StatusNotFound
	case thingworx.Exists, thingworx.Forbidden:
		return http.StatusForbidden
	case thingworx.Unsupported:
		return http.StatusNotImplemented
	case thingworx.NotAcceptable:
		return http.StatusNotAcceptable
	default:
		return http.StatusBadRequest
	}
}
