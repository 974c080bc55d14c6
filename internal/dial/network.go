package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"

	"azx/internal/fault"
)

// Transport says how AMQP travels to a hub.
type Transport string

// The transports.
const (
	TransportAMQP      Transport = "amqp"      // over TLS at port 5671
	TransportWebSocket Transport = "websocket" // over WebSocket at port 443
	TransportAuto      Transport = "auto"      // the first, or the second where the first does not get through
)

// Ports and WebSocket paths of a hub.
const (
	httpsPort = 443
	amqpsPort = 5671
	// PathHub is where a hub takes AMQP over WebSocket (read: azure-iothub's amqp_ws.js).
	PathHub = "/$iothub/websocket"
	// PathEvents is where its Event Hubs-compatible endpoint does (read: azeventhubs' internal/namespace.go).
	PathEvents = "/$servicebus/websocket"
)

// Network says how the endpoints of one hub are reached. The zero value goes directly to their own names and ports, with AMQP
// at its own port, and trusts the system's roots. One Network serves all that speaks to a hub, since it remembers which
// transport gets through. Its methods may be called from many goroutines.
type Network struct {
	Transport Transport                   // "" is TransportAMQP
	Dial      Func                        // opens TCP connections; nil does so directly
	TLS       func() (*tls.Config, error) // asked at each handshake; nil is the system's roots
	Own       func() (*tls.Config, error) // TLS without the system's roots, tried first; nil if there is nothing else in it
	// Where to dial instead of the hub's own addresses, host:port, also after a redirect; names in certificates and tokens
	// stay. "" for the hub's own.
	AMQPS, HTTPS string
	Log          *slog.Logger // hears when TransportAuto takes another transport; may be nil

	choice  choice
	foreign atomic.Bool // a certificate was met for which Own is not enough
}

// Target is an endpoint for AMQP.
type Target struct {
	Host    string // whose certificate is asked for
	Address string // where it listens for AMQPS if that is not Host at port 5671; "" if it is
	Path    string // PathHub or PathEvents
}

// Secure opens a TLS connection to the HTTPS port of a host. Errors are fault.Problems that name the hop.
func (n *Network) Secure(ctx context.Context, host string) (net.Conn, error) {
	return n.tls(ctx, host, address(n.HTTPS, "", host, httpsPort), "endpoints.https")
}

// Connect opens a connection on which an AMQP header may be sent. Errors are fault.Problems that name the hop.
func (n *Network) Connect(ctx context.Context, to Target) (net.Conn, error) {
	switch n.Transport {
	case TransportWebSocket:
		return n.webSocket(ctx, to)
	case TransportAuto:
		return n.either(ctx, to)
	}
	return n.amqps(ctx, to)
}

func (n *Network) amqps(ctx context.Context, to Target) (net.Conn, error) {
	return n.tls(ctx, to.Host, address(n.AMQPS, to.Address, to.Host, amqpsPort), "endpoints.amqps")
}

// webSocket ignores the address of a redirect, which is one for AMQPS.
func (n *Network) webSocket(ctx context.Context, to Target) (net.Conn, error) {
	secured, err := n.Secure(ctx, to.Host)
	if err != nil {
		return nil, err
	}
	conn, err := upgrade(ctx, secured, to)
	if err != nil {
		_ = secured.Close() // the refusal is what matters
		return nil, err
	}
	return conn, nil
}

func address(instead, redirected, host string, port int) string {
	switch {
	case instead != "":
		return instead
	case redirected != "":
		return redirected
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// tls opens a TLS connection that checks the certificate against host, whatever address is dialled. setting is the one
// that leads there. To read the system's roots takes longer than the rest of a connector's start: that is left until a
// host is met that needs them, which is dialled once more then.
func (n *Network) tls(ctx context.Context, host, address, setting string) (net.Conn, error) {
	if n.Own != nil && !n.foreign.Load() {
		conn, err := n.secured(ctx, host, address, setting, n.Own)
		if !errors.As(err, new(*tls.CertificateVerificationError)) {
			return conn, err
		}
		n.foreign.Store(true)
	}
	return n.secured(ctx, host, address, setting, n.TLS)
}

// secured is tls with what trust says, nil for the system's roots.
func (n *Network) secured(ctx context.Context, host, address, setting string, trust func() (*tls.Config, error)) (net.Conn, error) {
	config := &tls.Config{}
	if trust != nil {
		given, err := trust()
		if err != nil {
			return nil, err
		}
		config = given.Clone()
	}
	config.ServerName, config.MinVersion = host, tls.VersionTLS12
	dial := n.Dial
	if dial == nil {
		dial = (&Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, n.unreached(ctx, address, setting, err)
	}
	secured := tls.Client(gather(conn), config)
	if err := bounded(ctx, conn, func() error { return secured.HandshakeContext(ctx) }); err != nil {
		_ = conn.Close() // the handshake's error is what matters
		return nil, insecure(host, address, setting, err)
	}
	return secured, nil
}

// unreached is a host to which there is no TCP connection.
func (n *Network) unreached(ctx context.Context, address, setting string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, new(*fault.Problem)): // a proxy's
		return err
	case ctx.Err() == context.Canceled:
		return ctx.Err()
	case errors.As(err, &dns) && dns.IsNotFound:
		return problem("reach "+address, err, "is HostName spelt right? where only a proxy knows the names of others, set proxy")
	}
	hint := "is it reachable from here? see " + setting + " and proxy"
	switch setting {
	case "endpoints.https":
		hint = "is the hub reachable from here at port 443? see " + setting + " and proxy"
	case "endpoints.amqps":
		hint = "is the hub reachable from here at port 5671? see " + setting + " and proxy; where 443 alone is open, transport: websocket"
	}
	return problem("reach "+address, blocked{err}, hint)
}

// insecure is a host that is reached and with which there is no TLS.
func insecure(host, address, setting string, err error) error {
	p := problem("TLS with "+host+" at "+address, err, "something between here and there ends the connection; may this machine use that port? see "+setting)
	switch {
	case fault.IsCertificate(err):
		p.Class, p.Hint = fault.Credential, fault.CertificateHint(err, setting, "caFile")
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, new(net.Error)), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		p.Cause = blocked{err}
	}
	return p
}
