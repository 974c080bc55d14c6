package badinput

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"azx/internal/quarantine"
	"azx/test/process"
)

// What a device may be called is for the hub to say; what it may write to is for the connector.
func TestADeviceWhoseNameIsTakenWritesNothing(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.addThing("Pump", "temperature:NUMBER")
	c.addThing("LocalHub", "temperature:NUMBER") // a person may give the hub Thing properties that look remote
	c.addThing("System", "temperature:NUMBER")
	for _, d := range []struct {
		name, id string
		reason   string
		says     string
	}{
		{"as a Thing of the system", "ConnectionServicesHub", "not-remote", "not a remote Thing"},
		{"as a Thing of the system that is a remote Thing", "System", "not-allowed", "may not write to this Thing"},
		{"as the Thing of its hub", "LocalHub", "not-allowed", "may not write to this Thing"},
	} {
		t.Run(d.name, func(t *testing.T) {
			before := len(c.written(d.id))
			bad := c.on(t, d.id)
			c.neighbourSends(t)
			bad.send(said(), `{"temperature":1,"name":"x","isConnected":false}`)
			c.neighbourSends(t)
			c.accepted += 3
			c.connector.untilSettled(t, c.accepted)
			c.neighbourHasAll(t)
			c.mustBeDead(t, d.id, `{"temperature":1,"name":"x","isConnected":false}`, d.reason, d.says)
			if got := c.written(d.id); len(got) != before {
				t.Errorf("written: %q", got)
			}
		})
	}
	t.Run("as another but for the case", func(t *testing.T) {
		first, second := c.on(t, "Pump"), c.on(t, "pUMP")
		first.send(said(), `{"temperature":1}`)
		second.send(said(), `{"temperature":99}`)
		first.send(said(), `{"temperature":2}`)
		c.accepted += 3
		c.connector.untilSettled(t, c.accepted)
		if got := c.written("Pump"); !slices.Equal(got, []string{"temperature=1", "temperature=2"}) {
			t.Errorf("written: %q", got)
		}
		c.mustBeDead(t, "pUMP", `{"temperature":99}`, "undecodable", `device id "pUMP" differs from "Pump" by case only`)
	})
	c.finish(t)
}

// mustBeDead looks for the only message of a device in the quarantine.
func (c *chain) mustBeDead(t *testing.T, id, body, reason, says string) {
	t.Helper()
	all, err := deadLetters(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(all[id]) != 1 {
		t.Fatalf("the quarantine has %d messages of the device", len(all[id]))
	}
	r := all[id][0]
	if string(r.Body) != body || r.Reason != reason || !strings.Contains(r.Error, says) || r.Hint == "" {
		t.Errorf("the quarantine has %q because of %q, %q, hint %q", r.Body, r.Reason, r.Error, r.Hint)
	}
	c.dead[id] = r
}

func TestOfADeviceWithoutAThingTheLastTenMessagesAreKeptAndWrittenOnceItHasOne(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	lost, found := c.on(t, "lost-1"), c.on(t, "found-1")
	c.neighbourSends(t)
	for n := range 12 {
		lost.send(said(), fmt.Sprintf(`{"temperature":%d}`, n))
		found.send(said(), fmt.Sprintf(`{"temperature":%d}`, n))
	}
	lost.send(said(), `{"temperature":`) // cannot be read: it is no message to keep
	c.neighbourSends(t)
	c.accepted += 27
	c.connector.untilSettled(t, c.accepted)
	c.neighbourHasAll(t)
	c.mustBeDead(t, "lost-1", `{"temperature":`, "undecodable", "decode body")
	c.connector.untilPage(t, "/metrics", 200, `azx_messages_evicted_total{hub="LocalHub"} 4`)

	c.addThing("found-1", "temperature:NUMBER")
	var want []string
	for n := 2; n < 12; n++ {
		want = append(want, fmt.Sprintf("temperature=%d", n))
	}
	// The connector asks for the Thing again every 10 seconds.
	process.Eventually(t, 2*patience, "the kept messages are written", func() error {
		if got := c.written("found-1"); !slices.Equal(got, want) {
			return fmt.Errorf("written: %q", got)
		}
		return nil
	})
	found.send(said(), `{"temperature":100}`)
	c.accepted++
	c.connector.untilSettled(t, c.accepted)
	if got := c.written("found-1"); !slices.Equal(got, append(want, "temperature=100")) {
		t.Errorf("written: %q", got)
	}
	c.finish(t)

	shelf, err := quarantine.OpenShelf(filepath.Join(c.dir, "azx-data", "quarantine", "kept"), quarantine.ShelfLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer shelf.Close()
	if devices := shelf.Devices("LocalHub"); !slices.Equal(devices, []string{"lost-1"}) {
		t.Errorf("messages of %q are kept", devices)
	}
	kept, err := shelf.Kept("LocalHub", "lost-1")
	if err != nil || len(kept) != 10 {
		t.Fatalf("%d messages are kept, %v", len(kept), err)
	}
	for i, r := range kept {
		if string(r.Body) != fmt.Sprintf(`{"temperature":%d}`, i+2) || r.Reason != "no-thing" || r.Hint == "" {
			t.Errorf("message %d is %q because of %q, hint %q", i, r.Body, r.Reason, r.Hint)
		}
	}
}
