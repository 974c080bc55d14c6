package control

import (
	"context"
	"net/http"

	"azx/internal/local/iothub"
)

// Endpoint is where the hub's events are since its last failover.
type Endpoint struct {
	Namespace                 string `json:"namespace"`
	EventHub                  string `json:"eventHub"`
	EventHubsConnectionString string `json:"eventHubsConnectionString"`
}

// trouble adds what a test needs to see a client in trouble.
func (s *server) trouble(mux *http.ServeMux) {
	mux.HandleFunc("GET /faults", s.faults)
	mux.HandleFunc("PUT /faults", s.setFaults)
	mux.HandleFunc("GET /endpoint", s.endpoint)
	mux.HandleFunc("POST /failover", s.failover)
	mux.HandleFunc("POST /connections/drop", s.drop)
	mux.HandleFunc("POST /readers/silence", s.silence)
}

func (s *server) faults(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.hub.Faults())
}

// setFaults replaces all faults: a list of iothub.Fault.
func (s *server) setFaults(w http.ResponseWriter, r *http.Request) {
	faults := []iothub.Fault{}
	if !read(w, r, &faults) {
		return
	}
	s.done(w, s.hub.SetFaults(faults...))
}

func (s *server) endpoint(w http.ResponseWriter, _ *http.Request) {
	names := s.hub.Names()
	reply(w, http.StatusOK, Endpoint{names.Namespace, names.EventHub, s.hub.EventHubsConnectionString()})
}

// failover moves the hub to another region, and answers like endpoint.
func (s *server) failover(w http.ResponseWriter, r *http.Request) {
	if err := s.hub.Failover(); err != nil {
		fail(w, err)
		return
	}
	s.endpoint(w, r)
}

// drop ends the connection of a device or module: iothub.ID.
func (s *server) drop(w http.ResponseWriter, r *http.Request) {
	var id iothub.ID
	if !read(w, r, &id) {
		return
	}
	if _, err := s.hub.Registry().Get(id); err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, map[string]bool{"dropped": s.hub.Drop(id)})
}

// silence has the readers of a partition get nothing more: iothub.Reading.
func (s *server) silence(w http.ResponseWriter, r *http.Request) {
	var reading iothub.Reading
	if !read(w, r, &reading) {
		return
	}
	s.done(w, s.hub.Silence(reading))
}

// Faults are those that have not happened yet.
func (c *Client) Faults(ctx context.Context) (faults []iothub.Fault, err error) {
	err = c.call(ctx, http.MethodGet, "/faults", nil, &faults)
	return faults, err
}

// SetFaults replaces all faults; without any it ends them.
func (c *Client) SetFaults(ctx context.Context, faults ...iothub.Fault) error {
	if faults == nil {
		faults = []iothub.Fault{}
	}
	return c.call(ctx, http.MethodPut, "/faults", faults, nil)
}

// Endpoint is where the events are now.
func (c *Client) Endpoint(ctx context.Context) (e Endpoint, err error) {
	err = c.call(ctx, http.MethodGet, "/endpoint", nil, &e)
	return e, err
}

// Failover has the hub fail over, and returns where its events are afterwards.
func (c *Client) Failover(ctx context.Context) (e Endpoint, err error) {
	err = c.call(ctx, http.MethodPost, "/failover", nil, &e)
	return e, err
}

// Drop ends the connection of a device or module, and reports whether there was one.
func (c *Client) Drop(ctx context.Context, id iothub.ID) (bool, error) {
	var answer struct{ Dropped bool }
	err := c.call(ctx, http.MethodPost, "/connections/drop", id, &answer)
	return answer.Dropped, err
}

// Silence has those who read a partition now get nothing more, though their links stay.
func (c *Client) Silence(ctx context.Context, r iothub.Reading) error {
	return c.call(ctx, http.MethodPost, "/readers/silence", r, nil)
}
