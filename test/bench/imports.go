package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"azx/internal/local/iothub"
	hubserve "azx/internal/local/iothub/serve"
	platformserve "azx/internal/local/thingworx/serve"
	"azx/internal/supervise"
	"azx/test/bench/sink"
)

const (
	importDevices  = 100_000
	registryAtOnce = 10_000 // devices that are added at once
)

// imports is one measurement of azx import with throttles off.
type imports struct {
	Title     string  `json:"title"`
	Rate      float64 `json:"devices_per_s"`
	PerCPU    float64 `json:"devices_per_cpu_s"` // of the import
	GrowthMiB float64 `json:"rss_growth_mib"`    // the most that was resident, less what was before the first page
	EndsCores float64 `json:"ends_cores"`        // of hub and platform
}

// importTitle is the name of a measurement, and its key.
func importTitle(local bool) (title, key string) {
	if local {
		return "azx import of 100,000 devices into azx platform", "import-platform"
	}
	return "azx import of 100,000 devices into a platform that takes no time", "import-sink"
}

func (r *report) addImport(title string, s imports, err error) {
	if err != nil {
		r.failures = append(r.failures, title+": "+err.Error())
		return
	}
	s.Title = title
	r.Imports = append(r.Imports, s)
}

// importsTable is about imports of many devices.
func (r *report) importsTable() table {
	t := table{{"import, throttles off", "devices/s", "spread", "devices/CPU-s", "RSS growth, MiB", "ends' cores"}}
	for _, local := range []bool{false, true} {
		title, _ := importTitle(local)
		var of []imports
		for _, s := range r.Imports {
			if s.Title == title {
				of = append(of, s)
			}
		}
		if len(of) == 0 {
			continue
		}
		middle := func(figure func(imports) float64) float64 { return median(column(of, figure)) }
		t = append(t, []string{
			title, number("%.0f", middle(func(s imports) float64 { return s.Rate })), spread("%.0f", column(of, func(s imports) float64 { return s.Rate })),
			number("%.0f", middle(func(s imports) float64 { return s.PerCPU })), fmt.Sprintf("%.1f", middle(func(s imports) float64 { return s.GrowthMiB })),
			number("%.2f", middle(func(s imports) float64 { return s.EndsCores })),
		})
	}
	return t
}

// measureImports imports from a hub in this process into a platform that takes no time, or into azx platform.
func (b *bench) measureImports(ctx context.Context, local bool) (s imports, err error) {
	if b.registry == nil {
		if b.registry, err = hubserve.Start(ctx, hubserve.Options{Dir: filepath.Join(b.dir, "hub"), NoSync: true}); err != nil {
			return s, err
		}
		if err := populate(b.registry.Hub, importDevices); err != nil {
			return s, err
		}
	}
	dir, err := os.MkdirTemp(b.dir, "import-")
	if err != nil {
		return s, err
	}
	if local {
		return b.intoLocal(ctx, dir, b.registry.Info)
	}
	return b.intoSink(ctx, dir, b.registry.Info)
}

// populate registers devices, one in ten of them with tags and a desired property: a change of a twin is a transaction of the hub's.
func populate(hub *iothub.Hub, n int) error {
	for at := 0; at < n; at += registryAtOnce {
		specs := make([]iothub.Spec, min(registryAtOnce, n-at))
		for i := range specs {
			specs[i] = iothub.Spec{ID: iothub.ID{Device: fmt.Sprintf("device-%08d", at+i)}}
		}
		if _, err := hub.Registry().Add(specs...); err != nil {
			return err
		}
		for i := 0; i < len(specs); i += 10 {
			update := iothub.TwinUpdate{Tags: map[string]any{"site": "Ulm", "kind": "pump"}, Desired: map[string]any{"rate": 5}}
			if _, err := hub.PatchTwin(specs[i].ID, "", update); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) intoSink(ctx context.Context, dir string, hub hubserve.Info) (s imports, err error) {
	platform := sink.NewEmpty()
	l, err := sink.Listen()
	if err != nil {
		return s, err
	}
	group := supervise.New(ctx)
	group.Go("sink", func(ctx context.Context) error { return platform.Serve(ctx, l) })
	defer func() {
		group.Stop()
		err = errors.Join(err, group.Wait())
	}()
	text := fmt.Sprintf("name: azx-bench\nplatform: {urls: [%q], appKey: bench}\nhubs:\n%s    extensions: none\n    routingGroup: %s\n    allowThings: [\"*\"]\n", sink.URL(l), importedHub(hub), hubThing)
	if s, err = b.runImport(ctx, dir, text, os.Getpid()); err != nil {
		return s, err
	}
	if c := platform.Counts(); c.Things != importDevices || c.Pushes != importDevices || c.Refused > 0 {
		err = fmt.Errorf("the platform has counted %+v", c)
	}
	return s, err
}

// importedHub is the hub in the connector's file. There is no faster tier: none of its quotas is a throttle here.
func importedHub(hub hubserve.Info) string {
	return fmt.Sprintf("  - thing: %s\n    connectionString: %q\n    caFile: %q\n    endpoints: {amqps: \"127.0.0.1:%d\", https: \"127.0.0.1:%d\"}\n    tier: S3\n    units: 200\n",
		hubThing, hub.OwnerConnectionString, hub.CA, hub.Ports.AMQPS, hub.Ports.HTTPS)
}

// runImport runs azx import once. ends is the process whose CPU time is told beside it.
func (b *bench) runImport(ctx context.Context, dir, config string, ends int) (s imports, err error) {
	file := filepath.Join(dir, "azx.yaml")
	config += fmt.Sprintf("checkpoint: {file: %q}\nquarantine: {dir: %q}\n", filepath.Join(dir, "checkpoints"), filepath.Join(dir, "quarantine"))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, b.connector, "import", "-c", file, "--state", filepath.Join(dir, "import.json"))
	told, err := cmd.StderrPipe()
	if err != nil {
		return s, err
	}
	before, err := cpuSeconds(ends)
	if err != nil {
		return s, err
	}
	if err := cmd.Start(); err != nil {
		return s, err
	}
	var first, most float64
	var began time.Time
	var lines []string
	for scanner := bufio.NewScanner(told); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		switch now, err := statusMiB(cmd.Process.Pid, "VmHWM:"); {
		case err != nil: // it has ended
		case began.IsZero() && strings.HasPrefix(scanner.Text(), strconv.Itoa(importDevices)): // it says how many there are
			first, began = now, time.Now()
		default:
			most = now
		}
	}
	if err := cmd.Wait(); err != nil {
		return s, fmt.Errorf("azx import: %w: %s", err, strings.Join(lines, "\n"))
	}
	took := time.Since(began).Seconds()
	after, err := cpuSeconds(ends)
	used := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return imports{Rate: importDevices / took, PerCPU: importDevices / used, GrowthMiB: most - first, EndsCores: (after - before) / took}, err
}

func (b *bench) intoLocal(ctx context.Context, dir string, hub hubserve.Info) (s imports, err error) {
	folder := filepath.Join(dir, "platform")
	process, _, err := b.speaking(ctx, "ready", "platform", "--dir", folder, "--listen", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	defer process.kill()
	at, err := platformserve.ReadInfo(folder)
	if err != nil {
		return s, err
	}
	if err := platformserve.NewClient(at).AddHub(ctx, hubThing, nil); err != nil {
		return s, err
	}
	text := fmt.Sprintf("name: azx-bench\nplatform: {urls: [%q], appKey: %q}\nhubs:\n%s", at.WS, at.AppKey, importedHub(hub))
	return b.runImport(ctx, dir, text, process.cmd.Process.Pid)
}
