// Package page is the platform's page for people: Things and their values live, devices without a Thing, refusals.
package page

import (
	"log/slog"
	"net/http"

	"azx/internal/local/thingworx"
)

// Handler serves the page at / and what belongs to it below /azx/page/.
type Handler struct {
	platform *thingworx.Platform
	log      *slog.Logger
}

// New returns a Handler for a platform. log may be nil.
func New(p *thingworx.Platform, log *slog.Logger) (*Handler, error) {
	return &Handler{platform: p, log: log}, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
