package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

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

// settle takes the connector's place on the platform. With this project's packages there it waits for the platform until
// ctx ends. The error is a fault.Problem of something that has to be changed first.
func (c *connector) settle(ctx context.Context) error {
	if !c.azx() {
		c.Log.Info("there is no connector Thing, and nothing is asked of the hub Thing", "event", "no-connector-thing",
			"extensions", c.Config.Hubs[0].Extensions)
		c.health.setStart(nil)
		return nil
	}
	for _, step := range []func(context.Context) error{c.checkPackages, c.setup.AddAdapterServices, c.adapter.Take} {
		if err := c.patiently(ctx, step, c.health.setStart); err != nil {
			return err
		}
	}
	c.health.setStart(nil)
	return nil
}

// patiently does a step of the start until it succeeds, ctx ends, or it is clear that waiting does not help. note hears
// why it waits.
func (c *connector) patiently(ctx context.Context, step func(context.Context) error, note func(error)) error {
	pause := fault.Backoff{Min: time.Second, Max: 30 * time.Second}
	var said error
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
		note(err)
		if !fault.Same(err, said) {
			c.Log.Warn("waiting for the platform", "event", "platform-not-ready", "error", err, "hint", fault.HintOf(err))
		}
		said = err
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
