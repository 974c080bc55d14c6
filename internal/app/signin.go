package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
	"azx/internal/supervise"
)

// signInWithin is how long a platform may take to let a person's verb in.
const signInWithin = 20 * time.Second

// signIn connects to the platform once, for verbs that do not wait for it. The connections belong to group.
func (c *connector) signIn(ctx context.Context, group *supervise.Group) error {
	if err := c.openLink(); err != nil {
		return err
	}
	group.Go("platform", c.link.Run)
	ctx, cancel := context.WithTimeout(ctx, signInWithin)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		h := c.link.Health()
		switch {
		case h.Ready():
			return nil
		case h.CredentialRefused:
			return &fault.Problem{Op: "sign in at the platform", Class: fault.Credential, Cause: h.Err,
				Hint: "platform.appKey: is it this platform's key, not expired, and its user enabled?"}
		case !errors.Is(h.Err, alwayson.ErrNotConnected):
			return &fault.Problem{Op: "connect to the platform", Cause: h.Err, Hint: fault.HintOf(h.Err)}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connect to the platform: %w", h.Err)
		case <-look.C:
		}
	}
}
