// Package demo runs a hub, a platform, the connector and simulated devices together in one process.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/local/devices"
	"azx/internal/local/iothub"
	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/local/thingworx"
	platformserve "azx/internal/local/thingworx/serve"
	"azx/internal/supervise"
)

// Options say how large the demo is and how long it runs.
type Options struct {
	Devices int
	For     time.Duration // 0: until ctx ends
	Out     io.Writer     // what a person at the terminal reads
	Log     *slog.Logger
}

// hubThing is the hub Thing through which the platform reaches the devices.
const hubThing = "LocalHub"

const (
	sendInterval  = time.Second
	settleTimeout = 20 * time.Second // for what is on its way when the devices stop
	pollInterval  = 20 * time.Millisecond
)

// Run runs the demo and returns what was counted. The error is that of a part that could not run; whether
// anything is missing is told by the Summary.
func Run(ctx context.Context, o Options) (Summary, error) {
	dir, err := os.MkdirTemp("", "azx-demo-")
	if err != nil {
		return Summary{}, fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	d := &demo{Options: o, dir: dir}
	group := supervise.New(context.WithoutCancel(ctx))
	err = d.start(group.Context())
	if err == nil {
		group.Go("connector", d.connect)
		err = d.play(ctx, group.Context())
	}
	summary := d.summary()
	// The connector first: what it has in flight needs both ends.
	group.Stop()
	err = errors.Join(err, group.Wait())
	return summary, errors.Join(err, d.stop())
}

// demo is what runs.
type demo struct {
	Options
	dir      string
	hub      *hubserve.Running
	platform *platformserve.Running
	fleet    *devices.Fleet
	own      string // connection string of a device for the reader's own code

	mu      sync.Mutex
	running app.Running
	tally   tally
}

// start opens both local ends, each on its own context so that they outlive the connector.
func (d *demo) start(ctx context.Context) (err error) {
	notice := func(text string) { fmt.Fprintln(d.Out, text) }
	ends := context.WithoutCancel(ctx)
	d.hub, err = hubserve.Start(ends, hubserve.Options{
		Dir: d.hubDir(), Ports: hubserve.StandardPorts(), NextFreePort: true, Log: d.Log, Notice: notice,
	})
	if err != nil {
		return fmt.Errorf("start the local hub: %w", err)
	}
	d.platform, err = platformserve.Start(ends, platformserve.Options{
		Dir: d.platformDir(), Memory: true, Listen: "127.0.0.1:8080", NextFreePort: true, Log: d.Log, Notice: notice,
	})
	if err != nil {
		return fmt.Errorf("start the local platform: %w", err)
	}
	return d.populate()
}

// populate gives every device an identity on the hub and a Thing on the platform.
func (d *demo) populate() error {
	roots, err := d.hub.Info.Roots()
	if err != nil {
		return err
	}
	err = d.platform.Platform.CreateThing(context.Background(), thingworx.ThingSpec{Name: hubThing, Template: thingworx.TemplateAzureHub, Enabled: true})
	if err != nil {
		return fmt.Errorf("create hub Thing: %w", err)
	}
	d.fleet = &devices.Fleet{Interval: sendInterval, Log: d.Log}
	for i := range d.Devices {
		text, err := d.add(fmt.Sprintf("demo-%d", i+1))
		if err != nil {
			return err
		}
		credentials, err := iothub.ParseCredentials(text)
		if err != nil {
			return err
		}
		d.fleet.Devices = append(d.fleet.Devices, devices.Config{Credentials: credentials, Roots: roots})
	}
	d.own, err = d.add("my-device")
	return err
}

// add returns the new device's connection string.
func (d *demo) add(id string) (string, error) {
	identities, err := d.hub.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: id}})
	if err != nil {
		return "", fmt.Errorf("add device %s: %w", id, err)
	}
	err = d.platform.Platform.CreateThing(context.Background(), thingworx.ThingSpec{
		Name: id, Template: thingworx.TemplateAzureThing, Enabled: true, Gateway: hubThing,
		Properties: deviceProperties(), Services: deviceServices(),
	})
	if err != nil {
		return "", fmt.Errorf("create Thing %s: %w", id, err)
	}
	return d.hub.Hub.DeviceConnectionString(identities[0], d.hub.Info.Ports.MQTT), nil
}

// connect runs the connector as `azx run` would, from a file made by `azx config init`.
func (d *demo) connect(ctx context.Context) error {
	file := filepath.Join(d.dir, "azx.yaml")
	if _, err := config.Init(config.Ends{HubDir: d.hubDir(), PlatformDir: d.platformDir(), HubThing: hubThing}, file, false); err != nil {
		return err
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		return err
	}
	cfg.Admin.Listen = "127.0.0.1:0"
	return app.Run(ctx, app.Options{Config: cfg, Log: d.Log, Ready: func(r app.Running) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.running = r
	}})
}

// play lets the devices send until the time is over, ctx ends, or a part of the demo fails; then it waits
// until everything they sent has arrived.
func (d *demo) play(ctx, parts context.Context) error {
	playing, cancel := context.WithCancel(ctx)
	defer cancel()
	if d.For > 0 {
		playing, cancel = context.WithTimeout(ctx, d.For)
		defer cancel()
	}
	defer context.AfterFunc(parts, cancel)()
	d.introduce()

	fleet := supervise.New(playing)
	fleet.Go("devices", d.fleet.Run)
	fleet.Go("announcements", func(ctx context.Context) error { return errors.Join(d.announceFirst(ctx), d.announceRequests(ctx)) })
	if err := fleet.Wait(); err != nil {
		return err
	}
	settling, cancelSettling := context.WithTimeout(parts, settleTimeout)
	defer cancelSettling()
	d.until(settling, func() bool { return d.summary().Complete() })
	return nil
}

// until polls the platform's own store.
func (d *demo) until(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

func (d *demo) stop() error {
	var err error
	if d.platform != nil {
		d.platform.Stop()
		err = errors.Join(err, d.platform.Wait())
	}
	if d.hub != nil {
		d.hub.Stop()
		err = errors.Join(err, d.hub.Wait())
	}
	return err
}

func (d *demo) hubDir() string      { return filepath.Join(d.dir, "hub") }
func (d *demo) platformDir() string { return filepath.Join(d.dir, "platform") }

// introduce prints what to look at and what to try.
func (d *demo) introduce() {
	var b bytes.Buffer
	info := d.platform.Info
	fmt.Fprintf(&b, "\nThings and their values, live:  %s\n", info.Page)
	fmt.Fprintf(&b, "\nRead a value:\n  curl -s -H 'appKey: %s' -H 'Accept: application/json' %s/Things/demo-1/Properties/temperature\n", info.AppKey, info.URL)
	fmt.Fprintf(&b, "\nSend from your own code, with Microsoft's SDK (npm install azure-iot-device azure-iot-device-mqtt):\n")
	fmt.Fprintf(&b, snippet, d.hub.Info.CA, d.own)
	fmt.Fprintf(&b, "\nStop with Ctrl-C. Then try your own hub and platform: see README.md, \"Your own device\".\n\n")
	d.Out.Write(b.Bytes())
}

// snippet has places for the authority's file and the connection string.
const snippet = `  NODE_EXTRA_CA_CERTS=%s node -e '
    const { Client, Message } = require("azure-iot-device");
    const { Mqtt } = require("azure-iot-device-mqtt");
    const client = Client.fromConnectionString("%s", Mqtt);
    client.sendEvent(new Message(JSON.stringify({ temperature: 36.6 })), () => client.close());'
`

// announceRequests tells how to reach a device as soon as somebody carries requests to it.
func (d *demo) announceRequests(ctx context.Context) error {
	reachable := func() bool {
		thing, err := d.platform.Platform.Thing(ctx, "demo-1")
		return err == nil && thing.Connected
	}
	if !d.until(ctx, reachable) {
		return nil
	}
	info := d.platform.Info
	_, err := fmt.Fprintf(d.Out, requests, info.AppKey, info.URL)
	return err
}

// requests has places for the application key and the address of REST, which repeat.
const requests = `
Call a device: a direct method answers in its own words:
  curl -s -X POST -H 'appKey: %[1]s' -H 'Content-Type: application/json' -d '{"delay": 5}' %[2]s/Things/demo-1/Services/Restart
Write a property: it has the value once the device has told it:
  curl -s -X PUT -H 'appKey: %[1]s' -H 'Content-Type: application/json' -d '{"target": 42}' %[2]s/Things/demo-1/Properties/target
  curl -s -H 'appKey: %[1]s' -H 'Accept: application/json' %[2]s/Things/demo-1/Properties/target

`

// announceFirst tells when the first value is there to be seen.
func (d *demo) announceFirst(ctx context.Context) error {
	began := time.Now()
	if d.until(ctx, func() bool { return len(d.platform.Platform.Ledger().Read(thingworx.Query{Limit: 1})) > 0 }) {
		fmt.Fprintf(d.Out, "first value on the page %.1f s after the devices started\n", time.Since(began).Seconds())
	}
	return nil
}
