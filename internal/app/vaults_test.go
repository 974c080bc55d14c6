package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/secret"
	"azx/internal/vault"
)

// anybody signs in.
type anybody struct{}

// GetToken is azcore.TokenCredential's.
func (anybody) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// vaultWith is a vault that has one secret for all names; without a text it lets nobody in.
func vaultWith(t *testing.T, text *atomic.Pointer[string]) *vault.Reader {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := text.Load()
		switch {
		case r.Header.Get("Authorization") == "":
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/t", resource="https://example.com"`)
			w.WriteHeader(http.StatusUnauthorized)
		case now == nil:
			w.WriteHeader(http.StatusForbidden)
		default:
			fmt.Fprintf(w, `{"value":%q}`, *now)
		}
	}))
	t.Cleanup(server.Close)
	to := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	trust := func() (*tls.Config, error) { return server.Client().Transport.(*http.Transport).TLSClientConfig, nil }
	r := vault.New(anybody{}, dial.HTTP(to, trust, "keyvault"))
	t.Cleanup(r.Close)
	return r
}

// inVault is a configuration whose application key is in a vault.
func inVault(t *testing.T) *config.Config {
	t.Helper()
	key, err := secret.ParseWith(new(secret.Vaults), "${keyvault:plant.example.com/app-key}", "")
	if err != nil {
		t.Fatal(err)
	}
	return &config.Config{Name: "azx-1", Platform: config.Platform{AppKey: key}, Hubs: []config.Hub{{Thing: "Plant1Hub"}}}
}

func TestTheStartWaitsForTheVaultAndNewerVersionsCountLater(t *testing.T) {
	var text atomic.Pointer[string]
	var log bytes.Buffer
	put := func(value string) { text.Store(&value) }
	cfg := inVault(t)
	c := newConnector(Options{Config: cfg, Log: slog.New(slog.NewTextHandler(&log, nil))})
	c.vault = vaultWith(t, &text)

	refused, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.awaitVaults(refused); err == nil || !strings.Contains(c.health.checkStart().Error(), "403") {
		t.Errorf("it did not wait: %v, %v", err, c.health.checkStart())
	}
	if n := strings.Count(log.String(), "event=vault-unreachable"); n != 1 || !strings.Contains(log.String(), "Key Vault Secrets User") {
		t.Errorf("logged %s", log.String())
	}
	put("first")
	if err := c.awaitVaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	is := func(want string) {
		t.Helper()
		if got, err := cfg.Platform.AppKey.Value(); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	is("first")

	r := &reloader{connector: c, running: cfg}
	r.lookAtVaults(t.Context())
	if strings.Contains(log.String(), "vault-changed") {
		t.Error("the same version is told as another")
	}
	put("second")
	r.lookAtVaults(t.Context())
	is("second")
	text.Store(nil)
	r.lookAtVaults(t.Context())
	r.lookAtVaults(t.Context())
	is("second")
	if n := strings.Count(log.String(), "secrets of before stay"); n != 1 || strings.Count(log.String(), "event=vault-changed") != 1 {
		t.Errorf("logged %s", log.String())
	}
	if strings.Contains(log.String(), "first") || strings.Contains(log.String(), "=second") {
		t.Errorf("the log shows a secret: %s", log.String())
	}
}

func TestASecretOfAVaultNeedsTheIdentityOfTheStart(t *testing.T) {
	if _, err := (outside{}).readVaults(t.Context(), inVault(t)); err == nil || !strings.Contains(err.Error(), "at the next start") {
		t.Errorf("got %v", err)
	}
}
