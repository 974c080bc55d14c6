// Package rig runs a hub, a platform and connectors as processes, with a network between them that a test can harm, and
// keeps account of every message: docs/reliability.md says which invariants it checks.
package rig

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/azurite"
	"azx/test/process"
)

// HubThing is the hub Thing of a rig.
const HubThing = "FaultHub"

// Options say what a case needs; the zero value is one connector and 20 devices.
type Options struct {
	Connectors int // default 1
	// Shared has the connectors share the hub through a container.
	Shared   bool
	Devices  int // default 20
	Hub      []string
	Platform []string
	// Edit changes the files of the connectors.
	Edit func(config map[string]any)
	// Skips tells which messages a rule leaves out.
	Skips func(Event) bool
	// Receiver is what the connectors read with, "fast" or "sdk"; "" is their default.
	Receiver string
	// RaceBuilt says that azx is built with the race detector.
	RaceBuilt bool
	// Late is how many requests may be applied late: one for each lane whose requests were given up.
	Late int
	// Lanes is how many lanes connectors have; then the account knows how many requests they have under way. 0: as they are.
	Lanes int
	// Ahead is how far the clocks of hub and devices are ahead of the connectors'.
	Ahead time.Duration
	// HubHere runs the hub in the test, for a Crowd; Hub is of no use then.
	HubHere bool
	// Retention bounds the log of a hub in the test.
	Retention iothub.Retention
}

// Rig is the parts of a case.
type Rig struct {
	*process.Stack
	Connectors []*Connector
	Devices    []*Device
	// Shared is nil unless the connectors share the hub.
	Shared *Shared
	// HubProcess is the hub's; nil where it runs in the test.
	HubProcess *process.Child

	t          testing.TB
	azx        process.Binary
	account    *account
	reader     *reader
	secrets    []string
	after      uint64 // of the platform's ledger
	hubFlags   []string
	lanes      int
	receiver   string
	raceBuilt  bool
	ahead      atomic.Int64 // of the hub's clock and the devices', in nanoseconds
	hub        *iothub.Hub  // nil where it is a process
	failedOver bool         // the hub has begun a new log
}

// New starts a hub, a platform and devices, and prepares connectors, which the case starts.
func New(t testing.TB, azx process.Binary, o Options) *Rig {
	t.Helper()
	r := &Rig{t: t, azx: azx, account: newAccount(), hubFlags: o.Hub, receiver: o.Receiver, raceBuilt: o.RaceBuilt}
	r.account.skips, r.account.late, r.lanes = o.Skips, o.Late, o.Lanes
	if o.Lanes > 0 {
		r.account.underWay = 8*(o.Lanes+max(1, o.Lanes/4)) + o.Lanes // a lane sends for eight Things, twice where a slow one holds it up, and beside that for one it had to ask for
	}
	r.ahead.Store(int64(o.Ahead))
	r.Stack = process.NewPlatform(t, azx, o.Platform...)
	if o.HubHere {
		r.startHubHere(o.Retention)
	} else {
		r.StartHub(0, 0, 0)
	}
	r.Run("hub", "group", "add", ledgerGroup, "--dir", "hub")
	r.AddHubThing(HubThing)
	if o.Devices == 0 {
		o.Devices = 20
	}
	r.addDevices(o.Devices)
	r.reader = r.readHub()
	if o.Shared {
		r.Shared = startShared(t, r.account)
		r.secrets = append(r.secrets, azurite.Key)
	}
	for i := range max(1, o.Connectors) {
		r.addConnector(fmt.Sprintf("azx-%d", i+1), o.Edit)
	}
	r.secrets = append(r.secrets, r.Platform.AppKey, keyOf(r.Hub.ServiceConnectionString), keyOf(r.Hub.EventHubsConnectionString))
	t.Cleanup(r.keep)
	return r
}

// StartHub starts the hub, at the ports given, 0 for any.
func (r *Rig) StartHub(mqtt, amqps, https int) {
	r.t.Helper()
	args := []string{"hub", "--dir", "hub", "--no-sync", "--amqp", "0", "--mqtt", fmt.Sprint(mqtt), "--amqps", fmt.Sprint(amqps), "--https", fmt.Sprint(https),
		"--clock-offset", time.Duration(r.ahead.Load()).String()}
	r.HubProcess = r.Start(append(args, r.hubFlags...)...)
	r.HubProcess.UntilPrinted(time.Minute, "ready")
	r.ReadHub()
}

// RestartHub kills the hub and starts it again where it was.
func (r *Rig) RestartHub() {
	r.t.Helper()
	ports := r.Hub.Ports
	r.HubProcess.Kill()
	r.StartHub(ports.MQTT, ports.AMQPS, ports.HTTPS)
	r.FollowHub()
}

// SetClock kills the hub and starts it again where it was with its clock ahead of this machine's by so much, and the devices'
// as well. Nothing of it is read until FollowHub.
func (r *Rig) SetClock(ahead time.Duration) {
	r.t.Helper()
	ports := r.Hub.Ports
	r.HubProcess.Kill()
	r.ahead.Store(int64(ahead))
	r.StartHub(ports.MQTT, ports.AMQPS, ports.HTTPS)
}

// clock is that of the devices.
func (r *Rig) clock() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// FollowHub reads the log that the hub has now, after it was started again or has failed over.
func (r *Rig) FollowHub() {
	r.t.Helper()
	r.reader.stop()
	r.ReadHub()
	r.account.mu.Lock()
	log := r.account.era(logOf(r.Hub.EventHubsConnectionString))
	r.account.events = slices.DeleteFunc(r.account.events, func(e Event) bool { return e.Log == log }) // they are read again
	r.account.mu.Unlock()
	r.reader = r.readHub()
}

// addConnector prepares a connector with wires of its own to everybody else.
func (r *Rig) addConnector(name string, edit func(map[string]any)) {
	r.t.Helper()
	at, err := url.Parse(r.Platform.WS)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &Connector{
		Name: name, rig: r,
		AMQP:     StartWire(r.t, fmt.Sprintf("127.0.0.1:%d", r.Hub.Ports.AMQPS)),
		HTTPS:    StartWire(r.t, fmt.Sprintf("127.0.0.1:%d", r.Hub.Ports.HTTPS)),
		Platform: StartWire(r.t, at.Host),
	}
	if r.Shared != nil {
		r.Shared.join(r.t, c)
	}
	r.Configure(c, edit)
	watchFolder(r.t, name, filepath.Join(r.Dir, name, "checkpoint"), r.account.saved)
	r.Connectors = append(r.Connectors, c)
}

// Configure writes the file of a connector.
func (r *Rig) Configure(c *Connector, edit func(map[string]any)) {
	r.t.Helper()
	wires := func(config map[string]any) {
		config["platform"].(map[string]any)["urls"] = []string{"ws://" + c.Platform.Address + "/Thingworx/WS"}
		config["hubs"].([]any)[0].(map[string]any)["endpoints"] = map[string]any{"amqps": c.AMQP.Address, "https": c.HTTPS.Address}
		config["requestTimeout"] = "2s"
		if r.lanes > 0 {
			config["lanes"] = r.lanes
		}
		if r.Shared != nil {
			r.Shared.use(c, config)
		}
		if edit != nil {
			edit(config)
		}
		for _, hub := range config["hubs"].([]any) {
			if r.receiver != "" {
				hub.(map[string]any)["receiver"] = r.receiver
			}
		}
	}
	r.ConfigureFor(HubThing, c.Name, wires)
}

// Collect takes what is new in the platform's ledger.
func (r *Rig) Collect() error {
	entries, err := r.Platform.TryLedger(r.after)
	r.account.add(entries)
	if n := len(entries); n > 0 {
		r.after = entries[n-1].Index
	}
	return err
}

// StopPlatform ends the platform, whose ledger is taken first while nothing reaches it.
func (r *Rig) StopPlatform() {
	r.t.Helper()
	for _, c := range r.Connectors {
		c.Platform.Set(Weather{Hole: Both})
	}
	r.Pass(100 * time.Millisecond) // for what had reached it
	if err := r.Collect(); err != nil {
		r.t.Fatal(err)
	}
	r.PlatformProcess.Stop()
	for _, c := range r.Connectors {
		c.Platform.Cut()
		c.Platform.Clear()
	}
}

// StartPlatformAgain starts it where it was.
func (r *Rig) StartPlatformAgain() {
	r.t.Helper()
	r.RestartPlatform()
	r.after = 0
}

// Pass lets time pass: what is not to happen needs some to happen in.
func (r *Rig) Pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// Written is how many messages the platform has taken, each counted once.
func (r *Rig) Written() int {
	r.t.Helper()
	if err := r.Collect(); err != nil {
		r.t.Fatal(err)
	}
	_, _, written := r.account.counts()
	return written
}

// WrittenOf is how many messages of a device the platform has taken.
func (r *Rig) WrittenOf(device string) (n int) {
	r.t.Helper()
	if err := r.Collect(); err != nil {
		r.t.Fatal(err)
	}
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	for _, w := range r.account.written {
		if w.Thing == device {
			n++
		}
	}
	return n
}

// P99 is the time within which 99 of 100 messages of the devices but one reached the platform, of those that were sent since.
func (r *Rig) P99(since time.Time, but string) time.Duration {
	r.t.Helper()
	if err := r.Collect(); err != nil {
		r.t.Fatal(err)
	}
	delays := r.account.delays(since.UnixMilli(), but)
	if len(delays) == 0 {
		r.t.Fatal("no message has reached the platform")
	}
	slices.Sort(delays)
	return time.Duration(delays[len(delays)*99/100]) * time.Millisecond
}

// Repeats is how many messages were written again.
func (r *Rig) Repeats() int { return r.account.repeats() }

// Unfinished are the messages that the hub has and that have not come to their end.
func (r *Rig) Unfinished() []Event {
	r.t.Helper()
	if err := r.Collect(); err != nil {
		r.t.Fatal(err)
	}
	open, err := r.account.unfinished(r.quarantines())
	if err != nil {
		r.t.Fatal(err)
	}
	return open
}

// Grows waits until the platform has taken so many messages more than now.
func (r *Rig) Grows(within time.Duration, by int) {
	r.t.Helper()
	from := r.Written()
	process.Eventually(r.t, within, fmt.Sprintf("%d more messages are written", by), func() error {
		if now := r.Written(); now < from+by {
			return fmt.Errorf("%d are", now-from)
		}
		return nil
	})
}

// Quiet waits until the hub has all that was sent, and all of it has come to its end.
func (r *Rig) Quiet(within time.Duration) {
	r.t.Helper()
	process.Eventually(r.t, within, "every message comes to its end", func() error {
		if err := r.Collect(); err != nil {
			return err
		}
		sent, accepted, written := r.account.counts()
		open, err := r.account.unfinished(r.quarantines())
		if err == nil && (accepted < sent || len(open) > 0) {
			err = fmt.Errorf("%d sent, %d read from the hub, %d written, %d open", sent, accepted, written, len(open))
			if len(open) > 0 {
				err = fmt.Errorf("%w, the first of them %s", err, open[0])
			}
		}
		return err
	})
}

func (r *Rig) quarantines() (dirs []string) {
	for _, c := range r.Connectors {
		dirs = append(dirs, c.quarantine())
	}
	return dirs
}

// keyOf is the key in a connection string.
func keyOf(connectionString string) string {
	_, key, _ := strings.Cut(connectionString, "SharedAccessKey=")
	key, _, _ = strings.Cut(key, ";")
	return key
}
