package badinput

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"azx/internal/secret"
	"azx/internal/supervise"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	a := authority{t: t}
	own := certificate("an authority of the test", 0, time.Hour)
	own.IsCA, own.BasicConstraintsValid, own.KeyUsage = true, true, x509.KeyUsageCertSign
	pair := a.sign(own)
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// certificate is for one name, valid from and to so long from now.
func certificate(name string, from, to time.Duration) *x509.Certificate {
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(from - time.Minute),
		NotAfter:     now.Add(to),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	return c
}

// sign makes a key and a certificate for it; the certificate signs itself while the authority has none.
func (a authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// file writes the authority's certificate as caFile has it.
func (a authority) file() string {
	a.t.Helper()
	name := filepath.Join(a.t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return name
}

// serveTLS listens with a certificate; nobody gets beyond the handshake.
func serveTLS(t testing.TB, with tls.Certificate) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{with}})
	if err != nil {
		t.Fatal(err)
	}
	group := supervise.New(context.Background())
	group.Go("accept", func(context.Context) error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return nil // closed at the end of the test
			}
			group.Go("handshake", func(context.Context) error {
				_ = conn.SetDeadline(time.Now().Add(patience))
				_ = conn.(*tls.Conn).Handshake() // the client hangs up
				return conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		if err := group.Wait(); err != nil {
			t.Log(err) // what the client left behind
		}
	})
	return l.Addr().String()
}

func TestACertificateThatIsNotRightIsToldWithItsCauseAndWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	caFile := ours.file()
	for _, c := range []struct {
		name   string
		signed authority
		cert   func(host string) *x509.Certificate
		cause  string
		hint   string
	}{
		{"expired", ours, func(host string) *x509.Certificate { return certificate(host, -time.Hour, -time.Minute) }, "has expired or is not yet valid", "clock"},
		{"not yet valid", ours, func(host string) *x509.Certificate { return certificate(host, time.Hour, 2*time.Hour) }, "has expired or is not yet valid", "clock"},
		{"for another host", ours, func(string) *x509.Certificate { return certificate("other.example", 0, time.Hour) }, "certificate is valid for other.example, not ", "another server answers"},
		{"signed by an unknown authority", theirs, func(host string) *x509.Certificate { return certificate(host, 0, time.Hour) }, "unknown authority", "caFile"},
		{"signed by itself", authority{t: t}, func(host string) *x509.Certificate { return certificate(host, 0, time.Hour) }, "unknown authority", "signed by itself"},
	} {
		t.Run("of the hub, "+c.name, func(t *testing.T) {
			t.Parallel()
			cfg, log := s.configIn(t, t.TempDir()), newBook(t)
			cfg.Hubs[0].CAFile = caFile
			cfg.Hubs[0].Endpoints.AMQPS = serveTLS(t, c.signed.sign(c.cert("plant1.azure-devices.net")))
			connector := runConnector(t, cfg, log)
			log.until(t, "event=hub-unreachable", "tls: failed to verify certificate", c.cause, "hint=", c.hint)
			connector.untilPage(t, "/readyz", 503, "hub open", c.cause)
			connector.stop(t)
		})
		t.Run("of the platform, "+c.name, func(t *testing.T) {
			t.Parallel()
			cfg, log := s.configIn(t, t.TempDir()), newBook(t)
			cfg.Hubs[0].Endpoints.AMQPS = freeAddress(t) // without a hub
			cfg.Platform.CAFile = caFile
			_, port, err := net.SplitHostPort(serveTLS(t, c.signed.sign(c.cert("localhost"))))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Platform.URLs = []string{"wss://localhost:" + port + "/Thingworx/WS"}
			cfg.Platform.AppKey = secret.Literal(s.platform.Info.AppKey)
			connector := runConnector(t, cfg, log)
			log.until(t, "event=platform-unreachable", "tls: failed to verify certificate", c.cause, "hint=", c.hint)
			connector.untilPage(t, "/readyz", 503, "platform connected", c.cause)
			connector.stop(t)
		})
	}
}
