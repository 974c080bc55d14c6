// Package rest is the platform's REST front under /Thingworx, and the ledger under /azx.
//
// Paths are <Collection>/<Entity>/<CharacteristicCollection>/<Characteristic>; the case of collections does not
// matter (read). Codes: 200; 400 malformed JSON or a value that does not fit; 401 no or wrong application key;
// 403 missing Content-Type, something exists already, no right, or not allowed now; 404 nothing of that name, or not to be
// seen by the caller; 405 wrong verb; 406 an import that fails (read); 413 body too large; 500 a service refused, with the
// text "Unable to Invoke Service ..." (read), or an edge that was asked refused or went away; 501 not served here; 503 no
// edge is there to ask; 504 the edge did not answer in time. Every refusal has a text that says why, but for imports in
// silent mode.
package rest

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"azx/internal/local/thingworx"
)

// maxBody is how large a request's body may be, in bytes, but for uploads.
const maxBody = 8 << 20

// Options say how a Handler answers.
type Options struct {
	// Silent takes packages and exports as a real platform does: what it drops or keeps broken is not told, and what it
	// refuses gets 406 without a reason.
	Silent bool
	// Log gets what is refused, at level debug; nil for nothing.
	Log *slog.Logger
}

// Handler answers REST requests. Mount it at /Thingworx/, /azx/ledger, /azx/events, /azx/stuck-things and /azx/unknown-properties.
type Handler struct {
	platform *thingworx.Platform
	silent   bool
	log      *slog.Logger
	uploads  chan struct{} // one entry: whoever uploads, since an upload takes memory
}

// New returns a Handler for a platform.
func New(p *thingworx.Platform, o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{platform: p, silent: o.Silent, log: o.Log, uploads: make(chan struct{}, 1)}
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

// answer is what a request gets; without a body, nothing but the status.
type answer struct {
	body   []byte
	media  string // of the body; "" for JSON
	status int    // 0 for 200
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &request{Request: hr}
	a, err := h.serve(w, r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case a.media != "":
		w.Header().Set("Content-Type", a.media)
	case a.body != nil:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	if _, err := w.Write(a.body); err != nil {
		h.log.Debug("answer not written", "error", err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *request) (answer, error) {
	var err error
	if r.path, err = split(r.URL); err != nil {
		return answer{}, err
	}
	limit := int64(maxBody)
	if isUpload(r.path) {
		limit = maxUpload
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if len(r.path) == 2 && equal(r.path[0], "Thingworx") && equal(r.path[1], "health") {
		return answer{}, only(r, http.MethodGet)
	}
	if r.user, err = h.caller(r.Request); err != nil {
		return answer{}, err
	}
	r.Request = r.WithContext(thingworx.WithCaller(r.Context(), thingworx.Caller{User: r.user, Via: "rest"}))
	if serve := h.own(r.path); serve != nil {
		return serve(r)
	}
	if len(r.path) == 0 || !equal(r.path[0], "Thingworx") {
		return answer{}, notHere(r)
	}
	r.path = r.path[1:]
	return h.route(r)
}

// own returns what serves a path that no real platform has; nil if it is not one.
func (h *Handler) own(path []string) func(*request) (answer, error) {
	if len(path) != 2 || path[0] != "azx" {
		return nil
	}
	return map[string]func(*request) (answer, error){
		"ledger": h.ledger, "events": h.events, "stuck-things": h.stuckThings, "unknown-properties": h.unknownProperties,
	}[path[1]]
}

// route serves what is below /Thingworx.
func (h *Handler) route(r *request) (answer, error) {
	switch strings.ToLower(r.part(0)) {
	case "extensionpackageuploader":
		return h.uploadPackage(r)
	case "importer":
		return h.importExport(r)
	case "exporter":
		return h.exporter(r)
	case "metrics":
		return h.metrics(r)
	case "filerepositories", "filerepositoryuploader", "filerepositorydownloader":
		return answer{}, thingworx.Refuse(thingworx.Unsupported, "%s: the file repositories of this platform keep no files; a FileRepository Thing is"+
			" there so that entities may name it", r.part(0))
	}
	if equal(r.part(0), string(thingworx.EntityThing)) {
		return h.things(r)
	}
	if kind, ok := h.collection(r.part(0)); ok {
		return h.entities(r, kind)
	}
	return answer{}, notHere(r)
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
		"PropertyDefinitions,ServiceDefinitions,EventDefinitions,Subscriptions,ImplementedShapes,Metadata,Services,Events}, other collections,"+
		" Resources/EntityServices, Subsystems/PlatformSubsystem, ExtensionPackageUploader, Importer, Exporter, Metrics, health",
		r.URL.Path)
}
