package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"azx/internal/adapter"
	"azx/internal/config"
	"azx/internal/observe"
	"azx/internal/platform"
)

// openAdapter makes the connector's own Thing, if the platform has what it takes.
func (c *connector) openAdapter() {
	if !c.azx() {
		return
	}
	c.adapter = adapter.New(adapter.Config{
		Name: c.Config.Name, Group: c.Config.AvailabilityGroup, Instance: instanceID(), Version: Version(), Platform: c.setup,
		Checks: c.healthChecks, Groups: c.groups, Bound: c.boundNames, Samples: c.meter.Gather, Logbook: c.book,
		Changed: c.settingsChanged, Clear: c.clearCache, Rebind: c.rebind, Facts: facts, Log: c.Log,
	})
}

// instanceID names this process: another one after each start.
func instanceID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(rand.Text()[:8]))
}

// facts are what else is known of the process.
func facts() map[string]string {
	host, _ := os.Hostname() // "" if it is not told
	return map[string]string{
		"host": host, "pid": fmt.Sprint(os.Getpid()), "os": runtime.GOOS + "/" + runtime.GOARCH, "go": runtime.Version(),
		"cpus": fmt.Sprint(runtime.NumCPU()),
	}
}

func (c *connector) healthChecks() []adapter.Check {
	var all []adapter.Check
	for _, check := range c.checks() {
		all = append(all, adapter.Check{Name: check.Name, Err: check.Run()})
	}
	return all
}

// groups are the routing groups by hub Thing; "" where it is not known.
func (c *connector) groups() map[string]string {
	all := map[string]string{}
	for _, h := range c.hubs {
		all[h.thing] = ""
		if k := h.carried.Load(); k != nil && k.twoWay != nil {
			all[h.thing] = k.twoWay.binder.State().Group
		}
	}
	return all
}

// boundNames are what is bound at the platform but the connector's own Thing.
func (c *connector) boundNames() []string {
	refused := c.link.Client().State().Refused
	return slices.DeleteFunc(c.link.Client().Names(), func(name string) bool {
		return refused[name] != nil || name == c.adapter.State().Thing
	})
}

// rebind does on the connection that there is what a new one would do: what is bound is bound anew, and what that should be
// is looked up again. What the reference product does when it is told to clear what it has bound is not public: this is
// the only place that decides it.
func (c *connector) rebind(ctx context.Context) error {
	c.Log.Info("what is bound is bound anew, as somebody on the platform asked", "event", "bound-anew", "names", len(c.link.Client().Names()))
	err := c.link.Client().Rebind(ctx)
	c.owners.forget("")
	c.reconnected()
	return err
}

// Caches that ClearCacheEntry knows.
const (
	cacheThings = "things" // what the platform said of Things: their properties and services
	cacheTwins  = "twins"  // twins as the hub had them
)

// clearCache drops what is known of a Thing, "" for all, in one cache, "" for both, and tells so.
func (c *connector) clearCache(cache, thing, context string) error {
	if cache != "" && cache != cacheThings && cache != cacheTwins {
		return fmt.Errorf("there is no cache %q: the connector has %s and %s", cache, cacheThings, cacheTwins)
	}
	if cache != cacheTwins {
		c.forgetThings(thing)
	}
	for _, k := range c.carriers() {
		if cache != cacheThings && k.twoWay != nil {
			k.twoWay.egress.Forget(thing)
		}
	}
	c.Log.Info("what was known is asked for again", "event", "cache-cleared", "cache", cache, "thing", thing)
	e := platform.Event{Kind: platform.ClearCacheEntry, Cache: cache, Key: thing, Message: "connector " + c.Config.Name + " asks again for what it knew"}
	if json.Valid([]byte(context)) {
		e.Context = json.RawMessage(context)
	}
	c.events.Offer(e)
	return nil
}

// azx reports whether the platform has this project's packages: all hubs of a file say the same.
func (c *connector) azx() bool { return c.Config.Hubs[0].Extensions == config.ExtensionsAzx }

// Version is the version of this program, "unknown" if that was not noted when it was built.
func Version() string { return observe.Version() }
