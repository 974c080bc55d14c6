// Package blobtest is a storage account in the test's own process: the few calls that a checkpoint store makes, on one
// container, with ETags and a clock that a test may set. What a real one does is tested against Azurite.
package blobtest

import (
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Container is the name of the container.
const Container = "checkpoints"

// Service is a storage account.
type Service struct {
	t      testing.TB
	server *httptest.Server

	mu     sync.Mutex
	gone   bool // the container
	blobs  map[string]blob
	writes int
	skew   time.Duration
	refuse func(r *http.Request) (status int, code string)
	mute   bool // answers of writes are lost
}

type blob struct {
	metadata map[string]string
	content  []byte
	etag     string
	modified time.Time
}

// Start starts one, whose container is empty. It ends with the test.
func Start(t testing.TB) *Service {
	s := newService(t)
	s.server.Start()
	return s
}

// StartTLS starts one that speaks TLS, with the certificate of the returned server.
func StartTLS(t testing.TB) (*Service, *httptest.Server) {
	s := newService(t)
	s.server.StartTLS()
	return s, s.server
}

func newService(t testing.TB) *Service {
	s := &Service{t: t, blobs: map[string]blob{}}
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	t.Cleanup(s.server.Close)
	return s
}

// URL is the address of the account, with a SAS.
func (s *Service) URL() string { return s.server.URL + "?sig=canary-of-a-sas" }

// ConnectionString is that of the account, with its key.
func (s *Service) ConnectionString() string {
	return "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=Y2FuYXJ5LW9mLWEta2V5;BlobEndpoint=" + s.server.URL + ";"
}

// Close ends the service: nothing listens there afterwards.
func (s *Service) Close() { s.server.Close() }

// Refuse has calls answered with a status and a code of the service, unless the status is 0. Nil ends that.
func (s *Service) Refuse(refuse func(r *http.Request) (status int, code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// LoseAnswers lets writes take place and then ends their connections without an answer.
func (s *Service) LoseAnswers(lose bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = lose
}

// Skew sets the service's clock apart from the test's.
func (s *Service) Skew(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = by
}

// RemoveContainer removes the container with all that it has; AddContainer brings an empty one.
func (s *Service) RemoveContainer() { s.container(true) }

// AddContainer makes the container anew, empty.
func (s *Service) AddContainer() { s.container(false) }

func (s *Service) container(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = gone
	clear(s.blobs)
}

// Put stores a blob.
func (s *Service) Put(name string, metadata map[string]string, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(name, metadata, []byte(content))
}

// Remove removes a blob.
func (s *Service) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, name)
}

// Blobs returns the metadata of all blobs by name.
func (s *Service) Blobs() map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]string{}
	for name, b := range s.blobs {
		all[name] = maps.Clone(b.metadata)
	}
	return all
}

func (s *Service) put(name string, metadata map[string]string, content []byte) blob {
	s.writes++
	b := blob{metadata, content, fmt.Sprintf("0x%X", s.writes), s.now()}
	s.blobs[name] = b
	return b
}

func (s *Service) now() time.Time { return time.Now().Add(s.skew).UTC().Truncate(time.Second) }

// ServeHTTP answers a call.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	if s.refuse != nil {
		if status, code := s.refuse(r); status != 0 {
			refuse(w, status, code)
			return
		}
	}
	if r.Header.Get("Authorization") == "" && !r.URL.Query().Has("sig") {
		refuse(w, http.StatusUnauthorized, "NoAuthenticationInformation")
		return
	}
	if s.gone {
		refuse(w, http.StatusNotFound, "ContainerNotFound")
		return
	}
	name, inside := strings.CutPrefix(r.URL.Path, "/"+Container)
	switch {
	case !inside:
		refuse(w, http.StatusNotFound, "ContainerNotFound")
	case r.URL.Query().Get("comp") == "list":
		s.list(w, r.URL.Query().Get("prefix"))
	default:
		s.serve(w, r, strings.TrimPrefix(name, "/"))
	}
}

// serve answers a call that concerns one blob.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, name string) {
	there, ok := s.blobs[name]
	conditions := r.Header
	isUpload := r.Method == http.MethodPut && r.URL.Query().Get("comp") == ""
	switch {
	case !ok && !isUpload:
		refuse(w, http.StatusNotFound, "BlobNotFound")
		return
	case ok && conditions.Get("If-None-Match") == "*":
		refuse(w, http.StatusConflict, "BlobAlreadyExists")
		return
	case conditions.Get("If-Match") != "" && strings.Trim(conditions.Get("If-Match"), `"`) != there.etag:
		refuse(w, http.StatusPreconditionFailed, "ConditionNotMet")
		return
	}
	switch r.Method {
	case http.MethodPut:
		content, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		if !isUpload {
			content = there.content
		}
		there = s.put(name, metadataOf(r.Header), content)
		if s.mute {
			panic(http.ErrAbortHandler)
		}
		head(w, there)
		if isUpload {
			w.WriteHeader(http.StatusCreated)
		}
	case http.MethodDelete:
		delete(s.blobs, name)
		w.WriteHeader(http.StatusAccepted)
	default: // GET, HEAD
		head(w, there)
		_, _ = w.Write(there.content) // a client that is gone does not matter
	}
}

func (s *Service) list(w http.ResponseWriter, prefix string) {
	w.Header().Set("Content-Type", "application/xml")
	var page strings.Builder
	page.WriteString(`<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="` + Container + `"><Blobs>`)
	for _, name := range slices.Sorted(maps.Keys(s.blobs)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		b := s.blobs[name]
		fmt.Fprintf(&page, "<Blob><Name>%s</Name><Properties><Last-Modified>%s</Last-Modified><Etag>%s</Etag><BlobType>BlockBlob</BlobType></Properties><Metadata>",
			escaped(name), b.modified.Format(http.TimeFormat), b.etag)
		for key, value := range b.metadata {
			fmt.Fprintf(&page, "<%s>%s</%s>", key, escaped(value), key)
		}
		page.WriteString("</Metadata></Blob>")
	}
	page.WriteString("</Blobs><NextMarker/></EnumerationResults>")
	_, _ = io.WriteString(w, page.String())
}

func head(w http.ResponseWriter, b blob) {
	for key, value := range b.metadata {
		w.Header().Set("x-ms-meta-"+key, value)
	}
	w.Header().Set("ETag", `"`+b.etag+`"`)
	w.Header().Set("Last-Modified", b.modified.Format(http.TimeFormat))
}

func metadataOf(h http.Header) map[string]string {
	m := map[string]string{}
	for key, values := range h {
		if name, ok := strings.CutPrefix(strings.ToLower(key), "x-ms-meta-"); ok {
			m[name] = values[0]
		}
	}
	return m
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("x-ms-error-code", code)
	w.WriteHeader(status)
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
