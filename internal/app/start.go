package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/platform"
)

// neededPackages are the extension packages that the platform has to have, with the least version.
var neededPackages = []struct{ name, version string }{
	{"azx-connection-services", "0.1.0"},
	{"azx-azure-iot", "0.1.0"},
}

// mostDoubts is how often in a row the platform may answer with an error of its own before somebody has to look.
const mostDoubts = 3

// settle finds out what the settings of the hub are, and says in one line each what is used and from where. With this
// project's packages on the platform it asks there: it waits for the platform until ctx ends. The error is a fault.Problem
// of something that has to be changed first.
func (c *connector) settle(ctx context.Context) error {
	c.hub = c.file
	if !c.azx() {
		c.Log.Info("there is no connector Thing, and nothing is asked of the hub Thing", "event", "no-connector-thing",
			"extensions", c.file.Extensions)
		c.state.setStart(nil)
		c.sayAll(config.FromThing{Hub: c.file})
		return nil
	}
	for _, step := range []func(context.Context) error{c.checkPackages, c.setup.AddAdapterServices, c.adapter.Take, c.readSettings} {
		if err := c.patiently(ctx, step); err != nil {
			return err
		}
	}
	c.state.setStart(nil)
	return nil
}

// patiently does a step of the start until it succeeds, ctx ends, or it is clear that waiting does not help.
func (c *connector) patiently(ctx context.Context, step func(context.Context) error) error {
	pause := fault.Backoff{Min: time.Second, Max: 30 * time.Second}
	said := ""
	for doubts := 0; ; {
		if err := c.link.Client().Wait(ctx); err != nil {
			return fmt.Errorf("wait for the platform: %w", err)
		}
		err := step(ctx)
		class := fault.ClassOf(err)
		if err == nil || ctx.Err() != nil || class == fault.Fatal || class == fault.Rejected {
			return err
		}
		if errors.Is(err, platform.ErrServer) {
			if doubts++; doubts == mostDoubts {
				return &fault.Problem{Op: fmt.Sprintf("start, at the %d. try", doubts), Class: fault.Fatal, Cause: err, Hint: fault.HintOf(err)}
			}
		}
		c.state.setStart(err)
		if err.Error() != said {
			said = err.Error()
			c.Log.Warn("waiting for the platform", "event", "platform-not-ready", "error", err, "hint", fault.HintOf(err))
		}
		if err := pause.Pause(ctx); err != nil {
			return err
		}
	}
}

// checkPackages refuses a platform that lacks a package, or has one that does not fit.
func (c *connector) checkPackages(ctx context.Context) error {
	versions, err := c.setup.Packages(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for _, needed := range neededPackages {
		version, ok := versions[needed.name]
		switch {
		case !ok:
			wrong = append(wrong, needed.name+" is missing")
		case !fits(version, needed.version):
			wrong = append(wrong, fmt.Sprintf("%s has version %q, and this connector needs %s or a later one of the same kind", needed.name, version, needed.version))
		}
	}
	if len(wrong) > 0 {
		return &fault.Problem{Op: "check the extension packages of the platform", Class: fault.Fatal, Cause: errors.New(strings.Join(wrong, "; ")),
			Hint: "import both packages of this connector's version (azx extension build makes them), or set extensions: none or other of the hub"}
	}
	for _, needed := range neededPackages {
		c.Log.Info("uses a package", "event", "uses", "package", needed.name, "version", versions[needed.name], "from", "platform")
	}
	return nil
}

// fits reports whether a version may stand for the one needed: not older, and of the same major version, or the same minor
// one before 1.0.
func fits(version, needed string) bool {
	have, okHave := parseVersion(version)
	want, okWant := parseVersion(needed)
	switch {
	case !okHave || !okWant || have[0] != want[0]:
		return false
	case have[1] != want[1]:
		return have[0] > 0 && have[1] > want[1]
	}
	return have[2] >= want[2]
}

func parseVersion(text string) (v [3]int, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// readSettings adds what the hub Thing has to the file's settings.
func (c *connector) readSettings(ctx context.Context) error {
	rows, err := c.askSettings(ctx)
	if err != nil {
		return err
	}
	found, err := c.file.WithThing(rows)
	if err != nil {
		return err
	}
	for _, w := range found.Warnings {
		c.Log.Warn(w.String(), "event", "config-warning")
	}
	if err := c.checkStorage(ctx, found); err != nil {
		return err
	}
	if err := checkHub(found.Hub, "set connectionString on the hub Thing "+c.file.Thing+" in Composer, or hubs[0].connectionString in the file"); err != nil {
		return err
	}
	c.hub, c.rows = found.Hub, rows
	c.keys.now.Store(found.Hub)
	c.sayAll(found)
	return nil
}

// askSettings asks the hub Thing.
func (c *connector) askSettings(ctx context.Context) ([]config.Setting, error) {
	rows, err := c.setup.Configuration(ctx, c.file.Thing)
	if err != nil {
		return nil, err
	}
	settings := make([]config.Setting, len(rows))
	for i, r := range rows {
		settings[i] = config.Setting(r)
	}
	return settings, nil
}

// checkStorage looks for the storage Things that the hub Thing names.
func (c *connector) checkStorage(ctx context.Context, found config.FromThing) error {
	for _, s := range []struct{ setting, thing, instead string }{
		{config.KeyCheckpointThing, found.CheckpointThing, "checkpoints stay in the file store, " + c.Config.Checkpoint.File},
		{config.KeyFileThing, found.FileThing, "no files are served"},
	} {
		if s.thing == "" {
			continue
		}
		if err := c.setup.Storage(ctx, s.setting, s.thing); err != nil {
			return err
		}
		c.Log.Warn("a storage Thing is not used in this version: "+s.instead, "event", "storage-unused", "setting", s.setting, "thing", s.thing,
			"from", config.OriginThing)
	}
	return nil
}

// sayAll says what is used and from where, one line each.
func (c *connector) sayAll(found config.FromThing) {
	h := found.Hub
	if s, known, err := c.keys.service(); known && err == nil {
		c.say("connectionString", s.Host+", policy "+s.Policy, h.Origin("connectionString"))
	}
	if e, named, err := c.keys.named(); named && err == nil {
		c.say("eventHubsConnectionString", e.EventHub+" at "+e.Host+", policy "+e.Policy, h.Origin("eventHubsConnectionString"))
	}
	c.say("consumerGroup", h.ConsumerGroup, h.Origin("consumerGroup"))
	c.say("checkpoint.file", c.Config.Checkpoint.File, config.OriginFile)
	for _, key := range config.HubKeys() {
		switch key {
		case "connectionString", "eventHubsConnectionString", "consumerGroup":
		default:
			if h.Origin(key) == config.OriginThing {
				c.say(key, h.Text(key), config.OriginThing)
			}
		}
	}
}

// say names a setting that is used; value is never a credential.
func (c *connector) say(setting, value string, from config.Origin) {
	c.Log.Info("uses "+setting, "event", "uses", "hub", c.file.Thing, "setting", setting, "value", value, "from", from)
}
