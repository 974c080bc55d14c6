package rig

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/local/devices"
	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/internal/supervise"
)

// Device is a device that numbers its messages.
type Device struct {
	*devices.Device
	ID string

	rig  *Rig
	mu   sync.Mutex // one message after the other, so that the hub has them in the order of their numbers
	next int
}

// addDevices registers devices, makes a Thing with the property n for each, and connects them.
func (r *Rig) addDevices(count int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	specs := make([]iothub.Spec, count)
	for i := range specs {
		specs[i].ID = iothub.ID{Device: fmt.Sprintf("press-%03d", i)}
	}
	added, err := control.NewClient(r.Hub.Control).AddDevices(ctx, specs...)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range added {
		r.AddThingOf(d.ID.Device)
		r.Devices = append(r.Devices, r.connect(ctx, d, nil))
	}
}

// AddThingOf makes the Thing of a device behind the hub Thing, with the remote property n.
func (r *Rig) AddThingOf(device string) {
	r.t.Helper()
	r.Platform.Call("Resources/EntityServices", "CreateThing", map[string]any{"name": device, "thingTemplateName": "AzureIotThing"})
	r.Platform.Call("Things/"+device, "EnableThing", map[string]any{})
	if err := r.Platform.WriteProperty(device, "gatewayThing", HubThing); err != nil {
		r.t.Fatal(err)
	}
	r.Platform.AddProperty(device, "n", "INTEGER")
}

// AddApplicationKey makes an application key on the platform, and returns it.
func (r *Rig) AddApplicationKey(name string) string {
	r.t.Helper()
	key := r.Platform.AddApplicationKey(name)
	r.secrets = append(r.secrets, key)
	return key
}

// AddDevice registers and connects one more device; method, which may be nil, answers its direct methods.
func (r *Rig) AddDevice(id string, method func(d *devices.Device, name string, payload []byte) (int, []byte)) *Device {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	added, err := control.NewClient(r.Hub.Control).AddDevices(ctx, iothub.Spec{ID: iothub.ID{Device: id}})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.connect(ctx, added[0], method)
}

func (r *Rig) connect(ctx context.Context, d control.Device, method func(*devices.Device, string, []byte) (int, []byte)) *Device {
	r.t.Helper()
	credentials, err := iothub.ParseCredentials(d.ConnectionString)
	if err != nil {
		r.t.Fatal(err)
	}
	pem, err := os.ReadFile(r.Hub.CA)
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	connected, err := devices.Connect(ctx, devices.Config{Credentials: credentials, Roots: roots, Method: method, Clock: r.clock,
		Address: fmt.Sprintf("127.0.0.1:%d", r.Hub.Ports.MQTT)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(connected.Close)
	r.secrets = append(r.secrets, credentials.Key)
	return &Device{Device: connected, ID: d.ID.Device, rig: r}
}

// SendNext sends the device's next number, and notes it once the hub has acknowledged it.
func (d *Device) SendNext(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.next
	if err := d.Send(ctx, fmt.Appendf(nil, `{"n":%d}`, n)); err != nil {
		return err
	}
	d.next++
	d.rig.account.note(d.ID, n)
	return nil
}

// Load is messages that devices send until it is stopped.
type Load struct {
	rig   *Rig
	group *supervise.Group
	sent  atomic.Int64
}

// Load has all devices send, together so many messages a second.
func (r *Rig) Load(rate int) *Load {
	l := &Load{rig: r, group: supervise.New(context.Background())}
	for _, d := range r.Devices {
		l.group.Go("load of "+d.ID, func(ctx context.Context) error {
			pace := time.NewTicker(time.Duration(len(r.Devices)) * time.Second / time.Duration(rate))
			defer pace.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-pace.C:
				}
				// Without ctx: what was given to the client may reach the hub, and would have to be known.
				if err := d.SendNext(context.Background()); err != nil {
					return err
				}
				l.sent.Add(1)
			}
		})
	}
	r.t.Cleanup(func() { l.group.Stop() })
	return l
}

// Stop ends the load once all that was sent is acknowledged by the hub.
func (l *Load) Stop() {
	l.rig.t.Helper()
	l.group.Stop()
	if err := l.group.Wait(); err != nil {
		l.rig.t.Fatal(err)
	}
}

// For lets the load go on for a while.
func (l *Load) For(d time.Duration) { l.rig.Pass(d) }
