package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

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
	h.remember(r, status, err)
	var method methodError
	if errors.As(err, &method) {
		w.Header().Set("Allow", strings.ReplaceAll(method.allowed, " or ", ", "))
	}
	if h.silent && status == http.StatusNotAcceptable {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, err.Error()+"\n"); err != nil {
		h.log.Debug("answer not written", "error", err)
	}
}

// remember has the platform list a refusal.
func (h *Handler) remember(r *request, status int, err error) {
	what := r.Method + " " + r.URL.Path
	h.platform.Refused(thingworx.Caller{User: r.user, Via: "rest"}, what, err)
	h.log.Debug("request refused", "what", what, "status", status, "reason", err)
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
