package admin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azx/internal/fault"
)

// Quarantine is what an operator may do with messages that were put aside. The query says with which; what is returned becomes
// JSON. Errors of class Rejected say that the query is wrong.
type Quarantine interface {
	List(ctx context.Context, query url.Values) (any, error)
	Replay(ctx context.Context, query url.Values) (any, error)
	Drop(ctx context.Context, query url.Values) (any, error)
	Resume(ctx context.Context, query url.Values) (any, error)
}

// quarantineWithin is how long a list may take: it reads all records. Acts take as long as they take.
const quarantineWithin = 2 * time.Minute

func (s *Server) routeQuarantine(mux *http.ServeMux) {
	q := s.options.Quarantine
	if q == nil {
		return
	}
	mux.HandleFunc("GET /quarantine", s.keyed(q.List, quarantineWithin))
	for name, act := range map[string]func(context.Context, url.Values) (any, error){"replay": q.Replay, "drop": q.Drop, "resume": q.Resume} {
		handle := s.keyed(act, 0)
		mux.HandleFunc("POST /quarantine/"+name, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Azx") != "quarantine" || r.Header.Get("Origin") != "" {
				http.Error(w, "ask with: azx quarantine", http.StatusForbidden)
				return
			}
			handle(w, r)
		})
	}
}

// keyed answers who has the key: messages are nobody else's business. within is how long that may take, 0 for any time.
func (s *Server) keyed(do func(context.Context, url.Values) (any, error), within time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.hasKey(r) {
			http.Error(w, tailNeedsKey, http.StatusUnauthorized)
			return
		}
		var until time.Time
		if within > 0 {
			until = time.Now().Add(within)
		}
		control := http.NewResponseController(w)
		if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until)); err != nil {
			http.Error(w, "cannot wait", http.StatusInternalServerError)
			return
		}
		answer, err := do(r.Context(), r.URL.Query())
		if err != nil {
			code := http.StatusServiceUnavailable
			if fault.ClassOf(err) == fault.Rejected {
				code = http.StatusBadRequest
			}
			plain(w, code, strings.TrimSpace(err.Error()+"\n"+fault.HintOf(err))+"\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // the client went away: nobody is left to tell
	}
}

// hasKey reports whether a request has the key of admin.json.
func (s *Server) hasKey(r *http.Request) bool {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.options.TailKey != "" && subtle.ConstantTimeCompare([]byte(key), []byte(s.options.TailKey)) == 1
}
