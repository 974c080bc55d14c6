package platform

import (
	"context"
	"errors"
	"fmt"

	"azx/alwayson"
	"azx/internal/fault"
)

// SignIn connects to the platform once, as a Link with this configuration would, and disconnects. The error is a
// fault.Problem for each URL that says what is in the way: of class Credential if the platform refuses the application key.
func SignIn(ctx context.Context, cfg LinkConfig) error {
	if len(cfg.URLs) == 0 {
		return errors.New("sign in to the platform: no URL")
	}
	var refused, failed error
	for _, url := range cfg.URLs {
		switch err := signInAt(ctx, cfg, url); {
		case err == nil:
			return nil
		case fault.ClassOf(err) == fault.Credential:
			refused = errors.Join(refused, err)
		default:
			failed = errors.Join(failed, err)
		}
	}
	return errors.Join(refused, failed)
}

func signInAt(ctx context.Context, cfg LinkConfig, url string) error {
	conn, err := alwayson.Dial(ctx, alwayson.DialConfig{
		URL: url, AppKey: cfg.AppKey, RenewTLS: cfg.TLS, NetDial: cfg.Dial, UserAgent: "azx",
	})
	if err == nil {
		if err = conn.Close(); err != nil {
			return fmt.Errorf("sign out of the platform: %w", err)
		}
		return nil
	}
	class := fault.Transient
	if alwayson.IsCredentialRefused(err) {
		class = fault.Credential
	}
	return &fault.Problem{Op: "sign in to the platform", Class: class, Cause: err, Hint: hintOfLink(err)}
}
