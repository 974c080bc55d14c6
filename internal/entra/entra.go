// Package entra signs in to Microsoft Entra ID: as a managed identity, by workload identity, or as a service principal
// whose secret or certificate may be replaced while the process runs.
package entra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

// Kind is how the connector proves who it is.
type Kind string

// The kinds. There is no chain that tries one after the other: what signs in should not depend on what happens to be there.
const (
	Managed     Kind = "managed"     // the identity of the Azure machine, or of an Arc server
	Workload    Kind = "workload"    // a token of Kubernetes, or of another issuer that is federated
	Secret      Kind = "secret"      // a service principal's client secret
	Certificate Kind = "certificate" // a service principal's certificate
)

// Options say who signs in. A field that its Kind does not need is ignored.
type Options struct {
	Kind     Kind
	Tenant   string // of Secret, Certificate; Workload: "" is the environment's AZURE_TENANT_ID
	ClientID string // of Secret, Certificate; Managed: "" is the system-assigned one; Workload: "" is AZURE_CLIENT_ID

	ClientSecret secret.Source // of Secret; read again for each token
	CertFile     string        // of Certificate: PEM, with the chain; read again for each token
	KeyFile      string        // of Certificate: PEM of the key; "" is CertFile
	TokenFile    string        // of Workload; "" is AZURE_FEDERATED_TOKEN_FILE

	// Authority is where to sign in, such as https://login.microsoftonline.us; "" is the public cloud's.
	Authority string
	// Dial opens connections to it; nil: directly. A managed identity's endpoint is on or beside the machine, and no
	// proxy leads there.
	Dial dial.Func
	// TLS is asked at each handshake; nil: the system's roots.
	TLS func() (*tls.Config, error)
	// Refused hears that what replaced a secret or a certificate is not accepted, while the former one still is; nil:
	// nobody does. It must not block.
	Refused func(error)
}

// Credential gives tokens. It implements azcore.TokenCredential; its methods may be called from any goroutine. Errors are
// fault.Problems and never show a secret.
type Credential struct {
	o    Options
	http *http.Client

	mu     sync.Mutex
	good   *login // the last one that gave a token
	latest *login // made of what the files have, which may not have been tried
}

// New makes a Credential; it does not sign in yet. The error says what is missing, or that a file cannot be used.
func New(o Options) (*Credential, error) {
	if o.Refused == nil {
		o.Refused = func(error) {}
	}
	c := &Credential{o: o, http: &http.Client{Transport: dial.HTTP(o.Dial, o.TLS, "identity.authority")}}
	if o.Kind == Managed {
		c.http = &http.Client{Transport: dial.HTTP(nil, nil, "identity.authority")}
	}
	_, err := c.current()
	return c, err
}

// Kind is how the connector proves who it is.
func (c *Credential) Kind() Kind { return c.o.Kind }

// Close drops idle connections.
func (c *Credential) Close() { c.http.CloseIdleConnections() }

// GetToken is azcore.TokenCredential's. A token is used as long as it is good; then a new one is asked for with the
// secret or certificate that is in place by then. If that is refused and the former one is not, the former one counts.
func (c *Credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	latest, err := c.current()
	if err != nil && latest == nil {
		return azcore.AccessToken{}, err
	}
	token, err := c.ask(ctx, latest, o)
	if err == nil {
		c.accept(latest)
		return token, nil
	}
	former := c.former(latest)
	if former == nil || fault.ClassOf(err) != fault.Credential {
		return azcore.AccessToken{}, err
	}
	if token, again := c.ask(ctx, former, o); again == nil {
		c.o.Refused(err)
		return token, nil
	}
	return azcore.AccessToken{}, err
}

// Token is a token for one scope, such as https://vault.azure.net/.default, and until when it is good.
func (c *Credential) Token(ctx context.Context, scope string) (secret.Secret, time.Time, error) {
	token, err := c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	return secret.New(token.Token), token.ExpiresOn, err
}

func (c *Credential) accept(l *login) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.good = l
}

// former is what was accepted last, if it is not l.
func (c *Credential) former(l *login) *login {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good == l {
		return nil
	}
	return c.good
}

// current is the login with what is in the files now. With one that cannot be used at the moment, the latest that
// could is returned beside the error; nil if there was none.
func (c *Credential) current() (*login, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.o.read()
	if err == nil && c.latest != nil && c.latest.digest == m.digest() {
		return c.latest, nil
	}
	var fresh *login
	if err == nil {
		fresh, err = c.login(m)
	}
	if err != nil {
		return c.latest, &fault.Problem{Op: "set up the identity (" + string(c.o.Kind) + ")", Class: fault.Credential, Cause: err, Hint: c.o.hint()}
	}
	c.latest = fresh
	return fresh, nil
}

// ask gets a token by one login.
func (c *Credential) ask(ctx context.Context, l *login, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	seen := &hop{}
	token, err := l.GetToken(context.WithValue(ctx, hopKey{}, seen), o)
	switch {
	case err == nil:
		return token, nil
	case ctx.Err() != nil:
		return azcore.AccessToken{}, fmt.Errorf("sign in to Entra ID: %w", ctx.Err())
	}
	return azcore.AccessToken{}, c.problem(seen, l, err)
}

var errKind = errors.New("the kind of the identity is managed, workload, secret or certificate")
