package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// hubThing is the hub Thing of the tests in this file.
const hubThing = "Plant"

// peer is a device or module of Microsoft's SDK: twoway.js.
type peer struct {
	t *testing.T
	*process.Child
}

// newPeer starts a device or module that answers methods; echoes are names of methods that answer with their payload.
func newPeer(t *testing.T, at *site, connection, transport string, echoes ...string) peer {
	t.Helper()
	if transport == "amqp" { // the string names the port of MQTT
		ports := at.stack.Hub.Ports
		connection = strings.Replace(connection, fmt.Sprintf(":%d;", ports.MQTT), fmt.Sprintf(":%d;", ports.AMQPS), 1)
	}
	child := process.Start(t, process.Command{Name: "node", Args: []string{"twoway.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+at.stack.Hub.CA, "AZX_CONNECTION="+connection, "AZX_TRANSPORT="+transport,
		"AZX_ECHO="+strings.Join(echoes, ","))})
	child.UntilPrinted(time.Minute, `{"ready"`)
	return peer{t, child}
}

// hears waits until the peer has printed a line whose member has the value.
func (p peer) hears(member string, want any) {
	p.t.Helper()
	p.Until(arriveWithin, fmt.Sprintf("%s %v reaches the device", member, want), func() error {
		var last any = "nothing"
		for line := range strings.Lines(p.Stdout()) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				return fmt.Errorf("%q: %w", line, err)
			}
			if got, ok := one[member]; ok {
				if reflect.DeepEqual(got, want) {
					return nil
				}
				last = got
			}
		}
		return fmt.Errorf("last was %v", last)
	})
}

// twoWay is a platform with a hub Thing, and a connector that stands for it.
func twoWay(t *testing.T) *site {
	t.Helper()
	at := newSite(t)
	at.stack.AddHubThing(hubThing)
	return at
}

func (s *site) connectTwoWay(edit ...func(map[string]any)) {
	s.t.Helper()
	s.stack.ConfigureFor(hubThing, "azx-1", edit...)
	s.stack.ConnectAs("azx-1")
}

// in is the site in a subtest.
func (s *site) in(t *testing.T) *site {
	sub := *s
	sub.t = t
	return &sub
}

// result calls a service of a Thing that gives JSON, and compares what it gives.
func (s *site) result(thing, service string, parameters map[string]any, want any) {
	s.t.Helper()
	raw, err := s.platform.TryCall("Things/"+thing, service, parameters)
	if err != nil {
		s.t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(raw, &got); err != nil {
		s.t.Fatalf("%s of %s gives %s: %v", service, thing, raw, err)
	}
	if !reflect.DeepEqual(got, want) {
		s.t.Errorf("%s of %s gives %v, want %v", service, thing, got, want)
	}
}

// refused calls a service that must fail with a text that holds all parts.
func (s *site) refused(thing, service string, parameters map[string]any, parts ...string) {
	s.t.Helper()
	answer, err := s.platform.TryCall("Things/"+thing, service, parameters)
	if err == nil {
		s.t.Fatalf("%s of %s gives %s", service, thing, answer)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			s.t.Errorf("%s of %s fails with %v, want %q in it", service, thing, err, part)
		}
	}
}

// reads waits until a property read over REST has the value.
func (s *site) reads(thing, property string, want any) {
	s.t.Helper()
	process.Eventually(s.t, arriveWithin, property+" of "+thing, func() error {
		raw, err := s.platform.ReadProperty(thing, property)
		if err != nil {
			return err
		}
		var got any
		if err := json.Unmarshal(raw, &got); err != nil {
			return err
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("is %v, want %v", got, want)
		}
		return nil
	})
}

// ledgerHas returns when the platform has stored a fitting value of a property that was pushed to it.
func (s *site) ledgerHas(thing, property string, fits func(process.Entry) bool) error {
	for _, e := range s.platform.Ledger(0) {
		if e.Thing == thing && e.Property == property && fits(e) {
			return nil
		}
	}
	return errors.New("not stored")
}

// TestThePlatformReachesADevice writes, calls and reads twins over REST; at the other end is Microsoft's device client.
// All remote names differ from those of the Thing.
func TestThePlatformReachesADevice(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"mqtt", "amqp"} {
		t.Run(transport, func(t *testing.T) {
			at := twoWay(t)
			connection := at.stack.AddDevice("pump-7")
			at.stack.AddDeviceThing("pump-7", hubThing,
				"--property", "boilerTemp:NUMBER:temp",
				"--service", "Restart(delay:INTEGER):JSON:reboot",
				"--service", "Readings():INFOTABLE(at:DATETIME,level:NUMBER,ok:BOOLEAN):readings",
				"--service", "Fail():JSON:fail",
				"--service", "Send(temp:NUMBER):JSON:send",
				"--service", "Report(mode:STRING):JSON:report")
			device := newPeer(t, at, connection, transport)
			at.connectTwoWay()

			t.Run("a write is a message, and changes nothing until the device echoes it", func(t *testing.T) {
				at, device := at.in(t), peer{t, device.Child}
				if err := at.platform.WriteProperty("pump-7", "boilerTemp", 42.5); err != nil {
					t.Fatal(err)
				}
				device.hears("c2d", map[string]any{"temp": 42.5})
				if at.ledgerHas("pump-7", "boilerTemp", func(process.Entry) bool { return true }) == nil {
					t.Error("the Thing has a value that no device has sent")
				}
				at.result("pump-7", "Send", map[string]any{"temp": 42.5}, map[string]any{})
				at.reads("pump-7", "boilerTemp", 42.5)
			})
			t.Run("a service is a direct method with a typed result", func(t *testing.T) {
				at, device := at.in(t), peer{t, device.Child}
				at.result("pump-7", "Restart", map[string]any{"delay": 5}, map[string]any{"delay": 5.0, "was": "running"})
				device.hears("method", "reboot")
				rows := at.platform.Call("Things/pump-7", "Readings", map[string]any{})
				var got struct{ Rows []map[string]any }
				if err := json.Unmarshal(rows, &got); err != nil {
					t.Fatal(err)
				}
				want := []map[string]any{{"at": 1767323045678.0, "level": 1.5, "ok": true}, {"at": 1767323045678.0, "level": 2.0, "ok": false}}
				if !reflect.DeepEqual(got.Rows, want) {
					t.Errorf("rows %v, want %v", got.Rows, want)
				}
				at.refused("pump-7", "Fail", map[string]any{}, "500", "no oil")
			})
			t.Run("a desired property reaches the device", func(t *testing.T) {
				at, device := at.in(t), peer{t, device.Child}
				if err := at.platform.WriteProperty("pump-7", "twinDesired", map[string]any{"interval": 10}); err != nil {
					t.Fatal(err)
				}
				device.hears("desired", map[string]any{"interval": 10.0, "$version": 2.0})
			})
			t.Run("a reported property is read from the hub", func(t *testing.T) {
				at := at.in(t)
				at.result("pump-7", "Report", map[string]any{"mode": "eco"}, map[string]any{})
				process.Eventually(t, arriveWithin, "twinReported has mode eco", func() error { return at.twinHas("pump-7", "eco") })
			})
			t.Run("with a twin route it is pushed", func(t *testing.T) {
				at := at.in(t)
				at.stack.Control("POST", "/routes", map[string]any{"name": "twins", "source": "TwinChangeEvents"})
				at.result("pump-7", "Report", map[string]any{"mode": "full"}, map[string]any{})
				told := time.Now()
				process.Eventually(t, arriveWithin, "twinReported is pushed", func() error {
					return at.ledgerHas("pump-7", "twinReported", func(e process.Entry) bool { return strings.Contains(string(e.Value), `"full"`) })
				})
				t.Logf("pushed within %s", time.Since(told).Round(time.Millisecond))
				if err := at.twinHas("pump-7", "full"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// twinHas reports whether twinReported of a Thing, as REST reads it, has the mode.
func (s *site) twinHas(thing, mode string) error {
	raw, err := s.platform.ReadProperty(thing, "twinReported")
	if err != nil {
		return err
	}
	var twin struct{ Mode string }
	if err := json.Unmarshal(raw, &twin); err != nil {
		return fmt.Errorf("%s: %w", raw, err)
	}
	if twin.Mode != mode {
		return fmt.Errorf("is %s", raw)
	}
	return nil
}

// TestThePlatformReachesAModule does the same with Microsoft's module client: a module takes no messages.
func TestThePlatformReachesAModule(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"mqtt", "amqp"} {
		t.Run(transport, func(t *testing.T) {
			at := twoWay(t)
			at.stack.AddDevice("edge-1", "--edge")
			connection := at.stack.AddDevice("edge-1", "--module", "mod1")
			at.stack.AddDeviceThing("edge-1", hubThing,
				"--property", "vib:NUMBER:mod1::vibration",
				"--service", "Restart(delay:INTEGER):JSON:mod1::reboot",
				"--service", "Send(vibration:NUMBER):JSON:mod1::send")
			module := newPeer(t, at, connection, transport)
			at.connectTwoWay()

			at.result("edge-1", "Restart", map[string]any{"delay": 1}, map[string]any{"delay": 1.0, "was": "running"})
			if err := at.platform.WriteProperty("edge-1", "vib", 0.5); err != nil {
				t.Fatal(err)
			}
			module.hears("desired", map[string]any{"vibration": 0.5, "$version": 2.0})
			at.result("edge-1", "Send", map[string]any{"vibration": 0.5}, map[string]any{})
			at.reads("edge-1", "vib", 0.5)
		})
	}
}

// TestWithFeedbackOffAForeignBackEndGetsAllItsRecords has Microsoft's service client send beside a connector that sends,
// too.
func TestWithFeedbackOffAForeignBackEndGetsAllItsRecords(t *testing.T) {
	t.Parallel()
	at := twoWay(t)
	connection := at.stack.AddDevice("pump-7")
	at.stack.AddDeviceThing("pump-7", hubThing, "--property", "target:INTEGER")
	newPeer(t, at, connection, "mqtt")
	at.connectTwoWay()
	var messages []cloudMessage
	want := map[string]string{}
	for n := range 10 {
		id := fmt.Sprintf("foreign-%d", n)
		messages = append(messages, cloudMessage{Device: "pump-7", ID: id, Ack: "full", Body: fmt.Sprintf(`{"n":%d}`, n)})
		want[id] = "pump-7 Success"
	}
	text, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	host := "HostName=" + at.stack.Hub.HostName
	service := strings.Replace(at.stack.Hub.ServiceConnectionString, host, fmt.Sprintf("%s:%d", host, at.stack.Hub.Ports.AMQPS), 1)
	foreign := talker{t, process.Start(t, process.Command{Name: "node", Args: []string{"iothub_client.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+at.stack.Hub.CA, "AZX_SERVICE="+service, "AZX_MESSAGES="+string(text))})}
	foreign.UntilPrinted(time.Minute, `{"ready":true}`)
	for n := range 10 {
		if err := at.platform.WriteProperty("pump-7", "target", n); err != nil {
			t.Fatal(err)
		}
	}
	foreign.UntilPrinted(time.Minute, `{"done":true}`)
	foreign.hearsOutcomes(want)
}
