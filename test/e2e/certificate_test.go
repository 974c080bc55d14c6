package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azx/test/process"
)

// keyPair is a certificate that is its own authority, with its key.
type keyPair struct {
	tls.Certificate
	cert, key []byte // PEM
}

func newKeyPair(t *testing.T, name string) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		cert:        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
}

// front is TLS before a platform that has none. It lets in those who show the certificate that it wants.
type front struct {
	*httptest.Server
	setting atomic.Pointer[tls.Config]
	mu      sync.Mutex
	conns   map[net.Conn]bool
}

func newFront(t *testing.T, behind string, server, client keyPair) *front {
	t.Helper()
	to, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
	proxy.ErrorLog = log.New(t.Output(), "front: ", 0)
	f := &front{Server: httptest.NewUnstartedServer(proxy), conns: map[net.Conn]bool{}}
	f.Config.ErrorLog = proxy.ErrorLog
	f.Config.ConnState = f.note
	f.swap(server, client)
	f.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.setting.Load(), nil }}
	f.StartTLS()
	t.Cleanup(f.Close)
	t.Cleanup(f.cut)
	return f
}

// swap has the front show another certificate, and want another one, of those who come from now on.
func (f *front) swap(server, client keyPair) {
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(client.cert)
	f.setting.Store(&tls.Config{Certificates: []tls.Certificate{server.Certificate}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert})
}

func (f *front) note(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if state == http.StateNew {
		f.conns[c] = true
	}
}

// cut ends all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close() // the other end may have been faster
	}
	clear(f.conns)
}

// TestCertificatesAreReplacedWhileMessagesFlow has the platform's certificate, its authority and the connector's own certificate
// replaced, in the files of the connector first, and then the connections end: those that are opened have the new ones. Each
// message is written once, in order, without a restart.
func TestCertificatesAreReplacedWhileMessagesFlow(t *testing.T) {
	t.Parallel()
	const messages = 60
	stack := process.NewStack(t, azx)
	server, client := newKeyPair(t, "server 1"), newKeyPair(t, "client 1")
	front := newFront(t, stack.Platform.URL, server, client)
	put := func(roots []byte, own keyPair) {
		stack.WriteFile("roots.pem", roots)
		stack.WriteFile("own.pem", append(own.cert, own.key...))
	}
	put(server.cert, client)
	stack.Configure(func(config map[string]any) {
		platform := config["platform"].(map[string]any)
		platform["urls"] = []string{strings.Replace(front.URL, "https://", "wss://", 1) + "/Thingworx/WS"}
		platform["caFile"], platform["certFile"], platform["keyFile"] = "roots.pem", "own.pem", "own.pem"
	})
	connector := stack.Connect()
	stack.AddThing("late-1", "n:INTEGER")
	d := connectDevice(t, stack, "late-1")
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for n := range messages {
		<-pace.C
		if n == messages/2 {
			nextServer, nextClient := newKeyPair(t, "server 2"), newKeyPair(t, "client 2")
			put(append(append([]byte{}, server.cert...), nextServer.cert...), nextClient)
			front.swap(nextServer, nextClient)
			front.cut()
		}
		if err := d.send(`{"n":%d}`, n); err != nil {
			t.Fatal(err)
		}
	}
	reads(t, stack.Platform, "late-1", "n", fmt.Sprint(messages-1))
	inOrder(t, stack.Platform)
	if again := logLines(connector, "event=platform-connected"); again < 4 { // two sockets, twice
		t.Errorf("connected to the platform %d times: were the connections opened again?", again)
	}
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}
