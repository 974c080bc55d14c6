package dial_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"azx/internal/dial"
)

const testHost = "plant1.azure-devices.net"

// certificate is one for the hub's name, made once; it is its own root, and a client's.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{testHost}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
})

// state is what a port does with those who come.
type state int

const (
	takes    state = iota // takes the connection, and speaks TLS
	refuses               // refuses it
	drops                 // says nothing at all
	hangsUp               // takes it, and ends it in the handshake
	stranger              // takes it with another's certificate
	deaf                  // takes it, and no WebSocket
)

// hub is a hub whose ports do as a test says. Its connections are in memory, so that time in a test may be synthetic.
type hub struct {
	amqps, https state
	dialled      []string

	serving sync.WaitGroup
	conns   []net.Conn
}

// dial is a dial.Func.
func (h *hub) dial(ctx context.Context, _, address string) (net.Conn, error) {
	h.dialled = append(h.dialled, address)
	_, port, _ := net.SplitHostPort(address)
	does := h.amqps
	if port == "443" {
		does = h.https
	}
	switch does {
	case refuses:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case drops:
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	near, far := net.Pipe()
	h.conns = append(h.conns, near, far)
	h.serving.Go(func() { serve(far, does, port) })
	return near, nil
}

// serve says after the handshakes over what a client came.
func serve(conn net.Conn, does state, port string) {
	defer conn.Close()
	if does == hangsUp {
		_, _ = conn.Read(make([]byte, 4096)) // the whole hello
		return
	}
	pair, _ := certificate()
	secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
	if secured.Handshake() != nil {
		return
	}
	if port != "443" {
		_, _ = io.WriteString(secured, "amqp")
		return
	}
	if does == deaf {
		_, _ = secured.Read(make([]byte, 4096))
		_, _ = io.WriteString(secured, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		return
	}
	up := ws.Upgrader{
		Protocol:  func(p []byte) bool { return string(p) == "AMQPWSB10" },
		OnRequest: func(uri []byte) error { return must(string(uri), dial.PathHub) },
	}
	if _, err := up.Upgrade(secured); err == nil {
		_ = ws.WriteFrame(secured, ws.NewBinaryFrame([]byte("websocket")))
		_, _ = ws.ReadFrame(secured) // the goodbye
	}
}

func must(got, want string) error {
	if got != want {
		return ws.RejectConnectionError(ws.RejectionStatus(http.StatusNotFound))
	}
	return nil
}

// close ends what is open and waits.
func (h *hub) close() {
	for _, conn := range h.conns {
		_ = conn.Close()
	}
	h.serving.Wait()
}

// network is how the hub is reached.
func (h *hub) network(transport dial.Transport) *dial.Network {
	_, roots := certificate()
	return &dial.Network{Transport: transport, Dial: h.dial, TLS: func() (*tls.Config, error) {
		if h.amqps == stranger || h.https == stranger {
			roots = nil
		}
		return &tls.Config{RootCAs: roots}, nil
	}}
}

// over connects and returns over what, in the server's word.
func over(t *testing.T, n *dial.Network) (string, error) {
	t.Helper()
	conn, err := n.Connect(t.Context(), dial.Target{Host: testHost, Path: dial.PathHub})
	if err != nil {
		return "", err
	}
	p := make([]byte, 16)
	got, err := conn.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	_ = conn.Close()
	return string(p[:got]), nil
}
