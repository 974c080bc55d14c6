package dial

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Of HTTP connections that wait for more requests.
const (
	idleFor    = 30 * time.Second
	headersMax = 64 << 10 // bytes of an answer's header
)

// HTTP carries requests to servers that their URLs name, such as those of Azure's other services. open makes the TCP
// connections; nil does so directly. trust is asked at each handshake; nil is the system's roots. Errors are
// fault.Problems that name the hop; those of a certificate are of class Credential. setting is the one that leads to the
// server, for people.
func HTTP(open Func, trust func() (*tls.Config, error), setting string) *http.Transport {
	if open == nil {
		open = (&Dialer{}).DialContext
	}
	n := &Network{Dial: open, TLS: trust}
	return &http.Transport{
		DialContext: open,
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return n.tls(ctx, host, address, setting)
		},
		IdleConnTimeout:        idleFor,
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: headersMax,
	}
}

// Safe reports whether a credential may be sent to an address: in the clear it may only on this machine.
func Safe(at *url.URL) bool {
	ip := net.ParseIP(at.Hostname())
	return at.Scheme == "https" || at.Scheme == "http" && (at.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
