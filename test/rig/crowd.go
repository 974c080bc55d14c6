package rig

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
	"azx/internal/supervise"
)

// Crowd is devices of a hub that runs in the test. They have no connections, so there may be many.
type Crowd struct {
	rig  *Rig
	all  []iothub.Principal
	next []int // of each device; one goroutine sends
}

// startHubHere starts the hub in the test.
func (r *Rig) startHubHere(keeps iothub.Retention) {
	r.t.Helper()
	running, err := serve.Start(context.Background(), serve.Options{Dir: filepath.Join(r.Dir, "hub"), NoSync: true, Retention: keeps})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			r.t.Errorf("hub: %v", err)
		}
	})
	r.hub = running.Hub
	r.ReadHub()
}

// Crowd registers devices, PREFIX-00000 and so on, and makes a Thing with the property n for each.
func (r *Rig) Crowd(prefix string, count int) *Crowd {
	r.t.Helper()
	specs := make([]iothub.Spec, count)
	for i := range specs {
		specs[i].ID = iothub.ID{Device: fmt.Sprintf("%s-%05d", prefix, i)}
	}
	added, err := r.hub.Registry().Add(specs...)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &Crowd{rig: r, next: make([]int, count)}
	for _, identity := range added {
		c.all = append(c.all, iothub.Principal{ID: identity.ID, GenerationID: identity.GenerationID, Rights: iothub.DeviceConnect})
	}
	c.addThings()
	return c
}

// addThings makes the Things of a crowd, several at a time.
func (c *Crowd) addThings() {
	c.rig.t.Helper()
	group := supervise.New(context.Background())
	var taken atomic.Int64
	for range 4 {
		group.Go("make Things", func(context.Context) error {
			for i := taken.Add(1) - 1; int(i) < len(c.all); i = taken.Add(1) - 1 {
				if err := c.addThing(c.all[i].ID.Device); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		c.rig.t.Fatal(err)
	}
}

func (c *Crowd) addThing(name string) error {
	platform, at := c.rig.Platform, "Things/"+name
	call := func(of, service string, parameters map[string]any) error {
		_, err := platform.TryCall(of, service, parameters)
		return err
	}
	return cmp.Or(
		call("Resources/EntityServices", "CreateThing", map[string]any{"name": name, "thingTemplateName": "AzureIotThing"}),
		call(at, "AddPropertyDefinition", map[string]any{"name": "n", "type": "INTEGER"}),
		call(at, "SetRemotePropertyBinding", map[string]any{"propertyName": "n", "sourcePropertyName": "n", "pushType": "ALWAYS"}),
		call(at, "EnableThing", nil),
		platform.WriteProperty(name, "gatewayThing", HubThing),
	)
}

// Len is how many devices there are.
func (c *Crowd) Len() int { return len(c.all) }

// Send has device i send its next number.
func (c *Crowd) Send(i int) {
	c.rig.t.Helper()
	p, n := c.all[i], c.next[i]
	_, err := c.rig.hub.Accept(p, iothub.Message{
		Body: fmt.Appendf(nil, `{"n":%d}`, n), ContentType: "application/json", ContentEncoding: "utf-8",
		Properties: map[string]string{"iothub-creation-time-utc": time.Now().UTC().Format("2006-01-02T15:04:05.000Z")},
	})
	if err != nil {
		c.rig.t.Fatal(err)
	}
	c.next[i]++
	c.rig.account.note(p.ID.Device, n)
}

// Delays are the times from a device's message to the platform's acknowledgement, of all that came once, shortest first.
func (c *Crowd) Delays() []time.Duration {
	ours := map[string]bool{}
	for _, p := range c.all {
		ours[p.ID.Device] = true
	}
	a := c.rig.account
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[numbered]bool{}
	var all []time.Duration
	for _, w := range a.written {
		if m := (numbered{w.Thing, w.Number}); ours[w.Thing] && !seen[m] {
			seen[m] = true
			all = append(all, time.Duration(w.Received-w.Time)*time.Millisecond)
		}
	}
	slices.SortFunc(all, cmp.Compare)
	return all
}
