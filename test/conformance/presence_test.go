package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// How long clients may be silent here.
const (
	lateAfter    = 4 * time.Second
	offlineAfter = 8 * time.Second
)

// presenceSite is a hub, a platform and a connector that looks whether clients are alive, and makes and disables the Things of devices that
// the hub tells of.
type presenceSite struct {
	t     *testing.T
	stack *process.Stack
}

func newPresenceSite(t *testing.T) *presenceSite {
	s := &presenceSite{t, process.NewStack(t, azx)}
	s.stack.AddHubThing("Plant1Hub")
	s.stack.ConfigureFor("Plant1Hub", "azx-1", func(config map[string]any) {
		hub := config["hubs"].([]any)[0].(map[string]any)
		hub["presence"] = map[string]any{"timeout": offlineAfter.String(), "late": lateAfter.String()}
		hub["lifecycle"] = map[string]any{"onCreate": "create", "onDelete": "disable"}
	})
	return s
}

// made registers the device press, and returns its connection string. It has a Thing: with follow, Microsoft's registry client
// makes the device, and the connector the Thing.
func (s *presenceSite) made(follow bool) (device string) {
	s.t.Helper()
	if !follow {
		device = s.stack.AddDevice("press")
		s.stack.AddDeviceThing("press", "Plant1Hub", "--property", "n:INTEGER")
		return device
	}
	_, key, _ := strings.Cut(s.registry("AZX_MAKE=press").UntilPrinted(time.Minute, "key "), "key ")
	s.lives("createDeviceIdentity", true)
	return fmt.Sprintf("HostName=%s:%d;DeviceId=press;SharedAccessKey=%s", s.stack.Hub.HostName, s.stack.Hub.Ports.MQTT, key)
}

// deleted has Microsoft's registry client delete the device: its Thing is disabled.
func (s *presenceSite) deleted() {
	s.t.Helper()
	if child := s.registry("AZX_DELETE=press"); child.Wait(time.Minute) != 0 {
		s.t.Fatal(child.Stderr())
	}
	s.lives("deleteDeviceIdentity", false)
}

func (s *presenceSite) registry(do string) *process.Child {
	s.t.Helper()
	return s.node([]string{"--require", "./websocket_reach.js", "registry_life.js"}, "AZX_OWNER="+s.stack.Hub.OwnerConnectionString,
		fmt.Sprintf("AZX_REACH=127.0.0.1:%d", s.stack.Hub.Ports.HTTPS), do)
}

// lives waits until the platform has been told what happened to the device, and its Thing is, or is not, enabled.
func (s *presenceSite) lives(operation string, enabled bool) {
	s.t.Helper()
	process.Eventually(s.t, time.Minute, "the platform hears of "+operation, func() error {
		all, err := s.stack.Platform.Events("ConnectionServicesHub")
		told := slices.ContainsFunc(all, func(e process.Fired) bool {
			return e.Event == "AzureThingLifecycleEvent" && e.Row("deviceId") == "press" && e.Row("status") == operation
		})
		if err != nil || !told {
			return fmt.Errorf("it has heard of %v: %v", all, err)
		}
		return nil
	})
	if is, err := s.stack.Platform.Result("Things/press", "IsEnabled", map[string]any{}); err != nil || string(is) != fmt.Sprint(enabled) {
		s.t.Errorf("after %s the Thing is enabled: %s, %v", operation, is, err)
	}
}

// node starts a program that is killed at the end of the test at the latest.
func (s *presenceSite) node(args []string, env ...string) *process.Child {
	s.t.Helper()
	env = append(append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.stack.Hub.CA), env...)
	return process.Start(s.t, process.Command{Name: "node", Args: args, Env: env})
}

// told is what the property of a Thing was, in order, and when each began.
func (s *presenceSite) told(property string) (values []string, times []int64, err error) {
	all, err := s.stack.Platform.TryLedger(0)
	for _, e := range all {
		if e.Thing == "press" && e.Property == property {
			values = append(values, strings.Trim(string(e.Value), `"`))
			times = append(times, e.Time)
		}
	}
	return values, times, err
}

// until waits until the property was what is wanted, in that order, and nothing else, and returns when each began.
func (s *presenceSite) until(property string, want ...string) []int64 {
	s.t.Helper()
	var begins []int64
	process.Eventually(s.t, time.Minute, property+" was "+strings.Join(want, ", "), func() error {
		values, times, err := s.told(property)
		if err != nil || !slices.Equal(values, want) {
			return fmt.Errorf("it was %q: %v", values, err)
		}
		begins = times
		return nil
	})
	return begins
}

// date reads a DATETIME of the Thing, in ms since 1970.
func (s *presenceSite) date(property string) (at int64) {
	s.t.Helper()
	raw, err := s.stack.Platform.ReadProperty("press", property)
	if err == nil {
		err = json.Unmarshal(raw, &at)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

// sign waits for the kind of sign that the Thing names, and returns its time.
func (s *presenceSite) sign(want string) int64 {
	s.t.Helper()
	process.Eventually(s.t, 10*time.Second, "the evidence is a "+want, func() error {
		raw, err := s.stack.Platform.ReadProperty("press", "presenceEvidence")
		if err != nil || string(raw) != `"`+want+`"` {
			return fmt.Errorf("it is %s: %v", raw, err)
		}
		return nil
	})
	return s.date("presenceEvidenceTime")
}

// TestADeviceClientThatIsKilledIsLateAndOfflineInTime has Microsoft's device client send and drop its connection without a
// DISCONNECT. Where the hub tells of connections the device is late at once, else when it was silent for long enough.
func TestADeviceClientThatIsKilledIsLateAndOfflineInTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, evidence string
		route          bool
	}{
		{"by its silence", "message", false},
		{"by the hub's connection event", "connection event", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newPresenceSite(t)
			if c.route {
				for _, source := range []string{"DeviceConnectionStateEvents", "DeviceLifecycleEvents"} {
					s.stack.Control("POST", "/routes", iothub.Route{Name: source, Source: source, Endpoint: iothub.BuiltInEndpoint})
				}
			}
			s.stack.ConnectAs("azx-1")
			device := s.made(c.route)
			client := s.node([]string{"presence.js"}, "AZX_DEVICE="+device)
			client.UntilPrinted(time.Minute, "sent")
			s.until("presence", "online")
			client.Kill()
			begins := s.until("presence", "online", "late", "offline")
			seen, sign := s.date("lastSeen"), s.sign(c.evidence)
			late := seen + lateAfter.Milliseconds()
			if c.route {
				late = min(late, sign)
			} else if sign != seen {
				t.Errorf("the message was at %d, and last seen is %d", sign, seen)
			}
			if want := []int64{begins[0], late, seen + offlineAfter.Milliseconds()}; !slices.Equal(begins, want) {
				t.Errorf("online, late, offline began at %d, want %d", begins, want)
			}
			if c.route {
				s.deleted()
			}
		})
	}
}

// TestAModuleClientThatIsKilledIsLateAndOfflineInTime is that for Microsoft's module client, and for the device that it speaks for.
func TestAModuleClientThatIsKilledIsLateAndOfflineInTime(t *testing.T) {
	t.Parallel()
	s := newPresenceSite(t)
	s.stack.AddDevice("press", "--edge")
	module := s.stack.AddDevice("press", "--module", "meter")
	s.stack.AddDeviceThing("press", "Plant1Hub", "--property", "n:INTEGER", "--property", "meter_presence:STRING:meter::presence",
		"--property", "meter_presenceChanged:DATETIME:meter::presenceChanged")
	s.stack.ConnectAs("azx-1")
	client := s.node([]string{"presence.js"}, "AZX_MODULE="+module)
	client.UntilPrinted(time.Minute, "sent")
	s.until("meter_presence", "online")
	client.Kill()
	for _, property := range []string{"presence", "meter_presence"} {
		begins := s.until(property, "online", "late", "offline")
		if begins[2]-begins[1] != (offlineAfter - lateAfter).Milliseconds() {
			t.Errorf("%s: late began at %d, offline at %d", property, begins[1], begins[2])
		}
		if seen := s.date("lastSeen"); begins[1] != seen+lateAfter.Milliseconds() {
			t.Errorf("%s: late began at %d, and it was last seen at %d", property, begins[1], seen)
		}
	}
}

// TestTheHeartbeatSampleOfTheDocumentationKeepsItsDeviceOnline runs the sample as docs/devices.md prints it, and only its five
// minutes are shorter.
func TestTheHeartbeatSampleOfTheDocumentationKeepsItsDeviceOnline(t *testing.T) {
	t.Parallel()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/devices.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := strings.Cut(string(page), "```js\n")
	sample, _, found := strings.Cut(sample, "```")
	if !found {
		t.Fatal("docs/devices.md has no sample")
	}
	program := filepath.Join(t.TempDir(), "heartbeat.js")
	if err := os.WriteFile(program, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newPresenceSite(t)
	s.stack.AddDevice("press", "--edge")
	module := s.stack.AddDevice("press", "--module", "heartbeat")
	s.stack.AddDeviceThing("press", "Plant1Hub", "--property", "n:INTEGER")
	s.stack.ConnectAs("azx-1")
	child := s.node([]string{"--require", "./faster.js", program}, "IotHubConnectionString="+module,
		"NODE_PATH="+filepath.Join(root, "test/conformance/node_modules"))
	s.until("presence", "online")
	beganAt := s.date("lastSeen")
	process.Eventually(t, time.Minute, "it is online for longer than it may be silent", func() error {
		if child.Ended() {
			t.Fatalf("it ended: %s", child.Stderr())
		}
		if time.Now().UnixMilli() < beganAt+2*offlineAfter.Milliseconds() {
			return fmt.Errorf("it began at %d", beganAt)
		}
		return nil
	})
	s.until("presence", "online")
	child.Kill()
	s.until("presence", "online", "late", "offline")
	if seen := s.date("lastSeen"); seen < beganAt+offlineAfter.Milliseconds() {
		t.Errorf("last seen at %d, and first at %d", seen, beganAt)
	}
}
