package entra

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"go.uber.org/goleak"

	"azx/internal/fault"
	tenants "azx/internal/local/entra"
	"azx/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenantID = "11111111-2222-3333-4444-555555555555"
	clientID = "aaaaaaaa-2222-3333-4444-555555555555"
	objectID = "bbbbbbbb-2222-3333-4444-555555555555"
	scope    = "https://iothubs.azure.net/.default"
)

// site is a tenant that listens, and who signs in there.
type site struct {
	*tenants.Tenant
	server *httptest.Server
	dir    string
}

func newSite(t *testing.T) *site {
	t.Helper()
	tenant, err := tenants.New(tenantID)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(tenant)
	t.Cleanup(server.Close)
	return &site{tenant, server, t.TempDir()}
}

// options lead to the tenant.
func (s *site) options(kind Kind) Options {
	return Options{
		Kind: kind, Tenant: tenantID, ClientID: clientID, Authority: s.server.URL,
		TLS: func() (*tls.Config, error) {
			return s.server.Client().Transport.(*http.Transport).TLSClientConfig, nil
		},
	}
}

func (s *site) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bySecret is a service principal with a secret in a file.
func (s *site) bySecret(t *testing.T, text string) Options {
	t.Helper()
	o := s.options(Secret)
	var err error
	o.ClientSecret, err = secret.Parse("${file:"+s.write(t, "secret", text)+"}", "")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func open(t *testing.T, o Options) *Credential {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// token asks for one; those for another scope are not in memory.
func token(t *testing.T, c *Credential, scope string) (string, error) {
	t.Helper()
	got, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	if err == nil && time.Until(got.ExpiresOn) < 30*time.Minute {
		t.Errorf("the token is good until %s", got.ExpiresOn)
	}
	return got.Token, err
}

// newCertificate makes a certificate and its key, as one PEM text each.
func newCertificate(t *testing.T) (c *x509.Certificate, certs, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "azx"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	_ = pem.Encode(&a, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return c, a.String(), b.String()
}

func TestEachKindSignsIn(t *testing.T) {
	for name, setUp := range map[string]func(*testing.T, *site) Options{
		"with a secret": func(t *testing.T, s *site) Options {
			s.Register(tenants.App{ClientID: clientID, ObjectID: objectID, Secret: "first"})
			return s.bySecret(t, "first\n")
		},
		"with a certificate and its key in another file": func(t *testing.T, s *site) Options {
			cert, certs, key := newCertificate(t)
			s.Register(tenants.App{ClientID: clientID, ObjectID: objectID, Certificate: cert})
			o := s.options(Certificate)
			o.CertFile, o.KeyFile = s.write(t, "cert.pem", certs), s.write(t, "key.pem", key)
			return o
		},
		"with a certificate and its key in one file": func(t *testing.T, s *site) Options {
			cert, certs, key := newCertificate(t)
			s.Register(tenants.App{ClientID: clientID, ObjectID: objectID, Certificate: cert})
			o := s.options(Certificate)
			o.CertFile = s.write(t, "cert.pem", key+certs)
			return o
		},
		"by a token of Kubernetes": func(t *testing.T, s *site) Options {
			s.Register(tenants.App{ClientID: clientID, ObjectID: objectID, Federated: "kubernetes"})
			o := s.options(Workload)
			o.TokenFile = s.write(t, "token", "kubernetes")
			return o
		},
		"by a token of Kubernetes that the environment names": func(t *testing.T, s *site) Options {
			s.Register(tenants.App{ClientID: clientID, ObjectID: objectID, Federated: "kubernetes"})
			t.Setenv("AZURE_CLIENT_ID", clientID)
			t.Setenv("AZURE_TENANT_ID", tenantID)
			t.Setenv("AZURE_FEDERATED_TOKEN_FILE", s.write(t, "token", "kubernetes"))
			o := s.options(Workload)
			o.ClientID, o.Tenant = "", ""
			return o
		},
		"as the machine": func(t *testing.T, s *site) Options {
			s.Register(tenants.App{ClientID: "system", ObjectID: objectID})
			s.machine(t)
			return Options{Kind: Managed}
		},
		"as the machine, with an identity that was assigned to it": func(t *testing.T, s *site) Options {
			s.Register(tenants.App{ClientID: clientID, ObjectID: objectID})
			s.machine(t)
			return Options{Kind: Managed, ClientID: clientID}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, setUp(t, newSite(t)))
			first, err := token(t, c, scope)
			if err != nil {
				t.Fatalf("%v; %s", err, fault.HintOf(err))
			}
			if again, err := token(t, c, scope); again != first || err != nil {
				t.Errorf("a token that is good is not used again: %v", err)
			}
		})
	}
}

// machine gives this process the endpoint of a managed identity.
func (s *site) machine(t *testing.T) {
	plain := httptest.NewServer(s.Tenant)
	t.Cleanup(plain.Close)
	t.Setenv("IDENTITY_ENDPOINT", plain.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", "x")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // it does not lead there
}

func TestASecretThatIsReplacedIsUsedForTheNextToken(t *testing.T) {
	s := newSite(t)
	s.Register(tenants.App{ClientID: clientID, Secret: "first"})
	o := s.bySecret(t, "first")
	c := open(t, o)
	if _, err := token(t, c, scope); err != nil {
		t.Fatal(err)
	}
	s.Register(tenants.App{ClientID: clientID, Secret: "second"})
	s.write(t, "secret", "second")
	if _, err := token(t, c, "https://vault.azure.net/.default"); err != nil {
		t.Errorf("after the file was replaced: %v", err)
	}
	if n := s.Tokens(clientID); n != 2 {
		t.Errorf("%d tokens", n)
	}
}

func TestACertificateThatIsReplacedIsUsedForTheNextToken(t *testing.T) {
	s := newSite(t)
	cert, certs, key := newCertificate(t)
	s.Register(tenants.App{ClientID: clientID, Certificate: cert})
	o := s.options(Certificate)
	o.CertFile, o.KeyFile = s.write(t, "cert.pem", certs), s.write(t, "key.pem", key)
	c := open(t, o)
	if _, err := token(t, c, scope); err != nil {
		t.Fatal(err)
	}
	cert, certs, key = newCertificate(t)
	s.write(t, "cert.pem", certs) // its key is not there yet
	if _, err := token(t, c, "https://half.example/.default"); err != nil {
		t.Errorf("with half of the new certificate the old one is not used: %v", err)
	}
	s.write(t, "key.pem", key)
	s.Register(tenants.App{ClientID: clientID, Certificate: cert})
	if _, err := token(t, c, "https://whole.example/.default"); err != nil {
		t.Errorf("after both files were replaced: %v", err)
	}
}

func TestTheFormerSecretCountsWhileTheNewOneIsRefused(t *testing.T) {
	s := newSite(t)
	s.Register(tenants.App{ClientID: clientID, Secret: "first"})
	o := s.bySecret(t, "first")
	var told []error
	o.Refused = func(err error) { told = append(told, err) }
	c := open(t, o)
	if _, err := token(t, c, scope); err != nil {
		t.Fatal(err)
	}
	s.write(t, "secret", "canary-wrong")
	if _, err := token(t, c, "https://other.example/.default"); err != nil || len(told) != 1 {
		t.Fatalf("%v, told %v", err, told)
	}
	if text := told[0].Error() + fault.HintOf(told[0]); strings.Contains(text, "canary") || !strings.Contains(text, "AADSTS7000215") {
		t.Errorf("told %s", text)
	}
	if err := os.Remove(filepath.Join(s.dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := token(t, c, "https://third.example/.default"); err != nil {
		t.Errorf("without the file: %v", err)
	}
}

func TestARefusalSaysWhichIdentityAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *site, *Options)
		class  fault.Class
		error  string
		hint   string
	}{
		"a wrong secret": {func(t *testing.T, s *site, _ *Options) { s.write(t, "secret", "canary-wrong") },
			fault.Credential, "sign in to Entra ID (secret): 401 invalid_client: AADSTS7000215", "take its value, not its id"},
		"an application that is not there": {func(_ *testing.T, _ *site, o *Options) { o.ClientID = "cccccccc-2222-3333-4444-555555555555" },
			fault.Credential, "AADSTS700016", "is identity.tenant right?"},
		"a tenant that is not there": {func(_ *testing.T, _ *site, o *Options) { o.Tenant = "22222222-2222-3333-4444-555555555555" },
			fault.Credential, "sign in to Entra ID (secret): ", "tenant"},
		"a certificate that is not known there": {func(t *testing.T, s *site, o *Options) {
			_, certs, key := newCertificate(t)
			o.Kind, o.CertFile = Certificate, s.write(t, "cert.pem", certs+key)
		}, fault.Credential, "(certificate): 401 invalid_client: AADSTS700027", "upload it there"},
		"a server that is not trusted": {func(_ *testing.T, _ *site, o *Options) { o.TLS = nil },
			fault.Credential, "TLS with 127.0.0.1", "caFile"},
		"a place where nobody listens": {func(_ *testing.T, _ *site, o *Options) { o.Authority = "https://127.0.0.1:1" },
			fault.Transient, "reach 127.0.0.1:1", "reachable from here"},
		"a proxy that is not there": {func(_ *testing.T, _ *site, o *Options) {
			o.Dial = refusing
		}, fault.Transient, "connect to the proxy", "it is named by"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.Register(tenants.App{ClientID: clientID, Secret: "first"})
			o := s.bySecret(t, "first")
			c.change(t, s, &o)
			_, err := token(t, open(t, o), scope)
			if err == nil {
				t.Fatal("it got a token")
			}
			hint := fault.HintOf(err)
			if fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.error) || !strings.Contains(hint, c.hint) {
				t.Errorf("%s: %v; %s", fault.ClassOf(err), err, hint)
			}
			if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, hint); strings.Contains(text, "canary") || strings.Contains(err.Error(), "\n") {
				t.Errorf("it shows a secret or has many lines: %s", text)
			}
		})
	}
}

func refusing(context.Context, string, string) (net.Conn, error) {
	return nil, &fault.Problem{Op: "connect to the proxy 127.0.0.1:1", Class: fault.Transient, Cause: errors.New("refused"), Hint: "it is named by proxy"}
}

func TestWhatIsMissingIsSaidAtOnce(t *testing.T) {
	for name, o := range map[string]Options{
		"no kind":                        {},
		"no secret":                      {Kind: Secret, Tenant: tenantID, ClientID: clientID},
		"no certificate":                 {Kind: Certificate, Tenant: tenantID, ClientID: clientID, CertFile: "/nowhere"},
		"no token of a workload":         {Kind: Workload, Tenant: tenantID, ClientID: clientID},
		"a tenant that cannot be an id":  {Kind: Secret, Tenant: "a/b", ClientID: clientID, ClientSecret: secret.Literal("x")},
		"a place to sign in without TLS": {Kind: Secret, Tenant: tenantID, ClientID: clientID, ClientSecret: secret.Literal("x"), Authority: "http://login"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AZURE_FEDERATED_TOKEN_FILE", "")
			if err := os.Unsetenv("AZURE_FEDERATED_TOKEN_FILE"); err != nil {
				t.Fatal(err)
			}
			_, err := New(o)
			if fault.ClassOf(err) != fault.Credential || fault.HintOf(err) == "" {
				t.Errorf("%v; %s", err, fault.HintOf(err))
			}
		})
	}
}

func TestAStopEndsTheSignIn(t *testing.T) {
	s := newSite(t)
	s.Register(tenants.App{ClientID: clientID, Secret: "first"})
	c := open(t, s.bySecret(t, "first"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAMachineWithoutAnIdentitySaysSo(t *testing.T) {
	s := newSite(t)
	s.machine(t)
	// The library keeps the tokens of a machine's identity for the whole process.
	_, err := token(t, open(t, Options{Kind: Managed}), "https://nobody.example/.default")
	if err == nil || !strings.Contains(fault.HintOf(err), "system-assigned") || !strings.Contains(err.Error(), "(managed)") {
		t.Errorf("%v; %s", err, fault.HintOf(err))
	}
}
