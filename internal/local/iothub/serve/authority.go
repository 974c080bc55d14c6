package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"azx/internal/folder"
	"azx/internal/local/iothub"
)

const (
	caFile    = "ca.pem"
	caKeyFile = "ca-key.pem"
	caLife    = 10 * 365 * 24 * time.Hour
	leafLife  = 90 * 24 * time.Hour
)

// authority is the hub's own certificate authority, and the server certificate it signed for the hub's names. The
// authority is kept, so that clients have to be told once; the server certificate is made at each start and again
// when a third of its life is left or the hub has failed over.
type authority struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	pem   []byte
	names func() iothub.Names
	clock func() time.Time
	life  time.Duration // of server certificates; negative: over before they begin to be used

	mu        sync.Mutex
	leaf      *tls.Certificate
	leafNames iothub.Names
}

// openAuthority loads the authority from dir, or makes one there. An empty dir keeps it in memory.
func openAuthority(dir string, names func() iothub.Names, clock func() time.Time, life time.Duration) (*authority, error) {
	a := &authority{names: names, clock: clock, life: life}
	if dir != "" {
		err := a.load(dir)
		if err == nil && clock().Add(leafLife).Before(a.cert.NotAfter) {
			return a, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open certificate authority: %w; remove %s and %s to make a new one", err,
				filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile))
		}
	}
	if err := a.create(); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	if dir == "" {
		return a, nil
	}
	if err := a.save(dir); err != nil {
		return nil, fmt.Errorf("save certificate authority: %w", err)
	}
	return a, nil
}

// tlsConfig is the server side of the hub's TLS ports.
func (a *authority) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.certificate() },
	}
}

// certificate returns the server certificate, a new one when the old one nears its end.
func (a *authority) certificate() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, names := a.clock(), a.names()
	if a.leaf != nil && a.leafNames == names && now.Add(a.life/3).Before(a.leaf.Leaf.NotAfter) {
		return a.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	hosts := slices.Compact(slices.Sorted(slices.Values([]string{"localhost", names.Host, names.Namespace})))
	hosts = slices.DeleteFunc(hosts, func(host string) bool { return net.ParseIP(host) != nil })
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(names.Host); ip != nil {
		addresses = append(addresses, ip)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names.Host},
		DNSNames:    hosts,
		IPAddresses: addresses,
		NotBefore:   now.Add(min(a.life, 0) - time.Hour),
		NotAfter:    now.Add(a.life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := sign(template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a.leafNames = names
	a.leaf = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}
	return a.leaf, nil
}

func (a *authority) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.clock()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "azx local hub, certificates of this machine only"},
		NotBefore:             now.Add(-7 * 24 * time.Hour), // before that of any server certificate
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	a.key = key
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.cert, err = x509.ParseCertificate(der)
	return err
}

func (a *authority) load(dir string) error {
	certText, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		return err
	}
	keyText, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return errors.New("not a certificate authority made by azx")
	}
	a.cert, a.key, a.pem = pair.Leaf, key, certText
	return nil
}

func (a *authority) save(dir string) error {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := folder.Replace(filepath.Join(dir, caKeyFile), keyText); err != nil {
		return err
	}
	return folder.Replace(filepath.Join(dir, caFile), a.pem)
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	return x509.CreateCertificate(rand.Reader, template, parent, public, key)
}
