// Package control is the local hub's control interface for tools and tests: managing devices, and looking inside.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"azx/internal/local/iothub"
)

// maxBody bounds a request: some ten thousand devices in one call.
const maxBody = 4 << 20

// Device is an identity as the control interface shows it. The connection string contains the key.
type Device struct {
	iothub.ID
	GenerationID     string `json:"generationId"`
	Edge             bool   `json:"edge,omitempty"`
	Disabled         bool   `json:"disabled,omitempty"`
	ConnectionString string `json:"connectionString"`
}

// Partition is the head of one partition's log.
type Partition struct {
	ID            int    `json:"id"`
	BeginSequence int64  `json:"beginSequence"`
	LastSequence  int64  `json:"lastSequence"`
	LastOffset    string `json:"lastOffset"`
	Empty         bool   `json:"empty"`
}

// Counter counts the messages a device or module had accepted since the hub was started.
type Counter struct {
	iothub.ID
	Accepted uint64 `json:"accepted"`
}

// Policy is a shared access policy; its connection string contains the key.
type Policy struct {
	Name             string `json:"name"`
	ConnectionString string `json:"connectionString"`
}

type group struct {
	Name string `json:"name"`
}

type problem struct {
	Error string `json:"error"`
}

// Handler serves the control interface of hub. It answers only below the path "/<secret>/" and only when the request
// names one of hosts ("127.0.0.1:41000"), so that neither a guess nor a page in a browser gets in. mqttPort goes into
// connection strings when it is not 0.
func Handler(hub *iothub.Hub, secret string, hosts []string, mqttPort int) http.Handler {
	s := &server{hub: hub, mqttPort: mqttPort}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /devices", s.list)
	mux.HandleFunc("POST /devices", s.add)
	mux.HandleFunc("POST /devices/status", s.setStatus)
	mux.HandleFunc("GET /groups", s.groups)
	mux.HandleFunc("POST /groups", s.addGroup)
	mux.HandleFunc("GET /policies", s.policies)
	mux.HandleFunc("GET /counters", s.counters)
	mux.HandleFunc("GET /partitions", s.partitions)
	mux.HandleFunc("PUT /entra", s.trustEntra)
	s.twoWay(mux)
	s.trouble(mux)
	inner := http.StripPrefix("/"+secret, mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/"+secret+"/") || !named(r.Host, hosts) {
			reply(w, http.StatusNotFound, problem{"nothing here"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		inner.ServeHTTP(w, r)
	})
}

type server struct {
	hub      *iothub.Hub
	mqttPort int
}

// list answers with all devices, or with one: ?device=ID[&module=ID].
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); q.Has("device") {
		identity, err := s.hub.Registry().Get(iothub.ID{Device: q.Get("device"), Module: q.Get("module")})
		if err != nil {
			fail(w, err)
			return
		}
		reply(w, http.StatusOK, []Device{s.show(identity)})
		return
	}
	devices := []Device{}
	for _, identity := range s.hub.Registry().List() {
		devices = append(devices, s.show(identity))
	}
	reply(w, http.StatusOK, devices)
}

// add makes sure that the devices of the request exist, and answers with them in order. What is there stays as it is.
func (s *server) add(w http.ResponseWriter, r *http.Request) {
	var wanted []iothub.Spec
	if !read(w, r, &wanted) {
		return
	}
	var missing []iothub.Spec
	for _, spec := range wanted {
		switch identity, err := s.hub.Registry().Get(spec.ID); {
		case errors.Is(err, iothub.ErrNotFound):
			missing = append(missing, spec)
		case err == nil && spec.Edge && !identity.Edge:
			fail(w, fmt.Errorf("add edge device %q: %w and is not an edge device", spec.ID, iothub.ErrExists))
			return
		}
	}
	if _, err := s.hub.Registry().Add(missing...); err != nil {
		fail(w, err)
		return
	}
	devices := make([]Device, 0, len(wanted))
	for _, spec := range wanted {
		identity, err := s.hub.Registry().Get(spec.ID)
		if err != nil {
			fail(w, err)
			return
		}
		devices = append(devices, s.show(identity))
	}
	reply(w, http.StatusOK, devices)
}

// setStatus disables or enables a device: {"device": ID, "disabled": true}.
func (s *server) setStatus(w http.ResponseWriter, r *http.Request) {
	var d Device
	if !read(w, r, &d) {
		return
	}
	if err := s.hub.Registry().SetDisabled(d.ID, d.Disabled); err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

func (s *server) groups(w http.ResponseWriter, _ *http.Request) {
	groups := []group{}
	for _, name := range s.hub.ConsumerGroups() {
		groups = append(groups, group{name})
	}
	reply(w, http.StatusOK, groups)
}

func (s *server) addGroup(w http.ResponseWriter, r *http.Request) {
	var g group
	if !read(w, r, &g) {
		return
	}
	if err := s.hub.AddConsumerGroup(g.Name); err != nil && !errors.Is(err, iothub.ErrExists) {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, g)
}

// policies answers with the shared access policies and their connection strings.
func (s *server) policies(w http.ResponseWriter, _ *http.Request) {
	policies := []Policy{}
	for _, name := range s.hub.PolicyNames() {
		policies = append(policies, Policy{name, s.hub.PolicyConnectionString(name)})
	}
	reply(w, http.StatusOK, policies)
}

// trustEntra makes the hub take tokens of a tenant: iothub.EntraTrust.
func (s *server) trustEntra(w http.ResponseWriter, r *http.Request) {
	var t iothub.EntraTrust
	if !read(w, r, &t) {
		return
	}
	if err := s.hub.TrustEntra(t); err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

func (s *server) counters(w http.ResponseWriter, _ *http.Request) {
	accepted := s.hub.Accepted()
	counters := []Counter{}
	for _, identity := range s.hub.Registry().List() {
		counters = append(counters, Counter{identity.ID, accepted[identity.ID]})
	}
	reply(w, http.StatusOK, counters)
}

func (s *server) partitions(w http.ResponseWriter, _ *http.Request) {
	partitions := make([]Partition, s.hub.Partitions())
	for i := range partitions {
		info, err := s.hub.PartitionInfo(i)
		if err != nil {
			fail(w, err)
			return
		}
		partitions[i] = Partition{i, info.BeginSequence, info.LastSequence, info.LastOffset, info.Empty}
	}
	reply(w, http.StatusOK, partitions)
}

func (s *server) show(i iothub.Identity) Device {
	return Device{i.ID, i.GenerationID, i.Edge, i.Disabled, s.hub.DeviceConnectionString(i, s.mqttPort)}
}

func named(host string, hosts []string) bool {
	for _, h := range hosts {
		if host == h {
			return true
		}
	}
	return false
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		reply(w, http.StatusBadRequest, problem{"request: " + err.Error()})
		return false
	}
	return true
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, iothub.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, iothub.ErrExists):
		status = http.StatusConflict
	case errors.Is(err, iothub.ErrBadID):
		status = http.StatusBadRequest
	default:
		status = iothub.AsError(err).Status()
	}
	reply(w, status, problem{err.Error()})
}
