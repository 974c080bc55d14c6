package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/entra"
	"azx/internal/fault"
	"azx/internal/iothub"
)

// openIdentity makes who the connector is for Azure; nil if the file names nobody. Nothing is asked of anybody yet.
func openIdentity(cfg *config.Config, d *dial.Dialer, log *slog.Logger) (*entra.Credential, error) {
	i := &cfg.Identity
	if i.Kind == "" {
		return nil, nil
	}
	files, err := checked(dial.Files{CA: i.CAFile})
	if err != nil {
		return nil, err
	}
	who, err := entra.New(entra.Options{
		Kind: entra.Kind(i.Kind), Tenant: i.Tenant, ClientID: i.ClientID,
		ClientSecret: i.ClientSecret, CertFile: i.CertFile, KeyFile: i.KeyFile, TokenFile: i.TokenFile,
		Authority: i.Authority, Dial: d.DialContext, TLS: files.Config,
		Refused: func(err error) {
			log.Warn("what replaced the secret or certificate of the identity is not accepted; the former one still is",
				"event", "identity-refused", "error", err, "hint", fault.HintOf(err))
		},
	})
	if err != nil {
		return nil, &fault.Problem{Op: "open the identity", Class: fault.Fatal, Cause: err, Hint: fault.HintOf(err)}
	}
	return who, nil
}

// hubTokens gives tokens of the identity for the service side of a hub.
type hubTokens struct {
	who   *entra.Credential
	scope string
}

// Token is iothub.TokenSource's.
func (t hubTokens) Token(ctx context.Context) (iothub.Token, error) {
	text, until, err := t.who.Token(ctx, t.scope)
	return iothub.Token{Text: text, Expires: until.Add(-time.Minute)}, err // clocks differ
}

// identitySignsIn is a check of the doctor: it asks for a token for each hub that is signed in to with the identity.
func (d *doctor) identitySignsIn(ctx context.Context) (string, error) {
	if d.identity == nil {
		return "none is named: keys alone", nil
	}
	_, until, err := d.identity.Token(ctx, iothub.Scope(d.hub.HostName))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s signs in; its token is good until %s", d.identity.Kind(), until.UTC().Format(time.RFC3339)), nil
}
