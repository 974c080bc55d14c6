package dial

import (
	"context"
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
	return f.config(func() *x509.CertPool {
		if pool, err := x509.SystemCertPool(); err == nil {
			return pool
		}
		return x509.NewCertPool()
	})
}

// Own is Config without the system's authorities where there is a CA: they take long to read, see Network.
func (f Files) Own() (*tls.Config, error) { return f.config(x509.NewCertPool) }

// config adds the authorities of CA to others, if there is a CA: without roots, the system's are asked.
func (f Files) config(others func() *x509.CertPool) (*tls.Config, error) {
	config := strict()
	pem, err := f.authorities()
	if err != nil {
		return nil, err
	}
	if pem != nil {
		config.RootCAs = others()
		config.RootCAs.AppendCertsFromPEM(pem)
	}
	config.Certificates, err = f.certificates()
	return config, err
}

// authorities reads CA; nil if there is none.
func (f Files) authorities() ([]byte, error) {
	if f.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.CA)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = errors.New("it holds no certificate")
	}
	if err != nil {
		return nil, &fault.Problem{Op: "read caFile " + f.CA, Class: fault.Credential, Cause: err,
			Hint: "caFile is a PEM file with one or more certificates of authorities"}
	}
	return pem, nil
}

func (f Files) certificates() ([]tls.Certificate, error) {
	if f.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, &fault.Problem{Op: "read certFile " + f.Cert + " and keyFile " + f.Key, Class: fault.Credential, Cause: err,
			Hint: "they are PEM files with a client's certificate and the key that belongs to it"}
	}
	return []tls.Certificate{pair}, nil
}

// LoadRoots reads the system's authorities, so that the first handshake finds them there: it is for a start that does other
// things meanwhile. It returns nil.
func LoadRoots(context.Context) error {
	_, _ = x509.SystemCertPool() // who needs them meets the error, too
	return nil
}
