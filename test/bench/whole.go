package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"azx/internal/local/devices"
	"azx/internal/local/iothub"
	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/local/thingworx"
	platformserve "azx/internal/local/thingworx/serve"
	"azx/internal/supervise"
)

const (
	wholeKey     = "whole"
	wholeDevices = 20
	wholeEvery   = 5 * time.Millisecond // between the messages of a device, if the hub acknowledges that fast
)

// whole is one measurement of the connector between azx hub and azx platform, fed by simulated devices over MQTT.
type whole struct {
	Rate         float64 `json:"msgs_per_s"`
	ConnectorCPU float64 `json:"connector_cpu_s_per_million"`
	HubCPU       float64 `json:"hub_cpu_s_per_million"`
	PlatformCPU  float64 `json:"platform_cpu_s_per_million"`
	DevicesCPU   float64 `json:"devices_cpu_s_per_million"`
	RSSMiB       float64 `json:"connector_rss_mib"`
}

// measureWhole starts hub, platform and connector as a person would.
func (b *bench) measureWhole(ctx context.Context) (w whole, err error) {
	dir, err := os.MkdirTemp(b.dir, "whole-")
	if err != nil {
		return w, err
	}
	hub, platform := filepath.Join(dir, "hub"), filepath.Join(dir, "platform")
	hubProcess, _, err := b.speaking(ctx, "ready", "hub", "--dir", hub, "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0")
	if err != nil {
		return w, err
	}
	defer hubProcess.kill()
	platformProcess, _, err := b.speaking(ctx, "ready", "platform", "--dir", platform, "--listen", "127.0.0.1:0")
	if err != nil {
		return w, err
	}
	defer platformProcess.kill()
	fleet, err := furnish(ctx, hub, platform)
	if err != nil {
		return w, err
	}
	file := filepath.Join(dir, "azx.yaml")
	if err := b.configure(ctx, hub, platform, file); err != nil {
		return w, err
	}
	connector, line, err := b.speaking(ctx, "ready:", "run", "-c", file, "--log-level", "error")
	if err != nil {
		return w, err
	}
	defer connector.kill()
	metrics := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(line, "ready:")), "/readyz") + "/metrics"

	group := supervise.New(ctx)
	group.Go("devices", fleet.Run)
	defer func() {
		group.Stop()
		err = errors.Join(err, group.Wait())
	}()
	return b.observeWhole(ctx, metrics, [...]*process{connector, hubProcess, platformProcess})
}

// observeWhole counts what the connector says was delivered, and the CPU time of all.
func (b *bench) observeWhole(ctx context.Context, metrics string, processes [3]*process) (w whole, err error) {
	delivered := func() int64 {
		var n int64
		if n, err = scrape(ctx, metrics); err != nil {
			return 0
		}
		return n
	}
	if _, err := processes[0].first(ctx, delivered); err != nil {
		return w, err
	}
	if !pause(ctx, settleTime) {
		return w, ctx.Err()
	}
	pids := [...]int{processes[0].cmd.Process.Pid, processes[1].cmd.Process.Pid, processes[2].cmd.Process.Pid, os.Getpid()}
	var cpu [len(pids)]float64
	for i, pid := range pids {
		if cpu[i], err = cpuSeconds(pid); err != nil {
			return w, err
		}
	}
	n, began := delivered(), time.Now()
	if !pause(ctx, b.window) {
		return w, ctx.Err()
	}
	n = delivered() - n
	if err != nil || n <= 0 {
		return w, errors.Join(err, errors.New("no message in the whole window"))
	}
	w.Rate = float64(n) / time.Since(began).Seconds()
	for i, pid := range pids {
		after, err := cpuSeconds(pid)
		if err != nil {
			return w, err
		}
		*[...]*float64{&w.ConnectorCPU, &w.HubCPU, &w.PlatformCPU, &w.DevicesCPU}[i] = (after - cpu[i]) / float64(n) * 1e6
	}
	w.RSSMiB, err = rssMiB(pids[0])
	return w, err
}

// speaking starts azx with arguments and returns when it has printed a line that begins with a word.
func (b *bench) speaking(ctx context.Context, word string, args ...string) (*process, string, error) {
	cmd := exec.Command(b.connector, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	p := &process{cmd: cmd, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	late := context.AfterFunc(ctx, p.stop)
	defer late()
	timer := time.AfterFunc(startLimit, p.stop)
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), word) {
			return p, lines.Text(), nil
		}
	}
	p.kill()
	return nil, "", fmt.Errorf("azx %s ended without %q", args[0], word)
}

func (p *process) stop() { _ = p.cmd.Process.Kill() }

// furnish makes the devices, and a Thing for each.
func furnish(ctx context.Context, hub, platform string) (*devices.Fleet, error) {
	at, err := hubserve.Open(ctx, hub)
	if err != nil {
		return nil, err
	}
	things, err := platformserve.Open(platform)
	if err != nil {
		return nil, err
	}
	var properties []thingworx.Definition
	for _, text := range []string{"sequence:LONG", "temperature:NUMBER", "pressure:NUMBER", "running:BOOLEAN", "label:STRING"} {
		p, err := platformserve.ParseProperty(text)
		if err != nil {
			return nil, err
		}
		properties = append(properties, p)
	}
	fleet := &devices.Fleet{Interval: wholeEvery}
	for i := range wholeDevices {
		id := iothub.ID{Device: fmt.Sprintf("bench-%02d", i)}
		if _, err := at.AddDevice(ctx, iothub.Spec{ID: id}); err != nil {
			return nil, err
		}
		access, err := at.Access(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := things.AddThing(ctx, id.Device, properties); err != nil {
			return nil, err
		}
		fleet.Devices = append(fleet.Devices, devices.Config{Credentials: access.Credentials, Address: access.Address, Roots: access.Roots})
	}
	return fleet, nil
}

// configure writes the file that azx config init makes, with any free port for the admin surface.
func (b *bench) configure(ctx context.Context, hub, platform, file string) error {
	command := exec.CommandContext(ctx, b.connector, "config", "init", "--hub", hub, "--platform", platform, "-o", file)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("azx config init: %w: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), "127.0.0.1:9464", `"127.0.0.1:0"`, 1)), 0o600)
}

// scrape adds up the delivered messages in the connector's metrics.
func scrape(ctx context.Context, url string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "azx_messages_settled_total{") || !strings.Contains(line, `result="delivered"`) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
		if err != nil {
			return 0, fmt.Errorf("read metrics: %w", err)
		}
		total += v
	}
	return int64(total), nil
}
