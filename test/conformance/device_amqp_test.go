package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
	"azx/test/process"
)

// core is a local hub in the process of the test, which sees both ends of what a device does.
type core struct {
	*serve.Running
	t  *testing.T
	ca string // PEM file
}

func newCore(t *testing.T) *core {
	t.Helper()
	running, err := serve.Start(t.Context(), serve.Options{FeedbackDelay: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, running.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	return &core{Running: running, t: t, ca: ca}
}

// node starts a program of the Node SDKs that trusts the hub.
func (c *core) node(program string, env ...string) talker {
	c.t.Helper()
	env = append(append(os.Environ(), "NODE_EXTRA_CA_CERTS="+c.ca), env...)
	return talker{c.t, process.Start(c.t, process.Command{Name: "node", Args: []string{program}, Env: env})}
}

// register adds a device or module.
func (c *core) register(id iothub.ID) iothub.Identity {
	c.t.Helper()
	specs := []iothub.Spec{{ID: iothub.ID{Device: id.Device}}}
	if id.Module != "" {
		specs = append(specs, iothub.Spec{ID: id})
	}
	added, err := c.Hub.Registry().Add(specs...)
	if err != nil {
		c.t.Fatal(err)
	}
	return added[len(added)-1]
}

// device registers a device or module and starts it, up to its first message.
func (c *core) device(id iothub.ID, transport string) talker {
	c.t.Helper()
	return c.again(c.register(id), transport)
}

// again starts a device that is registered.
func (c *core) again(identity iothub.Identity, transport string) talker {
	c.t.Helper()
	port := map[string]int{"amqp": c.Info.Ports.AMQPS, "mqtt": c.Info.Ports.MQTT}[transport]
	d := c.node("device_amqp.js", "AZX_CONNECTION="+c.Hub.DeviceConnectionString(identity, port), "AZX_TRANSPORT="+transport)
	d.UntilPrinted(time.Minute, `{"sent":true}`)
	return d
}

// talker is a Node program that prints a JSON line for everything that happens.
type talker struct {
	t *testing.T
	*process.Child
}

// said are the values of a member of all lines printed so far that have it, in their order.
func (p talker) said(member string) (all []any) {
	p.t.Helper()
	for line := range strings.Lines(p.Stdout()) {
		var one map[string]any
		if !strings.HasSuffix(line, "\n") {
			break // not whole yet
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			p.t.Fatalf("%q: %v", line, err)
		}
		if got, has := one[member]; has {
			all = append(all, got)
		}
	}
	return all
}

// says waits until a member has had exactly these values.
func (p talker) says(member string, want ...any) {
	p.t.Helper()
	p.Until(patience, fmt.Sprintf("%s is %v", member, want), func() error {
		if got := p.said(member); !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%s is %v", member, got)
		}
		return nil
	})
}

type object = map[string]any

// deviceKinds are what the SDKs can be.
var deviceKinds = []struct {
	name, transport string
	id              iothub.ID
}{
	{"a device over AMQP", "amqp", iothub.ID{Device: "pump-1"}},
	{"a module over AMQP", "amqp", iothub.ID{Device: "edge-1", Module: "press"}},
	{"a device over MQTT", "mqtt", iothub.ID{Device: "pump-1"}},
	{"a module over MQTT", "mqtt", iothub.ID{Device: "edge-1", Module: "press"}},
	{"a device over AMQP whose id needs escaping elsewhere", "amqp", iothub.ID{Device: "pump#1+2%20=?"}},
}

func TestTheSDKReadsAndReportsItsTwinAndHearsOfChanges(t *testing.T) {
	t.Parallel()
	for _, v := range deviceKinds {
		t.Run(v.name, func(t *testing.T) {
			c := newCore(t)
			identity := c.register(v.id)
			c.desire(v.id, object{"rate": 5.0})
			d := c.again(identity, v.transport)
			d.says("twin", object{"desired": object{"$version": 2.0, "rate": 5.0}, "reported": object{"$version": 1.0}})
			twin, err := c.Hub.Twin(v.id)
			if err != nil || !reflect.DeepEqual(twin.Reported.Values, object{"firmware": "1.0"}) || twin.Reported.Version != 2 {
				t.Errorf("reported %v of version %d, %v", twin.Reported.Values, twin.Reported.Version, err)
			}
			if got := d.said("refused"); len(got) != 1 {
				t.Errorf("a report with a name that may not be: refused %v", got)
			}
			c.desire(v.id, object{"rate": 7.0, "nested": object{"a": true}})
			// The SDK tells its listener of what is there first.
			d.says("desired", object{"$version": 2.0, "rate": 5.0}, object{"$version": 3.0, "rate": 7.0, "nested": object{"a": true}})
		})
	}
}

func (c *core) desire(id iothub.ID, properties object) {
	c.t.Helper()
	if _, err := c.Hub.PatchTwin(id, "", iothub.TwinUpdate{Desired: properties}); err != nil {
		c.t.Fatal(err)
	}
}

func TestTheSDKsTelemetryIsInTheLogWithItsProperties(t *testing.T) {
	t.Parallel()
	for _, v := range deviceKinds {
		t.Run(v.name, func(t *testing.T) {
			c := newCore(t)
			d := c.device(v.id, v.transport)
			if failed := append(d.said("error"), d.said("input")...); len(failed) > 0 {
				t.Errorf("the device says %v", failed)
			}
			events, _, err := c.Hub.Read(t.Context(), c.Hub.PartitionOf(v.id.Device), 0, 10)
			if err != nil || len(events) != 1 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			e := events[0]
			output := ""
			if v.id.Module != "" {
				output = "out1"
			}
			if string(e.Body) != `{"n":1}` || e.From != v.id || e.OutputName != output ||
				!reflect.DeepEqual(e.Properties, map[string]string{"line": "a/b & c=d"}) ||
				e.MessageID != "0b8d3a52-3f47-4a27-9a3c-0a1b2c3d4e5f" || e.CorrelationID != "about-7" ||
				e.ContentType != "application/json" || e.ContentEncoding != "utf-8" {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// TestFault5 has the number of its fault in docs/conformance.md.
func TestFault5TheCorrelationIDsOfMethodsAreValidUUIDs(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, v := range deviceKinds {
		t.Run(v.name, func(t *testing.T) {
			c := newCore(t)
			d := c.device(v.id, v.transport)
			const calls = 20
			for n := range calls {
				payload := fmt.Appendf(nil, `{"n":%d}`, n)
				// A method is listened for once the hub has confirmed it; the SDK tells nobody.
				got, err := c.Hub.Invoke(within(t), v.id, iothub.MethodCall{Name: "echo", Payload: payload, ConnectTimeout: patience})
				if err != nil || got.Status != 207 || string(got.Payload) != fmt.Sprintf(`{"echo":%s}`, payload) {
					t.Fatalf("call %d: %d %s, %v", n, got.Status, got.Payload, err)
				}
			}
			d.Until(patience, "the device says of which calls it heard", func() error {
				if n := len(d.said("method")); n != calls {
					return fmt.Errorf("%d of %d", n, calls)
				}
				return nil
			})
			for _, id := range d.said("method") {
				if v.transport == "amqp" && !valid.MatchString(fmt.Sprint(id)) {
					t.Errorf("request id %v", id)
				}
			}
		})
	}
}

func TestASecondConnectionOfADeviceEndsTheFirst(t *testing.T) {
	t.Parallel()
	for _, transports := range [][2]string{{"amqp", "amqp"}, {"mqtt", "amqp"}, {"amqp", "mqtt"}} {
		t.Run(transports[0]+" by "+transports[1], func(t *testing.T) {
			c := newCore(t)
			identity := c.register(iothub.ID{Device: "pump-1"})
			first := c.again(identity, transports[0])
			second := c.again(identity, transports[1])
			first.Until(patience, "the first one hears of it", func() error {
				if len(first.said("lost")) == 0 {
					return errors.New("it has heard nothing")
				}
				return nil
			})
			if _, err := c.Hub.Invoke(within(t), identity.ID, iothub.MethodCall{Name: "echo", ConnectTimeout: patience}); err != nil {
				t.Errorf("the second one does not answer: %v", err)
			}
			if lost := second.said("lost"); len(lost) > 0 {
				t.Errorf("the second one is lost too: %v", lost)
			}
		})
	}
}

func TestADisabledDeviceIsSentAwayAndComesNotBack(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	identity := c.register(iothub.ID{Device: "pump-1"})
	d := c.again(identity, "amqp")
	if err := c.Hub.Registry().SetDisabled(identity.ID, true); err != nil {
		t.Fatal(err)
	}
	d.says("lost", "UnauthorizedError")
	again := c.node("device_amqp.js", "AZX_CONNECTION="+c.Hub.DeviceConnectionString(identity, c.Info.Ports.AMQPS), "AZX_TRANSPORT=amqp")
	if code := again.Wait(patience); code == 0 || !strings.Contains(again.Stderr(), "UnauthorizedError") {
		t.Errorf("it ended with %d: %s", code, again.Stderr())
	}
}
