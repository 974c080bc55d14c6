package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"go.uber.org/goleak"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a vault whose name the certificate of httptest has.
const host = "plant.example.com"

// who signs in; err is why not.
type who struct{ err error }

// GetToken is azcore.TokenCredential's.
func (w who) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token for " + strings.Join(o.Scopes, " "), ExpiresOn: time.Now().Add(time.Hour)}, w.err
}

// fake is a vault: it says where to sign in, and then gives its secret or an error.
type fake struct {
	resource string // that its challenge names
	value    string
	status   int
	code     string
}

// ServeHTTP is http.Handler's.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Header.Get("Authorization") != "Bearer token for "+f.resource+"/.default":
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/tenant", resource="`+f.resource+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	case f.status != 0:
		w.WriteHeader(f.status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"canary-of-the-answer"}}`, f.code)
	default:
		fmt.Fprintf(w, `{"value":%q,"id":"https://%s/secrets/app-key/1"}`, f.value, host)
	}
}

// reader reads from the fake, whatever host is dialled.
func reader(t *testing.T, f *fake, as who) *Reader {
	t.Helper()
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	to := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	trust := func() (*tls.Config, error) { return server.Client().Transport.(*http.Transport).TLSClientConfig, nil }
	r := New(as, dial.HTTP(to, trust, "${keyvault:...}"))
	t.Cleanup(r.Close)
	return r
}

func TestTheNewestVersionOfASecretIsRead(t *testing.T) {
	f := &fake{resource: "https://example.com", value: "first"}
	r := reader(t, f, who{})
	for _, want := range []string{"first", "second"} {
		f.value = want
		got, err := r.Read(t.Context(), secret.InVault{Vault: host, Name: "app-key"})
		if err != nil || got.Reveal() != want {
			t.Errorf("want %s, got an error %v", want, err)
		}
	}
}

func TestAReasonIsGivenWhyThereIsNoSecret(t *testing.T) {
	refused := &fault.Problem{Op: "sign in", Class: fault.Credential, Cause: errors.New("no identity"), Hint: "turn it on"}
	for name, c := range map[string]struct {
		fake  fake
		as    who
		class fault.Class
		error string
		hint  string
	}{
		"no role":          {fake{status: 403, code: "Forbidden"}, who{}, fault.Credential, "403 Forbidden", "Key Vault Secrets User"},
		"no such secret":   {fake{status: 404, code: "SecretNotFound"}, who{}, fault.Credential, "404 SecretNotFound", "az keyvault secret list --vault-name " + host},
		"an empty one":     {fake{}, who{}, fault.Credential, "it is empty", ""},
		"no identity":      {fake{}, who{refused}, fault.Credential, "sign in: no identity", "turn it on"},
		"another resource": {fake{resource: "https://evil.test"}, who{}, fault.Transient, "challenge resource", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.fake.resource == "" {
				c.fake.resource = "https://example.com"
			}
			_, err := reader(t, &c.fake, c.as).Read(t.Context(), secret.InVault{Vault: host, Name: "app-key"})
			if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.error) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%s: %v; %s", fault.ClassOf(err), err, fault.HintOf(err))
			}
			if strings.Contains(fmt.Sprint(err, fault.HintOf(err)), "canary") || !strings.HasPrefix(err.Error(), "read the secret app-key of the vault "+host) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAStopEndsTheReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reader(t, &fake{}, who{}).Read(ctx, secret.InVault{Vault: "plant", Name: "app-key"}); !errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), "plant.vault.azure.net") {
		t.Errorf("got %v", err)
	}
}
