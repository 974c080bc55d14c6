package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
)

// settingsEvery is between two looks at the hub Thing's settings when nobody says that they have changed.
const settingsEvery = time.Minute

// wantSettings has the settings of the hub Things read again. It returns at once.
func (c *connector) wantSettings() {
	signal(c.changed)
	for _, k := range c.carriers() {
		if k.twoWay != nil {
			k.twoWay.binder.Recheck()
		}
	}
}

// settingsChanged hears that those of a hub Thing have; "" means of all.
func (c *connector) settingsChanged(hubThing string) {
	for _, h := range c.hubs {
		if hubThing == "" || hubThing == h.thing {
			c.Log.Info("the settings of the hub Thing have changed, or may have: reading them", "event", "settings-notice", "hub", h.thing)
			c.wantSettings()
		}
	}
}

// reloader takes what changes while the connector runs, in the file or on a hub Thing: one after the other, by the same
// steps. It belongs to the goroutine of watch.
type reloader struct {
	*connector
	running *config.Config // what is used: as at the start, with the changes that took effect
	current *config.Config // what the file said when it was taken last
	each    []*reloadedHub // in the order of the file that the connector began with
	pending string         // the settings that wait for a restart, as told

	vaultSaid string      // the last error of a vault that was told
	files     credentials // what was refused of the files of credentials
	expiry    expiry      // of the application key
}

// reloadedHub is a hub as far as the reloader knows it.
type reloadedHub struct {
	*hubSide
	carrier *carrier         // of this moment; nil: the hub is not served, and begins with whatever there is
	rows    []config.Setting // what the hub Thing said when it was taken last
	said    string           // the last refusal that was told
}

// newReloader makes one for a connector that has signed in at the platform and does not serve its hubs yet. From here on
// the texts of credential files are those of this moment, until others are taken; what cannot be read is told by its use.
func newReloader(c *connector) *reloader {
	pinned, _ := c.Config.Pinned()
	r := &reloader{connector: c, running: pinned, current: pinned}
	c.appKey.Store(&pinned.Platform.AppKey)
	for i, h := range c.hubs {
		h.file.Store(&pinned.Hubs[i])
		h.keys.now.Store(&pinned.Hubs[i])
		r.each = append(r.each, &reloadedHub{hubSide: h})
	}
	return r
}

// watch reads the settings again when somebody says so, and those of the hub Things once in a while, until ctx ends.
func (r *reloader) watch(ctx context.Context) error {
	tick := time.NewTicker(settingsEvery)
	defer tick.Stop()
	vaults := time.NewTicker(vaultEvery)
	defer vaults.Stop()
	files := time.NewTicker(filesEvery)
	defer files.Stop()
	expires := time.NewTicker(expiryEvery)
	defer expires.Stop()
	r.lookAtExpiry(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.Hangup:
			r.reread(ctx)
		case answer := <-r.asked:
			answer <- r.reread(ctx)
		case <-r.changed:
			r.lookAll(ctx)
		case <-tick.C:
			r.lookAll(ctx)
		case <-vaults.C:
			r.lookAtVaults(ctx)
		case <-files.C:
			r.lookAtFiles(ctx)
		case <-expires.C:
			r.lookAtExpiry(ctx)
		}
	}
}

// lookAll reads what the hub Things have, if there are any. A hub that is not served begins again, and reads it itself.
func (r *reloader) lookAll(ctx context.Context) {
	if !r.azx() {
		return
	}
	r.sync()
	for _, h := range r.each {
		if h.carrier == nil {
			signal(h.wake)
		} else {
			r.look(ctx, h)
		}
	}
}

// sync takes in which hubs are served now, and with which settings they began.
func (r *reloader) sync() {
	for _, h := range r.each {
		now := h.carried.Load()
		switch {
		case now == h.carrier:
			continue
		case now == nil:
			r.running, h.rows = r.running.WithHub(h.file.Load()), nil
		default:
			r.running, h.rows = r.running.WithHub(now.hub), now.rows
		}
		h.carrier = now
	}
}

// look reads what a hub Thing has, and takes it.
func (r *reloader) look(ctx context.Context, h *reloadedHub) {
	rows, err := h.askSettings(ctx)
	var took taken
	if err == nil {
		before := h.rows
		h.rows = rows
		if took, err = r.take(ctx, r.current); err != nil {
			h.rows = before
		}
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
	r.meter.Reloaded(h.thing, result)
	switch {
	case err != nil && err.Error() != h.said:
		h.said = err.Error()
		r.tellRefusal(err, "hub Thing", h.thing)
		h.tellSetting(err)
	case err == nil && result != "failed":
		h.said = ""
		r.tell(took, "hub Thing", h.thing)
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

// take checks a file together with what the hub Things have, and takes what takes effect at once: all of it, or nothing and
// an error.
func (r *reloader) take(ctx context.Context, file *config.Config) (t taken, err error) {
	next := file
	for i, h := range r.each {
		if h.carrier == nil || !sameThing(file, r.current, i) {
			continue
		}
		if h.azx() {
			found, err := file.Hubs[i].WithThing(h.rows)
			if err != nil {
				return t, err
			}
			next = next.WithHub(found.Hub)
		}
		if err := checkHub(&next.Hubs[i], "set connectionString on the hub Thing again, or in the file"); err != nil {
			return t, err
		}
	}
	begin := r.compare(next, &t)
	with := config.Take(r.running, next, t.live)
	if err := r.try(ctx, with, t.live, begin); err != nil {
		return taken{}, err
	}
	if err := r.apply(file, with, t.live, begin); err != nil {
		return taken{}, err
	}
	r.running = with
	if changes(t.live, "platform.appKey", "platform.appKeyName") {
		r.link.Retry()
		r.lookAtExpiry(ctx)
	}
	return t, nil
}

// compare parts what takes effect at once from what waits for a restart. A hub that is not open takes everything: it begins
// anew. Those are returned.
func (r *reloader) compare(next *config.Config, t *taken) (begin map[int]bool) {
	begin = map[int]bool{}
	changes := config.Diff(r.running, next)
	for _, change := range changes {
		if i := change.Hub(); !change.Live && i >= 0 && i < len(r.each) && sameThing(next, r.current, i) && r.each[i].trouble() != nil {
			begin[i] = true
		}
	}
	for _, change := range changes {
		if change.Live = change.Live || begin[change.Hub()]; change.Live {
			t.live = append(t.live, change)
		} else {
			t.restart = append(t.restart, change)
		}
	}
	return begin
}

// sameThing reports whether two files have the same hub Thing at a place; if not, what the one has is nothing to the
// other's.
func sameThing(a, b *config.Config, i int) bool {
	return i < len(a.Hubs) && i < len(b.Hubs) && a.Hubs[i].Thing == b.Hubs[i].Thing && a.Hubs[i].Extensions == b.Hubs[i].Extensions
}

// ofHub are the changes of one hub.
func ofHub(all []config.Change, i int) []config.Change {
	return slices.DeleteFunc(slices.Clone(all), func(c config.Change) bool { return c.Hub() != i })
}

// changes reports whether a credential of the hub, or another key, is among the changes.
func changes(all []config.Change, keys ...string) bool {
	return slices.ContainsFunc(all, func(c config.Change) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return c.Path == key || strings.HasSuffix(c.Path, "]."+key) })
	})
}

// apply makes changed settings those that are used.
func (r *reloader) apply(file, next *config.Config, live []config.Change, begin map[int]bool) error {
	for i, h := range r.each {
		if h.carrier != nil && h.carrier.twoWay != nil && !begin[i] {
			if err := h.carrier.twoWay.egress.Change(settings(&next.Hubs[i])); err != nil {
				return fmt.Errorf("take the settings: %w", err)
			}
		}
	}
	if changes(live, "log.level") {
		if err := r.book.SetLevel(string(next.Log.Level)); err != nil {
			return fmt.Errorf("take the settings: %w", err)
		}
	}
	r.appKey.Store(&next.Platform.AppKey)
	for i, h := range r.each {
		if sameThing(file, r.current, i) {
			h.file.Store(&file.Hubs[i])
		}
		switch {
		case h.carrier == nil:
			signal(h.wake)
		case begin[i]:
			signal(h.anew)
		default:
			h.keys.now.Store(&next.Hubs[i])
			if newHubKeys(ofHub(live, i)) && h.carrier.twoWay != nil {
				h.carrier.twoWay.service.Renew()
			}
		}
	}
	return nil
}

// tell says which settings are in effect, and which wait for a restart: the latter once, until they are others. hub is the
// hub Thing, or those of the file.
func (r *reloader) tell(t taken, from, hub string) {
	if len(t.live) > 0 {
		r.Log.Info("settings have changed and are in effect", "event", "settings-changed", "hub", hub, "from", from, "settings", r.names(t.live))
	}
	pending := r.names(t.restart)
	if pending != r.pending && pending != "" {
		r.Log.Warn("settings have changed that take effect at the next start", "event", "settings-restart", "hub", hub, "from", from,
			"settings", pending, "hint", "restart the connector")
	}
	r.pending = pending
}

// tellRefusal says why settings are not taken.
func (r *reloader) tellRefusal(err error, from, hub string) {
	r.Log.Warn("settings are not taken; those that are used stay", "event", "settings-refused", "hub", hub, "from", from,
		"error", err, "hint", fault.HintOf(err))
}

// names lists the keys of changes, those of the only hub without its place in the file.
func (r *reloader) names(all []config.Change) string {
	keys := make([]string, len(all))
	for i, c := range all {
		keys[i] = c.Path
		if _, key, ok := strings.Cut(c.Path, "]."); ok && len(r.each) == 1 {
			keys[i] = key
		}
	}
	return strings.Join(keys, ", ")
}
