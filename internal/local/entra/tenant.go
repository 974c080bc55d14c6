// Package entra is a tenant of Microsoft Entra ID as far as applications sign in to it, for tests of those that do: client
// secrets, certificates, federated tokens, and the endpoint of a managed identity. Its tokens are signed; the local hub can
// be told to take them.
package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tokenLife is that of a token, in seconds as the wire has it.
const tokenLife = 3599

// App is an application that may sign in.
type App struct {
	ClientID string
	ObjectID string // of its service principal: what roles are given to

	Secret      string            // "" for none
	Certificate *x509.Certificate // with an RSA key; nil for none
	Federated   string            // the text of a token that another issuer made; "" for none
}

// Tenant signs applications in. It is an http.Handler for the hosts of Entra ID and for a managed identity's endpoint. Its
// methods may be called from any goroutine.
type Tenant struct {
	id  string
	key *rsa.PrivateKey

	mu   sync.Mutex
	apps map[string]App // by client id
	seen map[string]int // tokens, by client id
}

// New makes a tenant with an id such as 11111111-2222-3333-4444-555555555555, without applications.
func New(id string) (*Tenant, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a tenant: %w", err)
	}
	return &Tenant{id: id, key: key, apps: map[string]App{}, seen: map[string]int{}}, nil
}

// Register makes an application known, in place of one with the same id.
func (t *Tenant) Register(a App) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.apps[a.ClientID] = a
}

// Tokens is how many tokens an application got.
func (t *Tenant) Tokens(clientID string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[clientID]
}

// PublicKey is the key that signs tokens, in PEM.
func (t *Tenant) PublicKey() string {
	der, err := x509.MarshalPKIXPublicKey(&t.key.PublicKey)
	if err != nil { // an RSA key has a form
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Issuer is what tokens have as their issuer.
func (t *Tenant) Issuer() string { return "https://sts.windows.net/" + t.id + "/" }

// ServeHTTP is http.Handler's.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := "https://" + r.Host + "/" + t.id
	switch path := r.URL.Path; {
	case path == "/common/discovery/instance":
		reply(w, http.StatusOK, map[string]any{
			"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration",
			"metadata": []any{map[string]any{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
				"aliases": []string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}}},
		})
	case path == "/msi/token":
		t.managed(w, r)
	case !strings.HasPrefix(path, "/"+t.id+"/"):
		refuse(w, http.StatusBadRequest, "invalid_tenant", "AADSTS90002: Tenant not found.")
	case strings.HasSuffix(path, "/v2.0/.well-known/openid-configuration"):
		reply(w, http.StatusOK, map[string]string{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		})
	case strings.HasSuffix(path, "/oauth2/v2.0/token") && r.Method == http.MethodPost:
		t.signIn(w, r)
	default:
		http.NotFound(w, r)
	}
}

// signIn is the grant of client credentials.
func (t *Tenant) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	t.mu.Lock()
	app, known := t.apps[r.PostForm.Get("client_id")]
	t.mu.Unlock()
	secret, assertion := r.PostForm.Get("client_secret"), r.PostForm.Get("client_assertion")
	audience, ok := strings.CutSuffix(strings.Fields(r.PostForm.Get("scope") + " -")[0], "/.default")
	switch {
	case !known:
		refuse(w, http.StatusBadRequest, "unauthorized_client", "AADSTS700016: Application was not found in the directory.")
	case r.PostForm.Get("grant_type") != "client_credentials" || !ok:
		refuse(w, http.StatusBadRequest, "invalid_request", "AADSTS900144: The request body needs client credentials and a scope.")
	case secret != "" && secret != app.Secret:
		// A real tenant does not send it back. One that did must not get it into a log.
		refuse(w, http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided: "+secret+".")
	case secret == "" && assertion == "":
		refuse(w, http.StatusUnauthorized, "invalid_client", "AADSTS7000218: The request body must contain client_assertion or client_secret.")
	case secret == "" && app.Federated != "" && assertion != app.Federated:
		refuse(w, http.StatusBadRequest, "invalid_client", "AADSTS700213: No matching federated identity record found.")
	case secret == "" && app.Federated == "" && !app.signed(assertion):
		refuse(w, http.StatusUnauthorized, "invalid_client", "AADSTS700027: The certificate used to sign the client assertion is not registered.")
	default:
		reply(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": tokenLife, "access_token": t.Token(app, audience, time.Now())})
	}
}

// managed is the endpoint that App Service and others give a machine: IDENTITY_ENDPOINT, with any IDENTITY_HEADER. Without a
// client id it speaks for the application "system".
func (t *Tenant) managed(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("client_id")
	if id == "" {
		id = "system"
	}
	t.mu.Lock()
	app, known := t.apps[id]
	t.mu.Unlock()
	if !known || r.Header.Get("X-IDENTITY-HEADER") == "" {
		refuse(w, http.StatusBadRequest, "invalid_request", "Identity not found")
		return
	}
	now := time.Now()
	reply(w, http.StatusOK, map[string]string{
		"access_token": t.Token(app, r.URL.Query().Get("resource"), now), "token_type": "Bearer", "resource": r.URL.Query().Get("resource"),
		"expires_on": fmt.Sprint(now.Add(tokenLife * time.Second).Unix()),
	})
}

// Token is an access token of an application for an audience such as https://iothubs.azure.net, made at a time.
func (t *Tenant) Token(app App, audience string, now time.Time) string {
	t.mu.Lock()
	t.seen[app.ClientID]++
	t.mu.Unlock()
	head := part(map[string]string{"typ": "JWT", "alg": "RS256"})
	body := part(map[string]any{
		"aud": audience, "iss": t.Issuer(), "tid": t.id, "appid": app.ClientID, "oid": app.ObjectID, "sub": app.ObjectID,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(tokenLife * time.Second).Unix(), "ver": "1.0", "uti": random(),
	})
	return head + "." + body + "." + sign(t.key, head+"."+body)
}

func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return hex.EncodeToString(b[:])
}

func part(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // texts and numbers have a form
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	reply(w, status, map[string]string{"error": code, "error_description": text + " Trace ID: 0000 Timestamp: 2026-01-01"})
}

func digestOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
