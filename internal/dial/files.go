package dial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"azx/internal/fault"
)

// Files are PEM files that say whom a TLS connection trusts and as whom it signs in. They are read at each handshake, so
// that they may be replaced while the connector runs. "" leaves one out.
type Files struct {
	CA        string // authorities to trust besides the system's
	Cert, Key string // a client's certificate, with what leads to its authority, and its key: both or none
}

// Config reads the files. The error is a fault.Problem of class Credential.
func (f Files) Config() (*tls.Config, error) {
	config := strict()
	var err error
	if config.RootCAs, err = roots(f.CA); err != nil {
		return nil, &fault.Problem{Op: "read caFile " + f.CA, Class: fault.Credential, Cause: err,
			Hint: "caFile is a PEM file with one or more certificates of authorities"}
	}
	if f.Cert == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, &fault.Problem{Op: "read certFile " + f.Cert + " and keyFile " + f.Key, Class: fault.Credential, Cause: err,
			Hint: "they are PEM files with a client's certificate and the key that belongs to it"}
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// roots returns the system's authorities and those of a PEM file; nil, the system's alone, without a file.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("it holds no certificate")
	}
	return pool, nil
}
