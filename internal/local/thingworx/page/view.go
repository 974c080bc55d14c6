package page

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azx/internal/local/thingworx"
)

// How much the page shows.
const (
	mostThings     = 200
	mostRows       = 50 // properties of one card
	mostMembers    = 1000
	mostWaiting    = 24
	mostSuggested  = 30
	mostRefusals   = 20
	mostEvents     = 10
	mostListed     = 500 // entities of a list
	mostCharacters = 120 // of a value
)

// Formats of times, which are in UTC.
const (
	clockLayout = "15:04:05.000"
	dayLayout   = "2006-01-02"
	fullLayout  = "2006-01-02 15:04:05"
)

// frame is what every view has.
type frame struct {
	Title           string
	Tab             string // of the navigation that is current
	Stream          string // address of what keeps the view up to date; "" for nothing
	Query           string // of the search for entities
	Token           string
	Problem, Notice string
	Stats           thingworx.Stats
}

// framed is a view, by what all have in common.
type framed interface{ base() *frame }

func (f *frame) base() *frame { return f }

// notices are what is said after a form was carried out, with what it was about between the two parts.
func notice(done, of string) string {
	parts, ok := map[string][2]string{
		"created":  {"Thing ", " was created."},
		"waiting":  {"Thing ", " was created; the next message of its device is written to it."},
		"deleted":  {"Thing ", " was deleted."},
		"added":    {"Property ", " was added. It has no value until one is sent or set."},
		"removed":  {"Property ", " was removed."},
		"set":      {"Property ", " was set."},
		"asked":    {"The device took the new value of ", ". It is shown here once the device tells it."},
		"saved":    {"Table ", " was saved, and the Thing was started again with it."},
		"enabled":  {"Thing ", " is enabled."},
		"disabled": {"Thing ", " is disabled: it takes no values and its services refuse."},
		"started":  {"Thing ", " was started again."},
		"gone":     {"Package ", " was removed with its entities."},
	}[done]
	if !ok {
		return ""
	}
	return parts[0] + cut(of, 255) + parts[1]
}

// show writes a view by the template of that name.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, name string, v framed) {
	f := v.base()
	f.Token, f.Stats = h.token, h.statsNow()
	if f.Problem == "" && f.Notice == "" {
		q := r.URL.Query()
		f.Notice = notice(q.Get("done"), q.Get("of"))
	}
	var out bytes.Buffer
	if err := h.templates.ExecuteTemplate(&out, name, v); err != nil {
		h.log.Error("page not made", "view", name, "error", err)
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(out.Bytes()); err != nil {
		h.log.Debug("page not written", "error", err)
	}
}

// problemView is a page that only says why there is no other.
type problemView struct{ frame }

// refuse remembers why a form was not carried out, and says so.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, what string, err error) {
	h.remember(what, err)
	h.fail(w, r, err)
}

func (h *Handler) remember(what string, err error) {
	h.platform.Refused(thingworx.Caller{User: user, Via: "page"}, what, err)
}

// fail says why a view cannot be shown.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.show(w, r, statusOf(err), "problem", &problemView{frame{Title: "Not possible", Problem: err.Error()}})
}

// statsNow counts without the system's own Things, which nobody made.
func (h *Handler) statsNow() thingworx.Stats {
	s := h.platform.Stats()
	s.Things -= h.system
	return s
}

// streamOf is the address of the stream that keeps a view up to date.
func streamOf(view string, pairs ...string) string {
	q := url.Values{"of": {view}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/azx/page/stream?" + q.Encode()
}

func clock(at time.Time) string { return at.UTC().Format(clockLayout) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// words puts spaces between the words of a collection's name.
func words(kind thingworx.EntityKind) string {
	var b strings.Builder
	for i, c := range string(kind) {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte(' ')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
