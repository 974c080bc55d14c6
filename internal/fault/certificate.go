package fault

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
)

// IsCertificate reports whether err says that a server's certificate was not accepted, or that the server does
// not speak TLS at all.
func IsCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "tls: failed to verify certificate") // of a library that hides the cause
}

// CertificateHint says what to do about an error for which IsCertificate is true. address and caFile are the
// names of the settings that lead to the server and to its authority.
func CertificateHint(err error, address, caFile string) string {
	var record tls.RecordHeaderError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &record):
		return "what answers there does not speak TLS; is " + address + " right?"
	case errors.As(err, &name):
		return "another server answers there, or its certificate lacks the name; is " + address + " right?"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set the clock of this machine right"
	case errors.As(err, &unknown) && signedByItself(unknown.Cert):
		return "the certificate is signed by itself; if it is the right one, name its PEM file in " + caFile
	}
	return "set " + caFile + " to the PEM file of the authority that signed the server's certificate"
}

func signedByItself(c *x509.Certificate) bool {
	return c != nil && bytes.Equal(c.RawSubject, c.RawIssuer)
}
