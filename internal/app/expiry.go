package app

import (
	"context"
	"errors"
	"time"

	"azx/internal/diagnose"
	"azx/internal/fault"
)

const (
	expiryEvery = time.Hour          // between two questions when the application key expires
	expiryWarns = 7 * 24 * time.Hour // from when on it is told: a key that is made for a shorter time is told at once
)

// expiry is what is known of the application key's end. It belongs to the goroutine of the reloader.
type expiry struct {
	at   time.Time // the end that was told
	said error     // the last error that was told
}

// lookAtExpiry asks the platform when the application key expires, if the file has its name, and tells each end once.
func (r *reloader) lookAtExpiry(ctx context.Context) {
	name := r.running.Platform.AppKeyName
	if name == "" {
		r.meter.KeyExpires(time.Time{})
		return
	}
	at, err := r.setup.KeyExpires(ctx, name)
	switch {
	case ctx.Err() != nil:
	case err != nil && fault.ClassOf(err) == fault.Transient: // the platform is away: that is told elsewhere
	case err != nil:
		r.meter.KeyExpires(time.Time{})
		if !fault.Same(err, r.expiry.said) {
			r.Log.Warn("it is not known when the application key expires", "event", "key-expiry-unknown", "error", err, "hint", fault.HintOf(err))
		}
		r.expiry.said = err
	default:
		r.meter.KeyExpires(at)
		r.expiry.said = nil
		r.tellExpiry(name, at)
	}
}

func (r *reloader) tellExpiry(name string, at time.Time) {
	if at.IsZero() || time.Until(at) > expiryWarns || at.Equal(r.expiry.at) {
		return
	}
	r.expiry.at = at
	r.Log.Warn("the application key expires soon, or has", "event", "key-expires", "key", name, "at", at.UTC(), "hint", hintKeyExpires)
}

const hintKeyExpires = "make another application key and put it into the place of platform.appKey: docs/identity.md"

// keyExpiry is the doctor's look at it.
func (d *doctor) keyExpiry(ctx context.Context) (string, error) {
	name := d.Config.Platform.AppKeyName
	if name == "" {
		return "not asked for (platform.appKeyName)", nil
	}
	at, err := d.setup.KeyExpires(ctx, name)
	var p *fault.Problem
	switch {
	case errors.As(err, &p) && p.Class == fault.Fatal: // the connector runs without knowing it
		return "", diagnose.Warning(p.Hint, "%v", err)
	case err != nil:
		return "", err
	case at.IsZero():
		return name + " does not expire", nil
	case time.Until(at) < expiryWarns:
		return "", diagnose.Warning(hintKeyExpires, "%s expires at %s", name, at.UTC().Format(time.RFC3339))
	}
	return name + " expires at " + at.UTC().Format(time.RFC3339), nil
}
