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
	"azx/internal/vault"
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

// outside is how other systems are reached, and as whom.
type outside struct {
	dialer   *dial.Dialer
	identity *entra.Credential // nil if the file names none
	vault    *vault.Reader     // nil without an identity
}

// openOutside makes it; nothing is asked of anybody yet.
func openOutside(cfg *config.Config, log *slog.Logger) (o outside, err error) {
	if o.dialer, err = openDialer(cfg); err != nil {
		return o, err
	}
	if o.identity, err = openIdentity(cfg, o.dialer, log); err != nil || o.identity == nil {
		return o, err
	}
	files, err := checked(dial.Files{CA: cfg.Identity.CAFile})
	o.vault = vault.New(o.identity, vault.Transport(o.dialer.DialContext, files))
	return o, err
}

// openOutside keeps it for the connector.
func (c *connector) openOutside() (err error) {
	c.outside, err = openOutside(c.Config, c.Log)
	return err
}

// openOutsideNow makes it and reads what the file refers to in vaults, for verbs of a person.
func openOutsideNow(ctx context.Context, cfg *config.Config, log *slog.Logger) (outside, error) {
	o, err := openOutside(cfg, log)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, vaultWithin)
		defer cancel()
		_, err = o.readVaults(ctx, cfg)
	}
	return o, err
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

// identitySignsIn is a check of the doctor: it asks for a token, for the hub or else for vaults.
func (d *doctor) identitySignsIn(ctx context.Context) (string, error) {
	if d.identity == nil {
		return "none is named: keys alone", nil
	}
	scope := vault.Scope
	for i := range d.Config.Hubs {
		if host := d.Config.Hubs[i].HostName; host != "" {
			scope = iothub.Scope(host)
		}
	}
	_, until, err := d.identity.Token(ctx, scope)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s signs in; its token is good until %s", d.identity.Kind(), until.UTC().Format(time.RFC3339)), nil
}

// vaultsRead is a check of the doctor.
func (d *doctor) vaultsRead(ctx context.Context) (string, error) {
	n := 0
	for _, secrets := range d.Config.Vaults() {
		n += len(secrets.References())
	}
	if n == 0 {
		return "no secret is in one", nil
	}
	_, err := d.readVaults(ctx, d.Config)
	return fmt.Sprintf("%d secrets are read", n), err
}
