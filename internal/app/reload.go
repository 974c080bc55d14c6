package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
)

// settingsEvery is between two looks at the hub Thing's settings when nobody says that they have changed.
const settingsEvery = time.Minute

// liveSettings are those that take effect at once; connection strings do, too, if only their keys change. The routing
// group is not among them: the binder asks for it by itself.
var liveSettings = []string{
	"writeVia", "writeWindow", "messageTTL", "twinMaxAge", "methods.connectTimeout", "methods.responseTimeout", "methods.services",
}

// Connection strings, whose keys may change.
var keySettings = []string{"connectionString", "eventHubsConnectionString"}

// wantSettings has the settings of the hub Thing read again. It returns at once.
func (c *connector) wantSettings() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
	if c.carries() {
		c.twoWay.binder.Recheck()
	}
}

// settingsChanged hears that those of a hub Thing have; "" means of all.
func (c *connector) settingsChanged(hubThing string) {
	if hubThing == "" || hubThing == c.file.Thing {
		c.Log.Info("the settings of the hub Thing have changed, or may have: reading them", "event", "settings-notice", "hub", c.file.Thing)
		c.wantSettings()
	}
}

// reloader takes what changes on the hub Thing.
type reloader struct {
	*connector
	said    string // the last refusal that was told
	pending string // the settings that wait for a restart, as told
}

// watch reads the settings again when somebody says so, and once in a while, until ctx ends.
func (r *reloader) watch(ctx context.Context) error {
	tick := time.NewTicker(settingsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
		case <-tick.C:
		}
		result, err := r.reload(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.meter.Reloaded(r.file.Thing, result)
		r.tell(err)
	}
}

// tell says once why settings are not taken, until the cause changes.
func (r *reloader) tell(err error) {
	switch {
	case err == nil:
		r.said = ""
	case err.Error() != r.said:
		r.said = err.Error()
		r.Log.Warn("the settings of the hub Thing are not taken; those that are used stay", "event", "settings-refused", "hub", r.file.Thing,
			"error", err, "hint", fault.HintOf(err))
		r.tellSetting(err)
	}
}

// reload reads the settings once and takes them, all or none: "same", "changed", "refused" or "failed".
func (r *reloader) reload(ctx context.Context) (result string, err error) {
	found, err := r.askSettings(ctx)
	if err != nil {
		if class := fault.ClassOf(err); class == fault.Fatal || class == fault.Rejected {
			return "refused", err
		}
		return "failed", nil // the platform is busy, or away: that is told elsewhere
	}
	if err := checkHub(found.Hub, "set connectionString on the hub Thing again"); err != nil {
		return "refused", err
	}
	running := r.keys.now.Load()
	changed := running.Changed(found.Hub)
	next, taken, restart := r.divide(running, found.Hub, changed)
	newKeys := slices.ContainsFunc(taken, func(key string) bool { return slices.Contains(keySettings, key) })
	if newKeys {
		if err := r.tryKeys(ctx, next); err != nil {
			return "refused", err
		}
	}
	if len(taken) > 0 {
		if err := r.apply(next, newKeys); err != nil {
			return "refused", err
		}
		r.Log.Info("settings of the hub Thing have changed and are in effect", "event", "settings-changed", "hub", r.file.Thing, "settings", strings.Join(taken, ", "))
		result = "changed"
	}
	r.tellPending(restart)
	if result == "" {
		result = "same"
	}
	return result, nil
}

// divide returns the running settings with those changes that take effect at once, their names, and the names of those
// that wait for a restart.
func (r *reloader) divide(running, found *config.Hub, changed []string) (next *config.Hub, taken, restart []string) {
	with := *running
	for _, key := range changed {
		switch {
		case slices.Contains(liveSettings, key):
			taken = append(taken, key)
		case slices.Contains(keySettings, key) && r.keys.sameHub(newKeys(found)):
			taken = append(taken, key)
			with.ConnectionString, with.EventHubsConnectionString = found.ConnectionString, found.EventHubsConnectionString
		default:
			restart = append(restart, key)
		}
	}
	with.WriteVia, with.WriteWindow, with.MessageTTL = found.WriteVia, found.WriteWindow, found.MessageTTL
	with.TwinMaxAge, with.Methods = found.TwinMaxAge, found.Methods
	return &with, taken, restart
}

// tryKeys signs in with new keys, beside what goes on with the old ones. The error says that they are not taken.
func (r *reloader) tryKeys(ctx context.Context, next *config.Hub) error {
	const op = "try the new connection strings"
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	k := newKeys(next)
	client, err := openService(service{Hub: next, Network: r.network, Log: slog.New(slog.DiscardHandler)})
	if err == nil && client != nil {
		defer client.Close()
		err = client.CheckService(ctx)
		if err != nil && fault.ClassOf(err) == fault.Rejected {
			err = nil // a Basic tier has no twins, and says so to those whom it knows
		}
	}
	if err == nil {
		var e *events
		if e, err = openEvents(ctx, next, k, r.network); err == nil {
			e.close()
		}
	}
	if err != nil {
		return &fault.Problem{Op: op, Class: fault.ClassOf(err), Cause: err, Hint: fault.HintOf(err)}
	}
	return nil
}

// apply makes settings those that are used.
func (r *reloader) apply(next *config.Hub, newKeys bool) error {
	if r.twoWay != nil {
		if err := r.twoWay.egress.Change(settings(next)); err != nil {
			return fmt.Errorf("take the settings: %w", err)
		}
	}
	r.keys.now.Store(next)
	if newKeys && r.twoWay != nil {
		r.twoWay.service.Renew()
	}
	return nil
}

// tellPending says which settings wait for a restart, once until they are others.
func (r *reloader) tellPending(restart []string) {
	pending := strings.Join(restart, ", ")
	if pending != r.pending && pending != "" {
		r.Log.Warn("settings of the hub Thing have changed that take effect at the next start", "event", "settings-restart", "hub", r.file.Thing,
			"settings", pending, "hint", "restart the connector")
	}
	r.pending = pending
}
