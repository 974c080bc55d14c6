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
	"azx/internal/platform"
	"azx/internal/secret"
)

// settingsEvery is between two looks at the hub Thing's settings when nobody says that they have changed.
const settingsEvery = time.Minute

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

// reloader takes what changes while the connector runs, in the file or on the hub Thing: one after the other, by the same
// steps. It belongs to the goroutine of watch.
type reloader struct {
	*connector
	running *config.Config   // what is used: as at the start, with the changes that took effect
	current *config.Config   // what the file said when it was taken last
	rows    []config.Setting // what the hub Thing said when it was taken last
	said    string           // the last refusal that was told
	pending string           // the settings that wait for a restart, as told

	vaultSaid string // the last error of a vault that was told
}

func newReloader(c *connector) *reloader {
	return &reloader{connector: c, running: c.Config.WithHub(c.hub), current: c.Config, rows: c.rows}
}

// watch reads the settings again when somebody says so, and those of the hub Thing once in a while, until ctx ends.
func (r *reloader) watch(ctx context.Context) error {
	tick := time.NewTicker(settingsEvery)
	defer tick.Stop()
	vaults := time.NewTicker(vaultEvery)
	defer vaults.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.Hangup:
			r.reread(ctx)
		case answer := <-r.asked:
			answer <- r.reread(ctx)
		case <-r.changed:
			r.look(ctx)
		case <-tick.C:
			r.look(ctx)
		case <-vaults.C:
			r.lookAtVaults(ctx)
		}
	}
}

// look reads what the hub Thing has, if there is one, and takes it.
func (r *reloader) look(ctx context.Context) {
	if !r.azx() {
		return
	}
	rows, err := r.askSettings(ctx)
	var took taken
	if err == nil {
		took, err = r.take(ctx, r.current, rows)
	}
	result := took.result()
	if err != nil {
		result = "refused"
		if class := fault.ClassOf(err); rows == nil && class != fault.Fatal && class != fault.Rejected {
			result, err = "failed", nil // the platform is busy, or away: that is told elsewhere
		}
	}
	if ctx.Err() != nil {
		return
	}
	r.meter.Reloaded(r.file.Thing, result)
	switch {
	case err != nil && err.Error() != r.said:
		r.tellRefusal(err, "hub Thing")
		r.tellSetting(err)
	case err == nil && result != "failed":
		r.said, r.rows = "", rows
		r.tell(took, "hub Thing")
	}
}

// taken are changes: those that are in effect, and those that wait for a restart.
type taken struct{ live, restart []config.Change }

func (t taken) result() string {
	if len(t.live) > 0 {
		return "changed"
	}
	return "same"
}

// take checks a file and what the hub Thing has, and takes what takes effect at once: all of it, or nothing and an error.
func (r *reloader) take(ctx context.Context, file *config.Config, rows []config.Setting) (t taken, err error) {
	next := file
	if r.azx() && sameThing(file, r.current) {
		found, err := file.Hubs[0].WithThing(rows)
		if err != nil {
			return t, err
		}
		next = file.WithHub(found.Hub)
	}
	if err := checkHub(&next.Hubs[0], "set connectionString on the hub Thing again, or in the file"); err != nil && sameThing(next, r.current) {
		return t, err
	}
	for _, change := range config.Diff(r.running, next) {
		if change.Live {
			t.live = append(t.live, change)
		} else {
			t.restart = append(t.restart, change)
		}
	}
	with := config.Take(r.running, next, t.live)
	if err := r.try(ctx, with, t.live); err != nil {
		return taken{}, err
	}
	if err := r.apply(with, t.live); err != nil {
		return taken{}, err
	}
	r.running = with
	return t, nil
}

// sameThing reports whether two files are about the same hub Thing; if not, what the one has is nothing to the other's.
func sameThing(a, b *config.Config) bool {
	return a.Hubs[0].Thing == b.Hubs[0].Thing && a.Hubs[0].Extensions == b.Hubs[0].Extensions
}

// changes reports whether a credential of the hub, or another key, is among the changes.
func changes(all []config.Change, keys ...string) bool {
	return slices.ContainsFunc(all, func(c config.Change) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return c.Path == key || strings.HasSuffix(c.Path, "]."+key) })
	})
}

func newHubKeys(all []config.Change) bool {
	return changes(all, "connectionString", "eventHubsConnectionString")
}

// try signs in with new credentials, beside what goes on with the old ones. The error says that they are not taken.
func (r *reloader) try(ctx context.Context, next *config.Config, live []config.Change) error {
	if changes(live, "platform.appKey") {
		if err := r.tryAppKey(ctx, next); err != nil {
			return err
		}
	}
	if newHubKeys(live) {
		return r.tryKeys(ctx, &next.Hubs[0])
	}
	return nil
}

func (r *reloader) tryAppKey(ctx context.Context, next *config.Config) error {
	cfg, err := r.linkConfig(func() secret.Source { return next.Platform.AppKey })
	if err == nil {
		err = platform.SignIn(ctx, cfg)
	}
	if err != nil {
		return &fault.Problem{Op: "try the new application key", Class: fault.ClassOf(err), Cause: err, Hint: fault.HintOf(err)}
	}
	return nil
}

// tryKeys signs in with new keys, beside what goes on with the old ones. The error says that they are not taken.
func (r *reloader) tryKeys(ctx context.Context, next *config.Hub) error {
	const op = "try the new connection strings"
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	k := newKeys(next)
	client, err := openService(service{Hub: next, Network: r.network, Identity: r.identity, Log: slog.New(slog.DiscardHandler)})
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

// apply makes changed settings those that are used.
func (r *reloader) apply(next *config.Config, live []config.Change) error {
	hub := &next.Hubs[0]
	if r.twoWay != nil {
		if err := r.twoWay.egress.Change(settings(hub)); err != nil {
			return fmt.Errorf("take the settings: %w", err)
		}
	}
	if changes(live, "log.level") {
		if err := r.book.SetLevel(string(next.Log.Level)); err != nil {
			return fmt.Errorf("take the settings: %w", err)
		}
	}
	r.keys.now.Store(hub)
	r.appKey.Store(&next.Platform.AppKey)
	if newHubKeys(live) && r.twoWay != nil {
		r.twoWay.service.Renew()
	}
	return nil
}

// tell says which settings are in effect, and which wait for a restart: the latter once, until they are others.
func (r *reloader) tell(t taken, from string) {
	if len(t.live) > 0 {
		r.Log.Info("settings have changed and are in effect", "event", "settings-changed", "hub", r.file.Thing, "from", from, "settings", names(t.live))
	}
	pending := names(t.restart)
	if pending != r.pending && pending != "" {
		r.Log.Warn("settings have changed that take effect at the next start", "event", "settings-restart", "hub", r.file.Thing, "from", from,
			"settings", pending, "hint", "restart the connector")
	}
	r.pending = pending
}

// tellRefusal says why settings are not taken.
func (r *reloader) tellRefusal(err error, from string) {
	r.said = err.Error()
	r.Log.Warn("settings are not taken; those that are used stay", "event", "settings-refused", "hub", r.file.Thing, "from", from,
		"error", err, "hint", fault.HintOf(err))
}

// names lists the keys of changes, those of the hub without its place in the file.
func names(all []config.Change) string {
	keys := make([]string, len(all))
	for i, c := range all {
		keys[i] = c.Path
		if _, key, ok := strings.Cut(c.Path, "]."); ok {
			keys[i] = key
		}
	}
	return strings.Join(keys, ", ")
}
