// Package vault reads secrets of Azure Key Vaults.
package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

// Scope is what a token for vaults in the public cloud is for.
const Scope = "https://vault.azure.net/.default"

const (
	suffix     = ".vault.azure.net" // of a vault that is given by its name alone
	retries    = 2                  // who reads tries again himself
	retryMin   = 500 * time.Millisecond
	maxSecret  = 25 << 10 // bytes, as a vault allows (read)
	hintRole   = "the identity needs the role Key Vault Secrets User at the vault (or, in a vault with access policies, the permission Get for secrets); a firewall of the vault has to let this machine in"
	hintSecret = "is it spelt as in: az keyvault secret list --vault-name "
)

// Reader reads secrets with an identity. Its methods may be called from any goroutine.
type Reader struct {
	who  azcore.TokenCredential
	http *http.Client
}

// New makes a Reader. Connections go the way that the transport has; see dial.HTTP.
func New(who azcore.TokenCredential, transport *http.Transport) *Reader {
	return &Reader{who, &http.Client{Transport: transport}}
}

// Close drops idle connections.
func (r *Reader) Close() { r.http.CloseIdleConnections() }

// Transport goes to vaults: see dial.HTTP.
func Transport(open dial.Func, files dial.Files) *http.Transport {
	return dial.HTTP(open, files.Config, "${keyvault:...}")
}

// Read reads the newest version of a secret. Errors are fault.Problems and never show it.
func (r *Reader) Read(ctx context.Context, from secret.InVault) (secret.Secret, error) {
	host := from.Vault
	if !strings.Contains(host, ".") {
		host += suffix
	}
	op := "read the secret " + from.Name + " of the vault " + host
	client, err := azsecrets.NewClient("https://"+host, r.who, &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: r.http,
		Retry:     policy.RetryOptions{MaxRetries: retries, RetryDelay: retryMin, MaxRetryDelay: 10 * retryMin},
		Telemetry: policy.TelemetryOptions{ApplicationID: "azx"},
	}})
	if err != nil {
		return secret.Secret{}, &fault.Problem{Op: op, Class: fault.Fatal, Cause: err}
	}
	got, err := client.GetSecret(ctx, from.Name, "", nil)
	switch {
	case err != nil:
		return secret.Secret{}, problem(ctx, op, from, err)
	case got.Value == nil || *got.Value == "":
		return secret.Secret{}, &fault.Problem{Op: op, Class: fault.Credential, Cause: errors.New("it is empty")}
	case len(*got.Value) > maxSecret:
		return secret.Secret{}, &fault.Problem{Op: op, Class: fault.Credential, Cause: fmt.Errorf("it has more than %d bytes", maxSecret)}
	}
	return secret.New(*got.Value), nil
}

func problem(ctx context.Context, op string, from secret.InVault, err error) error {
	var known *fault.Problem
	var answer *azcore.ResponseError
	p := &fault.Problem{Op: op, Class: fault.Transient}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", op, ctx.Err())
	case errors.As(err, &known): // of the way there, or of the sign-in
		p.Class, p.Cause, p.Hint = known.Class, known, fault.HintOf(known)
		return p
	case !errors.As(err, &answer):
		p.Cause, p.Hint = err, "is the vault reachable from here at port 443? see proxy"
		return p
	}
	p.Cause = fmt.Errorf("%d %s", answer.StatusCode, answer.ErrorCode)
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		p.Class, p.Hint = fault.Credential, hintRole
		if strings.Contains(answer.Error(), "disabled") {
			p.Hint = "the secret, or the version that is the newest, is disabled or has expired"
		}
	case http.StatusNotFound:
		p.Class, p.Hint = fault.Credential, hintSecret+from.Vault
	}
	return p
}
