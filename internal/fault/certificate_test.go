package fault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEachReasonAgainstACertificateHasItsHint(t *testing.T) {
	ours := &x509.Certificate{RawSubject: []byte("server"), RawIssuer: []byte("authority")}
	itself := &x509.Certificate{RawSubject: []byte("server"), RawIssuer: []byte("server")}
	for name, c := range map[string]struct {
		cause error
		hint  string
	}{
		"no TLS at all":                {tls.RecordHeaderError{}, "does not speak TLS; is urls right"},
		"another name":                 {&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: ours, Host: "a"}}, "another server answers there"},
		"over":                         {&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: ours, Reason: x509.Expired}}, "clock"},
		"not for servers":              {&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: ours, Reason: x509.IncompatibleUsage}}, "set ca to the PEM file"},
		"an unknown authority":         {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{Cert: ours}}, "set ca to the PEM file"},
		"signed by itself":             {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{Cert: itself}}, "signed by itself"},
		"a library that tells no type": {errors.New("tls: failed to verify certificate: x509: unknown"), "set ca to the PEM file"},
	} {
		t.Run(name, func(t *testing.T) {
			err := fmt.Errorf("dial: %w", c.cause)
			if !IsCertificate(err) || !strings.Contains(CertificateHint(err, "urls", "ca"), c.hint) {
				t.Errorf("got %v, %q", IsCertificate(err), CertificateHint(err, "urls", "ca"))
			}
		})
	}
	if IsCertificate(errors.New("connection refused")) {
		t.Error("an error of the network is taken for one of a certificate")
	}
}
