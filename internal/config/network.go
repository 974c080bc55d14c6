package config

import (
	"crypto/tls"
	"os"

	"azx/internal/dial"
	"azx/internal/secret"
)

// proxy reads the URL of a proxy once. Without a user in it, it is no credential that should be elsewhere.
func (d *decoder) proxy(at string, s secret.Source) {
	if !s.IsSet() {
		return
	}
	if d.notInVault(at, s) {
		return
	}
	text, err := s.Value()
	if err != nil {
		d.report(at, err.Error(), "")
		return
	}
	credentials, err := dial.CheckProxy(text)
	switch {
	case err != nil:
		d.report(at, err.Error(), "such as http://proxy.example.com:3128, http://user:${file:/path}@proxy.example.com:3128, or none")
	case credentials:
		d.credential(at, s)
	}
}

// ownCertificate makes the paths of a certificate and its key relative to the file's folder and reads both once.
func (d *decoder) ownCertificate(section string, cert, key *string) {
	for _, f := range []struct{ at, file, other string }{{"certFile", *cert, *key}, {"keyFile", *key, *cert}} {
		if f.file == "" && f.other != "" {
			d.report(section+f.at, "missing", "a certificate and its key go together")
			return
		}
	}
	if *cert == "" {
		return
	}
	*cert, *key = d.resolve(*cert), d.resolve(*key)
	if _, err := tls.LoadX509KeyPair(*cert, *key); err != nil {
		d.report(section+"certFile", err.Error(), "certFile and keyFile are PEM files of a certificate and the key that belongs to it")
	}
	if info, err := os.Stat(*key); err == nil && info.Mode().Perm()&0o004 != 0 {
		d.warn(section+"keyFile", "everybody on this machine may read "+*key, "chmod 600 "+*key)
	}
}
