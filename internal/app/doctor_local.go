package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"azx/internal/diagnose"
	"azx/internal/fault"
	"azx/internal/folder"
)

// leastFree is how many bytes of disk space there should be: a quarantine may have 1 GiB.
const leastFree = 1 << 30

func (d *doctor) configuration(context.Context) (string, error) {
	if n := len(d.options.Warnings); n > 0 {
		return "", diagnose.Warning("", "%s", d.options.Warnings.String())
	}
	return fmt.Sprintf("connector %s, hub Thing %s", d.Config.Name, d.hubThings()), nil
}

func (d *doctor) checkpointFolder(ctx context.Context) (string, error) {
	if d.Config.Checkpoint.Blob.IsSet() {
		if _, _, err := readCheckpoints(ctx, d.Config, d.Config.Hubs[0].Thing); err != nil {
			return "", err
		}
		return placeOfCheckpoints(d.Config) + " can be read; whether it can be written shows when the connector starts", nil
	}
	return writable(d.Config.Checkpoint.File, "checkpoint.file")
}

func (d *doctor) quarantineFolder(context.Context) (string, error) {
	text, err := writable(d.Config.Quarantine.Dir, "quarantine.dir")
	if kind := d.volatileQuarantine(); err == nil && kind != "" {
		return "", diagnose.Warning(volatileHint, "%s, and it is in memory (%s) while the checkpoints are in a container", text, kind)
	}
	return text, err
}

// writable makes a file in a folder, and removes it.
func writable(dir, setting string) (string, error) {
	at, err := folder.Probe(dir)
	if err != nil {
		return "", &fault.Problem{Op: "write to " + dir, Class: fault.Fatal, Cause: err,
			Hint: "the folder of " + setting + " must be writable for the user that runs azx (this is " + fmt.Sprint(os.Getuid()) + ")"}
	}
	text := dir + " is writable"
	if at != dir {
		text = dir + " will be made in " + at
	}
	free, err := folder.Free(at)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return text, nil
	case err != nil:
		return "", fmt.Errorf("look for free space: %w", err)
	case free < leastFree:
		return "", diagnose.Warning("make space, or set "+setting+" to a folder on another disk", "%s, and %d MiB are free", text, free>>20)
	}
	return fmt.Sprintf("%s, %d GiB are free", text, free>>30), nil
}

// connectorRuns finds out whether a connector with this file runs: it has the folder of checkpoints of this machine, or
// answers for its Thing on the platform.
func (d *doctor) connectorRuns(ctx context.Context) (string, error) {
	holder, err := checkpointHolders(d.Config)
	if err != nil {
		return "", err
	}
	if holder != "" {
		d.running = holder
		return "runs on this machine: " + holder, nil
	}
	if d.link == nil || !d.link.Health().Ready() || !d.azx() {
		return "does not run on this machine", nil
	}
	instance, answered, err := d.setup.Holder(ctx, d.Config.Name)
	switch {
	case err != nil:
		return "", err
	case answered:
		d.running = instance
		return "runs elsewhere: " + instance + " answers for the Thing " + d.Config.Name, nil
	}
	return "does not run", nil
}
