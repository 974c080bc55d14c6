package iothub

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// The sources of messages, as iothub-message-source has them (read). See SourceTelemetry.
const (
	SourceTwinChange      = "twinChangeEvents"
	SourceLifecycle       = "deviceLifecycleEvents"
	SourceConnectionState = "deviceConnectionStateEvents"
)

// BuiltInEndpoint is the name of the Event Hubs-compatible endpoint in routes. Every other name is an endpoint outside:
// what goes there alone, readers of the hub do not see.
const BuiltInEndpoint = "events"

// maxRoutes is what a hub can have (read).
const maxRoutes = 100

// Route sends the messages of a source on which a condition holds to an endpoint.
type Route struct {
	Name string `json:"name"`
	// Source is one of DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents, DeviceConnectionStateEvents.
	Source string `json:"source"`
	// Condition is "true" (or empty), or one comparison: name = 'text', where name is an application property, or one
	// of $connectionDeviceId, $connectionModuleId, $contentType, $contentEncoding, $messageId, $correlationId,
	// $userId. A real hub has a whole language.
	Condition string `json:"condition,omitempty"`
	// Endpoint is BuiltInEndpoint (or empty) or the name of any other.
	Endpoint string `json:"endpoint,omitempty"`
}

// Routing is all routes and the fallback route. A new hub has no route, and the fallback on: telemetry is in the
// built-in endpoint, events are not.
type Routing struct {
	Routes []Route `json:"routes"`
	// Fallback sends telemetry on which no route fits to the built-in endpoint.
	Fallback bool `json:"fallback"`
}

// router decides where messages go.
type router struct {
	changing sync.Mutex // held while the routes are changed and saved

	mu       sync.RWMutex
	routing  Routing
	compiled []compiledRoute
}

type compiledRoute struct {
	source     string // iothub-message-source
	name, text string // of the comparison; no name: always true
	builtIn    bool
}

// Routing returns the routes.
func (h *Hub) Routing() Routing {
	h.router.mu.RLock()
	defer h.router.mu.RUnlock()
	return Routing{slices.Clone(h.router.routing.Routes), h.router.routing.Fallback}
}

// SetRouting replaces all routes, also for the next start. Error: ArgumentInvalid.
func (h *Hub) SetRouting(r Routing) error {
	return h.changeRouting(func(Routing) Routing { return r })
}

// AddRoute adds a route, or replaces the one of the same name. Error: ArgumentInvalid.
func (h *Hub) AddRoute(route Route) error {
	return h.changeRouting(func(r Routing) Routing {
		r.Routes = append(slices.DeleteFunc(r.Routes, func(old Route) bool { return old.Name == route.Name }), route)
		return r
	})
}

// RemoveRoute removes the route of that name, if there is one.
func (h *Hub) RemoveRoute(name string) error {
	return h.changeRouting(func(r Routing) Routing {
		r.Routes = slices.DeleteFunc(r.Routes, func(old Route) bool { return old.Name == name })
		return r
	})
}

func (h *Hub) changeRouting(how func(Routing) Routing) error {
	h.router.changing.Lock()
	defer h.router.changing.Unlock()
	old := h.Routing()
	if err := h.router.set(how(h.Routing())); err != nil {
		return err
	}
	if err := h.registry.rewrite(); err != nil {
		_ = h.router.set(old) // was in force, so it compiles
		return err
	}
	return nil
}

func (r *router) set(routing Routing) error {
	if len(routing.Routes) > maxRoutes {
		return refusal(ArgumentInvalid, "%d routes: at most %d", len(routing.Routes), maxRoutes)
	}
	compiled := make([]compiledRoute, 0, len(routing.Routes))
	for _, route := range routing.Routes {
		c, err := route.compile()
		if err != nil {
			return err
		}
		compiled = append(compiled, c)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routing, r.compiled = Routing{slices.Clone(routing.Routes), routing.Fallback}, compiled
	return nil
}

func (r Route) compile() (compiledRoute, error) {
	c := compiledRoute{builtIn: r.Endpoint == "" || r.Endpoint == BuiltInEndpoint}
	if r.Name == "" {
		return c, refusal(ArgumentInvalid, "a route without a name")
	}
	switch r.Source {
	case "DeviceMessages":
		c.source = SourceTelemetry
	case "TwinChangeEvents":
		c.source = SourceTwinChange
	case "DeviceLifecycleEvents":
		c.source = SourceLifecycle
	case "DeviceConnectionStateEvents":
		c.source = SourceConnectionState
	default:
		return c, refusal(ArgumentInvalid, "route %q: source %q: want DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents or DeviceConnectionStateEvents", r.Name, r.Source)
	}
	condition := strings.TrimSpace(r.Condition)
	if condition == "" || strings.EqualFold(condition, "true") {
		return c, nil
	}
	name, text, _ := strings.Cut(condition, "=")
	c.name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	quoted := len(text) >= 2 && (text[0] == '\'' || text[0] == '"') && text[len(text)-1] == text[0]
	if quoted {
		c.text = text[1 : len(text)-1]
	}
	if !quoted || c.name == "" || strings.ContainsAny(c.name, " '\"()<>!") || strings.ContainsAny(c.text, `'"`) || !knownName(c.name) {
		return c, refusal(ArgumentInvalid, "route %q: condition %q: this hub knows true, and name = 'text' for an application property or a $systemProperty", r.Name, r.Condition)
	}
	return c, nil
}

func knownName(name string) bool {
	if name[0] != '$' {
		return true
	}
	_, known := systemProperty(&Event{}, name)
	return known
}

func systemProperty(e *Event, name string) (value string, known bool) {
	switch name {
	case "$connectionDeviceId":
		return e.From.Device, true
	case "$connectionModuleId":
		return e.From.Module, true
	case "$contentType":
		return e.ContentType, true
	case "$contentEncoding":
		return e.ContentEncoding, true
	case "$messageId":
		return e.MessageID, true
	case "$correlationId":
		return e.CorrelationID, true
	case "$userId":
		return e.UserID, true
	}
	return "", false
}

// admits reports whether an event goes to the built-in endpoint. It goes there once, however many routes lead there.
func (r *router) admits(e *Event) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.compiled) == 0 {
		return r.routing.Fallback && e.Source == SourceTelemetry
	}
	matched := false
	for _, c := range r.compiled {
		if !c.fits(e) {
			continue
		}
		if c.builtIn {
			return true
		}
		matched = true
	}
	return !matched && r.routing.Fallback && e.Source == SourceTelemetry
}

// wants reports whether any route takes events of a source.
func (r *router) wants(source string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.ContainsFunc(r.compiled, func(c compiledRoute) bool { return c.builtIn && c.source == source })
}

func (c compiledRoute) fits(e *Event) bool {
	if c.source != e.Source {
		return false
	}
	if c.name == "" {
		return true
	}
	if value, known := systemProperty(e, c.name); known {
		return value == c.text
	}
	value, has := e.Properties[c.name]
	return has && value == c.text
}

// UnmarshalJSON reads a routing; an absent fallback is on.
func (r *Routing) UnmarshalJSON(text []byte) error {
	type plain Routing
	p := plain{Fallback: true}
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*r = Routing(p)
	return nil
}
