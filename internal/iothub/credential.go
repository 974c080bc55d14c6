package iothub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/fault"
	"azx/internal/secret"
)

const (
	tokenLife    = time.Hour        // of the tokens signed here
	renewedAt    = 0.8              // share of a token's life after which there is a new one
	renewalPause = 30 * time.Second // between tries to renew a token that still holds
)

// Token is a credential for a while.
type Token struct {
	Text    secret.Secret
	Expires time.Time
}

// TokenSource gives bearer tokens for https://iothubs.azure.net (read: authenticate-authorize-azure-ad.md).
type TokenSource interface {
	// Token returns a token that holds for some minutes at least. Its errors must not show one.
	Token(ctx context.Context) (Token, error)
}

// credential keeps a token and renews it before it expires.
type credential struct {
	fetch  func(ctx context.Context) (Token, error)
	prefix string        // in front of a token
	turn   chan struct{} // held while the fields below are used, also during a fetch

	current Token
	renew   time.Time
}

func newCredential(o Options) *credential {
	c := &credential{turn: make(chan struct{}, 1)}
	if o.Bearer != nil {
		c.fetch, c.prefix = o.Bearer.Token, "Bearer "
		return c
	}
	c.fetch = func(context.Context) (Token, error) {
		service, err := o.Current()
		if err != nil {
			return Token{}, err
		}
		if service.Host != o.Service.Host {
			return Token{}, fmt.Errorf("the key is for %s, and the connection is to %s", service.Host, o.Service.Host)
		}
		expires := time.Now().Add(tokenLife)
		return Token{Text: service.Token(service.Host, expires), Expires: expires}, nil
	}
	return c
}

// token returns what authorizes a call, and when there will be a newer one.
func (c *credential) token(ctx context.Context) (text secret.Secret, renew time.Time, err error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return secret.Secret{}, time.Time{}, ctx.Err()
	}
	defer func() { <-c.turn }()
	now := time.Now()
	if now.Before(c.renew) {
		return c.current.Text, c.renew, nil
	}
	fresh, err := c.fetch(ctx)
	switch {
	case err == nil && fresh.Expires.After(now):
		c.current = Token{Text: secret.New(c.prefix + fresh.Text.Reveal()), Expires: fresh.Expires}
		c.renew = now.Add(time.Duration(renewedAt * float64(fresh.Expires.Sub(now))))
	case now.Add(renewalPause).Before(c.current.Expires):
		c.renew = now.Add(renewalPause) // the old one still does
	case err == nil:
		return secret.Secret{}, time.Time{}, tokenProblem(errors.New("the token has already expired"))
	default:
		return secret.Secret{}, time.Time{}, tokenProblem(err)
	}
	return c.current.Text, c.renew, nil
}

// tokenProblem keeps the class of a source that has one: a service that does not answer is no wrong credential.
func tokenProblem(err error) error {
	if errors.As(err, new(*fault.Problem)) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &fault.Problem{Op: "get a token for the hub", Class: fault.Credential, Cause: err}
}

// outdate makes the next call get a new token; the old one is used on if there is none.
func (c *credential) outdate() {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.renew = time.Time{}
}

// forget drops a token that the hub did not accept: the next call gets a new one.
func (c *credential) forget(refused secret.Secret) {
	select {
	case c.turn <- struct{}{}:
	default:
		return // it is being renewed
	}
	defer func() { <-c.turn }()
	if c.current.Text.Reveal() == refused.Reveal() {
		c.current, c.renew = Token{}, time.Time{}
	}
}
