package control

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"azx/internal/local/iothub"
)

// State is what the hub knows about the connection of a device or module, and its waiting messages.
type State struct {
	iothub.ID
	Connected bool `json:"connected"`
	// Messages is how many messages wait for the device, those included that it has not settled.
	Messages int `json:"messages"`
}

// twoWay adds what concerns the way to devices.
func (s *server) twoWay(mux *http.ServeMux) {
	mux.HandleFunc("GET /limits", s.limits)
	mux.HandleFunc("PUT /limits", s.setLimits)
	mux.HandleFunc("GET /routing", s.routing)
	mux.HandleFunc("PUT /routing", s.setRouting)
	mux.HandleFunc("POST /routes", s.addRoute)
	mux.HandleFunc("DELETE /routes", s.removeRoute)
	mux.HandleFunc("GET /states", s.states)
	mux.HandleFunc("GET /twin", s.twin)
	mux.HandleFunc("PATCH /twin", s.patchTwin)
}

func (s *server) limits(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.hub.Limits())
}

// setLimits switches the Basic tier, the throttles and the daily quota: iothub.Limits.
func (s *server) setLimits(w http.ResponseWriter, r *http.Request) {
	var limits iothub.Limits
	if !read(w, r, &limits) {
		return
	}
	s.hub.SetLimits(limits)
	reply(w, http.StatusOK, limits)
}

func (s *server) routing(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.hub.Routing())
}

// setRouting replaces all routes: iothub.Routing.
func (s *server) setRouting(w http.ResponseWriter, r *http.Request) {
	var routing iothub.Routing
	if !read(w, r, &routing) {
		return
	}
	s.done(w, s.hub.SetRouting(routing))
}

// addRoute adds a route, or replaces the one of its name: iothub.Route.
func (s *server) addRoute(w http.ResponseWriter, r *http.Request) {
	var route iothub.Route
	if !read(w, r, &route) {
		return
	}
	s.done(w, s.hub.AddRoute(route))
}

// removeRoute removes a route: ?name=NAME.
func (s *server) removeRoute(w http.ResponseWriter, r *http.Request) {
	s.done(w, s.hub.RemoveRoute(r.URL.Query().Get("name")))
}

// states answers with the connections of all devices and modules.
func (s *server) states(w http.ResponseWriter, _ *http.Request) {
	states := []State{}
	for _, identity := range s.hub.Registry().List() {
		state := State{ID: identity.ID, Connected: s.hub.Presence(identity.ID).Connected}
		if box, err := s.hub.Outbox(identity.ID); err == nil {
			state.Messages = box.Count()
		}
		states = append(states, state)
	}
	reply(w, http.StatusOK, states)
}

// twin answers with a twin as the service API shows it: ?device=ID[&module=ID].
func (s *server) twin(w http.ResponseWriter, r *http.Request) {
	document, err := s.hub.TwinDocument(idOf(r))
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, document)
}

// patchTwin changes tags and desired properties: ?device=ID[&module=ID].
func (s *server) patchTwin(w http.ResponseWriter, r *http.Request) {
	var text json.RawMessage
	if !read(w, r, &text) {
		return
	}
	update, err := iothub.ParseTwinUpdate(text)
	if err == nil {
		_, err = s.hub.PatchTwin(idOf(r), "", update)
	}
	s.done(w, err)
}

func idOf(r *http.Request) iothub.ID {
	q := r.URL.Query()
	return iothub.ID{Device: q.Get("device"), Module: q.Get("module")}
}

func (s *server) done(w http.ResponseWriter, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

// Limits returns which limits the hub keeps.
func (c *Client) Limits(ctx context.Context) (limits iothub.Limits, err error) {
	err = c.call(ctx, http.MethodGet, "/limits", nil, &limits)
	return limits, err
}

// SetLimits switches the Basic tier, the throttles and the daily quota.
func (c *Client) SetLimits(ctx context.Context, limits iothub.Limits) error {
	return c.call(ctx, http.MethodPut, "/limits", limits, nil)
}

// Routing returns the routes.
func (c *Client) Routing(ctx context.Context) (routing iothub.Routing, err error) {
	err = c.call(ctx, http.MethodGet, "/routing", nil, &routing)
	return routing, err
}

// SetRouting replaces all routes.
func (c *Client) SetRouting(ctx context.Context, routing iothub.Routing) error {
	return c.call(ctx, http.MethodPut, "/routing", routing, nil)
}

// AddRoute adds a route, or replaces the one of its name.
func (c *Client) AddRoute(ctx context.Context, route iothub.Route) error {
	return c.call(ctx, http.MethodPost, "/routes", route, nil)
}

// RemoveRoute removes the route of that name, if there is one.
func (c *Client) RemoveRoute(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/routes?"+url.Values{"name": {name}}.Encode(), nil, nil)
}

// States returns the connections of all devices and modules.
func (c *Client) States(ctx context.Context) (states []State, err error) {
	err = c.call(ctx, http.MethodGet, "/states", nil, &states)
	return states, err
}

// Twin returns a twin as the service API shows it.
func (c *Client) Twin(ctx context.Context, id iothub.ID) (document map[string]any, err error) {
	err = c.call(ctx, http.MethodGet, "/twin?"+query(id), nil, &document)
	return document, err
}

// PatchTwin changes tags and desired properties: {"tags": {...}, "properties": {"desired": {...}}}.
func (c *Client) PatchTwin(ctx context.Context, id iothub.ID, update any) error {
	return c.call(ctx, http.MethodPatch, "/twin?"+query(id), update, nil)
}

func query(id iothub.ID) string {
	return url.Values{"device": {id.Device}, "module": {id.Module}}.Encode()
}
