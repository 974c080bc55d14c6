package dial

import (
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"

	"azx/internal/fault"
	"azx/internal/secret"
)

// None is the text that turns proxies off.
const None = "none"

// Proxy says through which HTTP proxy connections go. Its address is read at each dial, so that credentials may be replaced.
// nil is no proxy at all.
type Proxy struct {
	from  string // where it is named, for people
	url   secret.Source
	skips func(*url.URL) (*url.URL, error) // gives nil for an address to which no proxy leads

	mu      sync.Mutex
	refused refusal
}

// refusal is that of credentials. They are not sent again for a while: a proxy may lock an account after a few tries.
type refusal struct {
	credentials, by string
	at              time.Time
	err             error
}

// lockedFor is how long credentials that were refused are not sent again, unless they are replaced.
const lockedFor = 5 * time.Minute

// held returns why s is not to be asked now; nil if it is.
func (p *Proxy) held(s *server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := &p.refused; r.err != nil && r.by == s.address && r.credentials == s.credentials.Reveal() && time.Since(r.at) < lockedFor {
		return r.err
	}
	return nil
}

// note remembers an error of s if it is a refusal of credentials.
func (p *Proxy) note(s *server, err error) {
	if !errors.Is(err, errCredentials) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = refusal{credentials: s.credentials.Reveal(), by: s.address, at: time.Now(), err: err}
}

// NewProxy makes a Proxy of a URL such as http://user:password@proxy.example:3128, of None, or, if the source is not set, of
// the environment's HTTPS_PROXY. except lists in the form of NO_PROXY what is reached directly; "" is the environment's
// NO_PROXY. Addresses of the loopback are always reached directly. The result may be nil; the error is a fault.Problem of class
// Fatal, and never shows the URL.
func NewProxy(from secret.Source, except string) (*Proxy, error) {
	environment := httpproxy.FromEnvironment()
	p := &Proxy{from: "proxy in the connector's file", url: from}
	if !from.IsSet() {
		if environment.HTTPSProxy == "" {
			return nil, nil
		}
		p.from, p.url = "the environment variable HTTPS_PROXY", secret.Literal(environment.HTTPSProxy)
	}
	if except == "" {
		except = environment.NoProxy
	}
	// The library is asked only whether a proxy is used: its errors would show the URL.
	p.skips = (&httpproxy.Config{HTTPSProxy: "http://proxy.invalid", NoProxy: except}).ProxyFunc()
	if _, err := p.server(); err != nil {
		return nil, &fault.Problem{Op: "set up the proxy", Class: fault.Fatal, Cause: err, Hint: fault.HintOf(err)}
	}
	return p, nil
}

// Via returns the proxy that leads to host:port, itself as host:port; "" for none.
func (p *Proxy) Via(address string) (string, error) {
	s, err := p.serverFor(address)
	if s == nil || err != nil {
		return "", err
	}
	return s.address, nil
}

// serverFor returns the proxy that leads to host:port; nil for none.
func (p *Proxy) serverFor(address string) (*server, error) {
	if p == nil {
		return nil, nil
	}
	if chosen, err := p.skips(&url.URL{Scheme: "https", Host: address}); chosen == nil || err != nil {
		return nil, err
	}
	return p.server()
}

// server returns the proxy as it is now; nil for none.
func (p *Proxy) server() (*server, error) {
	text, err := p.url.Value()
	if err == nil && strings.TrimSpace(text) == None {
		return nil, nil
	}
	var s *server
	if err == nil {
		s, err = parseServer(text)
	}
	if err != nil {
		return nil, &fault.Problem{Op: "read " + p.from, Class: fault.Credential, Cause: err,
			Hint: "it has the form http://proxy.example:3128 or http://user:password@proxy.example:3128, or is " + None}
	}
	s.from = p.from
	return s, nil
}

// CheckProxy says what is wrong with the text of a proxy, without showing it. known is whether the text has credentials.
func CheckProxy(text string) (credentials bool, err error) {
	if strings.TrimSpace(text) == None {
		return false, nil
	}
	s, err := parseServer(text)
	return err == nil && s.hasCredentials, err
}

// server is an HTTP proxy.
type server struct {
	address        string // host:port
	secured        bool   // TLS to the proxy itself
	hasCredentials bool
	credentials    secret.Secret // of the scheme Basic, encoded
	from           string
}

var (
	errNoProxyURL = errors.New("is no address of an HTTP proxy")
	errSOCKS      = errors.New("is the address of a SOCKS proxy, and only HTTP proxies are supported")
)

// parseServer reads a URL by hand, since what stands for a password in a file is seldom encoded as a URL wants it: the last @
// ends it, and only what is an escape counts as one. Without a scheme it is http.
func parseServer(text string) (*server, error) {
	scheme, rest, found := strings.Cut(strings.TrimSpace(text), "://")
	if !found {
		scheme, rest = "http", scheme
	}
	s, port := &server{}, 80
	switch scheme = strings.ToLower(scheme); {
	case strings.HasPrefix(scheme, "socks"):
		return nil, errSOCKS
	case scheme == "https":
		s.secured, port = true, 443
	case scheme != "http":
		return nil, errNoProxyURL
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		pair := unescaped(user) + ":" + unescaped(password)
		s.hasCredentials, s.credentials = true, secret.New(base64.StdEncoding.EncodeToString([]byte(pair)))
		rest = rest[at+1:]
	}
	rest = strings.TrimSuffix(rest, "/")
	if !strings.Contains(rest[strings.LastIndexByte(rest, ']')+1:], ":") {
		rest = net.JoinHostPort(strings.Trim(rest, "[]"), strconv.Itoa(port))
	}
	host, number, err := net.SplitHostPort(rest)
	if n, bad := strconv.Atoi(number); err != nil || bad != nil || n < 1 || n > 65535 || host == "" || !plain(host) || strings.ContainsAny(host, "/?#@ ") {
		return nil, errNoProxyURL
	}
	s.address = rest
	return s, nil
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// plain reports whether text may stand in the head of an HTTP message.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7F })
}
