package access

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"
)

// Network says how to reach an endpoint of a hub. The zero value dials it by its name and trusts the
// system's roots.
type Network struct {
	Address string         // host:port to dial instead, also after a redirect; names in certificates and tokens stay
	Roots   *x509.CertPool // nil for the system's
}

// Dial is the address to dial for a host at the protocol's own port.
func (n Network) Dial(host string, port int) string {
	if n.Address != "" {
		return n.Address
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// TLS is a configuration that checks the certificate against host, whatever address is dialled. The name
// is given because client libraries else take it from the address.
func (n Network) TLS(host string) *tls.Config {
	return &tls.Config{RootCAs: n.Roots, ServerName: host, MinVersion: tls.VersionTLS12}
}
