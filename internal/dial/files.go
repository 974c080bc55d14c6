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
	config := strict()
	own, err := f.authorities()
	if err != nil {
		return nil, err
	}
	if own != nil {
		config.RootCAs = withSystem(own)
	}
	config.Certificates, err = f.certificates()
	return config, err
}

// Check reads the files as Config does, and not the system's authorities, which takes longer than all else of a start.
func (f Files) Check() error {
	if _, err := f.authorities(); err != nil {
		return err
	}
	_, err := f.certificates()
	return err
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

// withSystem returns the system's authorities and those of a PEM text.
func withSystem(pem []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	return pool
}

// LoadRoots reads the system's authorities, so that the first handshake finds them there: it is for a start that does other
// things meanwhile. It returns nil.
func LoadRoots(context.Context) error {
	_, _ = x509.SystemCertPool() // who needs them meets the error, too
	return nil
}
