package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"azx/internal/tail"
)

const (
	longestTail  = 10 * time.Minute // that a stream may stay open
	tailWritten  = 10 * time.Second // for a line to be taken
	tailAsking   = `want ?stage=received, decoded or written, and perhaps &device=ID`
	tailNeedsKey = "the key is in the connector's admin.json, which only its user may read: azx tail and azx quarantine do this"
)

// tail streams what passes at a stage, one JSON object a line. Messages are nobody else's business, so it wants the key.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	if !s.hasKey(r) {
		http.Error(w, tailNeedsKey, http.StatusUnauthorized)
		return
	}
	stage, err := tail.ParseStage(r.URL.Query().Get("stage"))
	if err != nil {
		http.Error(w, fmt.Sprintf("%v; %s", err, tailAsking), http.StatusBadRequest)
		return
	}
	view, err := s.options.Tail.View(stage, r.URL.Query().Get("device"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer view.Close()
	ctx, cancel := context.WithTimeout(r.Context(), longestTail)
	defer cancel()
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // that of other pages would end the stream; it fails on one that has ended
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = out.Flush() // the client learns that it is let in; one that has gone is noticed at the first line
	for {
		line, dropped, err := view.Next(ctx)
		if err != nil {
			return
		}
		_ = out.SetWriteDeadline(time.Now().Add(tailWritten))
		if dropped > 0 {
			fmt.Fprintf(w, "{\"dropped\":%d}\n", dropped)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return // the client went away
		}
		if out.Flush() != nil {
			return
		}
	}
}
