package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"azx/internal/fault"
)

// maxAnswer bounds the head of what a proxy or a server answers before its connection is used, in bytes.
const maxAnswer = 16 << 10

var (
	errNoAnswer    = errors.New("its answer is none of an HTTP proxy")
	errCredentials = errors.New("it does not accept the credentials (407)")
)

// tunnel has the proxy at the other end of conn connect to target, host:port, and returns what leads there.
func (s *server) tunnel(ctx context.Context, conn net.Conn, target string) (net.Conn, error) {
	if !plain(target) {
		return nil, fault.Reject("reach it through the proxy "+s.address, "see endpoints and urls", "its address has characters that none has")
	}
	if s.secured {
		host, _, _ := net.SplitHostPort(s.address) // parseServer has looked at it
		over := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
		if err := bounded(ctx, conn, func() error { return over.HandshakeContext(ctx) }); err != nil {
			return nil, s.insecure(err)
		}
		conn = over
	}
	var answer *http.Response
	err := bounded(ctx, conn, func() (err error) {
		answer, err = s.ask(conn, target)
		return err
	})
	switch {
	case err != nil:
		return nil, problem("reach "+target+" through the proxy "+s.address, blocked{err},
			"is it an HTTP proxy, and may it connect there? it is named by "+s.from)
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return nil, s.refused(answer.Header)
	case answer.StatusCode/100 != 2:
		return nil, s.cannot(target, answer.StatusCode)
	}
	return conn, nil
}

// ask sends the request and reads the head of the answer. No text of the answer goes into the error: what answers may send
// back what it was sent.
func (s *server) ask(conn net.Conn, target string) (*http.Response, error) {
	var request strings.Builder
	fmt.Fprintf(&request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: azx\r\n", target, target)
	if s.hasCredentials {
		request.WriteString("Proxy-Authorization: Basic " + s.credentials.Reveal() + "\r\n")
	}
	request.WriteString("\r\n")
	if _, err := io.WriteString(conn, request.String()); err != nil {
		return nil, err
	}
	in := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	if _, err := in.Peek(1); err != nil {
		return nil, fmt.Errorf("it does not answer: %w", err)
	}
	answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, errNoAnswer
	}
	if answer.StatusCode/100 == 2 && in.Buffered() > 0 { // in all protocols here the client speaks first
		return nil, errors.New("something there speaks before it is asked")
	}
	return answer, nil
}

// unreached is a proxy to which there is no connection.
func (s *server) unreached(ctx context.Context, err error) error {
	if ctx.Err() == context.Canceled {
		return ctx.Err()
	}
	return problem("connect to the proxy "+s.address, err, "is the proxy running, and reachable from here? it is named by "+s.from)
}

// insecure is a proxy to which there is no TLS.
func (s *server) insecure(err error) error {
	p := problem("TLS with the proxy "+s.address, err, "it is named by "+s.from)
	if fault.IsCertificate(err) {
		p.Class, p.Hint = fault.Credential, fault.CertificateHint(err, s.from, "the system's roots")
	}
	return p
}

// refused is a proxy that wants other credentials.
func (s *server) refused(header http.Header) error {
	p := &fault.Problem{Op: "sign in to the proxy " + s.address, Class: fault.Credential,
		Cause: errors.New("it asks for credentials (407)"),
		Hint:  "give them as http://user:${file:/path}@" + s.address + " in proxy of the connector's file"}
	if s.hasCredentials {
		p.Cause = errCredentials
		p.Hint = "are user and password right in " + s.from + "?"
	}
	if offers := header.Values("Proxy-Authenticate"); len(offers) > 0 && !offersBasic(offers) {
		p.Hint = "it offers no Basic authentication, and the connector has no other: let the proxy take this machine without a password, or put a local proxy in front that signs in"
	}
	return p
}

func offersBasic(offers []string) bool {
	for _, offer := range offers {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(offer), " "); strings.EqualFold(scheme, "Basic") {
			return true
		}
	}
	return false
}

// cannot is a proxy that does not connect to the target.
func (s *server) cannot(target string, status int) error {
	hint := "is the name right, and may the proxy connect there?"
	if _, port, _ := net.SplitHostPort(target); port != "443" {
		hint = "may the proxy connect there? many allow port 443 only, which transport: websocket needs"
	}
	return problem("reach "+target+" through the proxy "+s.address,
		blocked{fmt.Errorf("it answers %s", strings.TrimSpace(fmt.Sprint(status, " ", http.StatusText(status))))}, hint)
}
