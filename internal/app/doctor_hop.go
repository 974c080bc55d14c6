package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"azx/internal/diagnose"
	"azx/internal/dial"
	"azx/internal/fault"
)

// How much is left of a certificate, or wrong with a clock, until somebody should know.
const (
	certificateEnds = 14 * 24 * time.Hour
	clockWarns      = time.Minute
	clockFails      = 5 * time.Minute
)

// hop is one server that the connector reaches. What it is may be known only after other checks, so the parts are asked for.
type hop struct {
	dialer  func() *dial.Dialer
	host    func() string                // as in its certificate
	address func() string                // host:port to dial
	setting string                       // what leads to it
	trust   func() (*tls.Config, error)  // nil: it is reached without TLS
	unused  func() (why string, is bool) // it is not needed
	instead func() string                // what is used if there is no way to it; nil or "" for nothing
}

// name looks the server's name up.
func (h hop) name(ctx context.Context) (string, error) {
	address := h.address()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", h.problem("read the address "+address, fault.Fatal, err, "it has the form host:port; see "+h.setting)
	}
	via, err := h.dialer().Proxy.Via(address)
	switch {
	case err != nil:
		return "", err
	case via != "":
		return host + " (the proxy " + via + " looks it up)", nil
	case net.ParseIP(host) != nil:
		return host, nil
	}
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", h.problem("look up "+host, fault.Transient, err, "is the name in "+h.setting+" spelt right, and does this machine's DNS know it?")
	}
	return host + " is " + strings.Join(found[:min(len(found), 3)], ", "), nil
}

// port opens a TCP connection.
func (h hop) port(ctx context.Context) (string, error) {
	if why, is := h.unused(); is {
		return "not used: " + why, nil
	}
	conn, err := h.dial(ctx)
	if err == nil {
		_ = conn.Close() // nothing was sent
		return h.address() + " is open", nil
	}
	if other := h.otherwise(); other != "" {
		return "", diagnose.Warning("if the port stays closed, transport: websocket spares the try", "%v; %s is used instead", err, other)
	}
	return "", err
}

func (h hop) dial(ctx context.Context) (net.Conn, error) {
	conn, err := h.dialer().DialContext(ctx, "tcp", h.address())
	if err != nil && !errors.As(err, new(*fault.Problem)) { // of a proxy, which says more
		err = h.problem("reach "+h.address(), fault.Transient, err,
			"something between here and there blocks the port, or nothing listens; see "+h.setting+" and proxy")
	}
	return conn, err
}

func (h hop) otherwise() string {
	if h.instead == nil {
		return ""
	}
	return h.instead()
}

// certificate checks the certificate and how long it is good for.
func (h hop) certificate(ctx context.Context) (string, error) {
	if why, is := h.unused(); is {
		return "not used: " + why, nil
	}
	if h.trust == nil && net.ParseIP(h.host()).IsLoopback() {
		return "there is none: it is reached without TLS, on this machine", nil
	}
	if h.trust == nil {
		return "", diagnose.Warning("use wss://, unless the platform is on this machine or behind a tunnel",
			"%s is reached without TLS: the application key travels in the clear", h.address())
	}
	conn, err := h.secure(ctx, time.Now)
	if err != nil {
		if fault.ClassOf(err) != fault.Credential && h.otherwise() != "" {
			return "not reached: " + h.otherwise() + " is used instead", nil // as port has warned
		}
		return "", err
	}
	defer conn.Close()
	ends := conn.ConnectionState().PeerCertificates[0].NotAfter
	left := time.Until(ends)
	text := fmt.Sprintf("good for %s until %s, %d days", h.host(), ends.UTC().Format(time.DateOnly), int(left.Hours()/24))
	if left < certificateEnds {
		return "", diagnose.Warning("renew the server's certificate", "%s", text)
	}
	return text, nil
}

// secure opens a TLS connection. The certificate has to be good at the time now.
func (h hop) secure(ctx context.Context, now func() time.Time) (*tls.Conn, error) {
	config, err := h.trust()
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.ServerName, config.Time = h.host(), now
	conn, err := h.dial(ctx)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is what matters
		p := h.problem("TLS with "+h.host()+" at "+h.address(), fault.Transient, err, "something between here and there ends the connection; see "+h.setting)
		if fault.IsCertificate(err) {
			p.Class, p.Hint = fault.Credential, fault.CertificateHint(err, h.setting, "caFile")
		}
		return nil, p
	}
	return secured, nil
}

// clock compares this machine's clock with the Date of the server's HTTP answers. A certificate that is not good now does
// not stand in the way: it may be the clock that is wrong.
func (h hop) clock(ctx context.Context) (ahead time.Duration, err error) {
	conn, err := h.forClock(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // it fails on a connection that has ended, which the next use of it tells
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.host()+"/", nil)
	if err != nil {
		return 0, err
	}
	request.Close = true
	start := time.Now()
	if err := request.Write(conn); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return 0, err
	}
	_ = answer.Body.Close()
	middle := start.Add(time.Since(start) / 2)
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0, errors.New("its answer has no Date")
	}
	ahead = middle.Sub(at)
	if ahead > 0 { // Date has no parts of a second
		ahead = max(0, ahead-time.Second)
	}
	return ahead, nil
}

// forClock connects; a certificate counts as good if there is a time at which it is.
func (h hop) forClock(ctx context.Context) (net.Conn, error) {
	if h.trust == nil {
		return h.dial(ctx)
	}
	conn, err := h.secure(ctx, time.Now)
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil {
		conn, err = h.secure(ctx, func() time.Time { return invalid.Cert.NotAfter.Add(-time.Minute) })
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (h hop) problem(op string, class fault.Class, cause error, hint string) *fault.Problem {
	return &fault.Problem{Op: op, Class: class, Cause: cause, Hint: hint}
}

// apart tells how far a clock is from another.
func apart(ahead time.Duration) string {
	switch {
	case ahead.Abs() < time.Second:
		return "within a second of"
	case ahead < 0:
		return (-ahead).Round(time.Second).String() + " behind"
	}
	return ahead.Round(time.Second).String() + " ahead of"
}
