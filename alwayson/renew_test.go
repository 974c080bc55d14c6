package alwayson

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTheClientsCertificateIsTheOneOfTheMoment has a server that wants one, and a client that gets another each time.
func TestTheClientsCertificateIsTheOneOfTheMoment(t *testing.T) {
	var seen []string
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.TLS.PeerCertificates[0].Subject.String())
		w.WriteHeader(http.StatusNotFound)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // a client without a certificate is expected
	front.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	front.StartTLS()
	defer front.Close()
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	gone := errors.New("the file is not there")
	answers := []struct {
		own  []tls.Certificate
		fail error
	}{{front.TLS.Certificates, nil}, {nil, gone}, {nil, nil}, {front.TLS.Certificates, nil}}
	asked := 0
	cfg := DialConfig{
		URL:    strings.Replace(front.URL, "https://", "wss://", 1),
		AppKey: func(context.Context) (string, error) { return testKey, nil },
		RenewTLS: func() (*tls.Config, error) {
			a := answers[asked]
			asked++
			return &tls.Config{RootCAs: roots, Certificates: a.own}, a.fail
		},
	}
	for i, a := range answers {
		_, err := Dial(t.Context(), cfg)
		reached := errors.As(err, new(*UpgradeError))
		if reached != (a.own != nil) || a.fail != nil && !errors.Is(err, a.fail) {
			t.Errorf("dial %d: %v", i, err)
		}
	}
	if len(seen) != 2 || asked != len(answers) {
		t.Errorf("the server saw %v", seen)
	}
}
