package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
	"azx/test/process"
)

// The crowd: devices with a Thing send once a second, while many more without one send too, all of
// them once at the very beginning.
const (
	known, unknown = 300, 5000
	lasts          = 10 * time.Second
	heldUp         = 5 * time.Second // from the hub's acceptance to the platform's acknowledgement
)

// TestDevicesWithoutThingsDoNotHoldUpTheOthers puts 5,000 devices without a Thing beside 300 that have
// one. The hub runs in the test, so that 5,300 devices need no connections; what follows it is real.
func TestDevicesWithoutThingsDoNotHoldUpTheOthers(t *testing.T) {
	stack := process.NewPlatform(t, azx)
	hub := startHub(t, stack)
	crowd := newCrowd(t, hub)
	for _, p := range crowd.known {
		stack.Platform.CreateThing(p.ID.Device)
		stack.Platform.AddProperty(p.ID.Device, "n", "INTEGER")
	}
	stack.Configure()
	connector := stack.Connect()

	seen := newDeliveries(t, stack.Platform)
	crowd.send()
	total := len(crowd.sent)
	connector.Until(time.Minute, "every message of a device with a Thing is delivered", func() error {
		return seen.atLeast(total)
	})
	waits := crowd.waits(stack.Platform.Ledger(0))
	t.Logf("%d messages of %d devices with Things, beside %d of %d without: half within %s, 99 %% within %s, all within %s",
		total, known, crowd.others, unknown, waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1])
	if worst := waits[len(waits)-1]; worst > heldUp {
		t.Errorf("a message waited for %s", worst)
	}
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}

// startHub runs a hub in the test. It keeps its events in memory: a disk that syncs each message would set
// the pace. Its folder in the stack gets what tools need to find it.
func startHub(t *testing.T, stack *process.Stack) *iothub.Hub {
	t.Helper()
	running, err := serve.Start(t.Context(), serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	info := running.Info
	info.CA = "ca.pem"
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	stack.WriteFile("hub/ca.pem", running.CA)
	stack.WriteFile("hub/hub.json", text)
	stack.ReadHub()
	return running.Hub
}

// crowd is what the devices did.
type crowd struct {
	t              *testing.T
	hub            *iothub.Hub
	known, unknown []iothub.Principal
	sent           map[numbered]time.Time // when the hub took a message of a device with a Thing
	others         int                    // messages of devices without
}

// numbered is message n of a device.
type numbered struct {
	device string
	n      int
}

func newCrowd(t *testing.T, hub *iothub.Hub) *crowd {
	t.Helper()
	return &crowd{t: t, hub: hub, known: register(t, hub, "known", known), unknown: register(t, hub, "unknown", unknown), sent: map[numbered]time.Time{}}
}

func register(t *testing.T, hub *iothub.Hub, prefix string, count int) []iothub.Principal {
	t.Helper()
	var specs []iothub.Spec
	for i := range count {
		specs = append(specs, iothub.Spec{ID: iothub.ID{Device: fmt.Sprintf("%s-%04d", prefix, i)}})
	}
	added, err := hub.Registry().Add(specs...)
	if err != nil {
		t.Fatal(err)
	}
	var all []iothub.Principal
	for _, identity := range added {
		all = append(all, iothub.Principal{ID: identity.ID, GenerationID: identity.GenerationID, Rights: iothub.DeviceConnect})
	}
	return all
}

// send lets every device without a Thing send at once, and then all of them regularly: in every tenth
// of a second a tenth of those with a Thing and a fiftieth of the others.
func (c *crowd) send() {
	c.t.Helper()
	for _, p := range c.unknown {
		c.sendOne(p, 0)
		c.others++
	}
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for tick := range int(lasts / (100 * time.Millisecond)) {
		<-pace.C
		for i := tick % 10; i < len(c.known); i += 10 {
			c.sent[numbered{c.known[i].ID.Device, tick / 10}] = time.Now()
			c.sendOne(c.known[i], tick/10)
		}
		for i := tick % 50; i < len(c.unknown); i += 50 {
			c.sendOne(c.unknown[i], tick)
			c.others++
		}
	}
}

func (c *crowd) sendOne(p iothub.Principal, n int) {
	c.t.Helper()
	message := iothub.Message{Body: fmt.Appendf(nil, `{"n":%d}`, n), ContentType: "application/json", ContentEncoding: "utf-8"}
	if _, err := c.hub.Accept(p, message); err != nil {
		c.t.Fatal(err)
	}
}

// waits returns how long each message of a device with a Thing took, shortest first.
func (c *crowd) waits(ledger []process.Entry) []time.Duration {
	c.t.Helper()
	var all []time.Duration
	for _, e := range ledger {
		var n int
		if err := json.Unmarshal(e.Value, &n); err != nil || e.Property != "n" {
			continue
		}
		if at, ok := c.sent[numbered{e.Thing, n}]; ok {
			all = append(all, time.UnixMilli(e.Received).Sub(at))
		}
	}
	slices.Sort(all)
	return all
}
