package conformance

import (
	"os"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// site is where a test runs: a hub and a platform on loopback, or the real ones that the environment
// names. docs/conformance.md lists the variables.
type site struct {
	t        *testing.T
	stack    *process.Stack
	platform *process.Platform // the real one, if there is one
	began    time.Time
}

func newSite(t *testing.T) *site {
	outcomesAtOnce := process.Flags{Hub: []string{"--feedback-delay", "200ms"}}
	s := &site{t: t, stack: process.NewStack(t, azx, outcomesAtOnce), began: time.Now()}
	s.platform = s.stack.Platform
	if address := os.Getenv("AZX_PLATFORM_URL"); address != "" {
		s.platform = process.NewRealPlatform(t, address, s.setting("AZX_PLATFORM_APP_KEY"))
	}
	return s
}

// realHub is the service connection string of the real hub, "" for the local one.
func (s *site) realHub() string { return os.Getenv("AZX_HUB_CONNECTION_STRING") }

func (s *site) realPlatform() bool { return s.platform != s.stack.Platform }

// setting reads a variable that another one makes necessary.
func (s *site) setting(name string) string {
	s.t.Helper()
	value := os.Getenv(name)
	if value == "" {
		s.t.Fatalf("a real system is named, but %s is not set: see docs/conformance.md", name)
	}
	return value
}

// device returns the connection string of a device and the name of its Thing: registered at the local
// hub, or that of the variable if the hub is real.
func (s *site) device(id, variable string) (thing, connectionString string) {
	s.t.Helper()
	if s.realHub() == "" {
		return id, s.stack.AddDevice(id)
	}
	return s.named(variable)
}

// module is like device, for a module of an edge device. Its Thing is that of the device.
func (s *site) module(id, module, variable string) (thing, connectionString string) {
	s.t.Helper()
	if s.realHub() == "" {
		s.stack.AddDevice(id, "--edge")
		return id, s.stack.AddDevice(id, "--module", module)
	}
	return s.named(variable)
}

// named reads a connection string from the environment.
func (s *site) named(variable string) (device, connectionString string) {
	s.t.Helper()
	connectionString = s.setting(variable)
	for field := range strings.SplitSeq(connectionString, ";") {
		if id, ok := strings.CutPrefix(field, "DeviceId="); ok {
			return id, connectionString
		}
	}
	s.t.Fatalf("%s has no DeviceId", variable)
	return "", ""
}

// thing makes the Thing of a device with remote properties, each NAME:TYPE or NAME:TYPE:EDGENAME.
func (s *site) thing(name string, properties ...string) {
	s.t.Helper()
	if !s.realPlatform() {
		s.stack.AddThing(name, properties...)
		return
	}
	s.platform.CreateThing(name)
	for _, p := range properties {
		property, rest, _ := strings.Cut(p, ":")
		baseType, remote, renamed := strings.Cut(rest, ":")
		if !renamed {
			remote = property
		}
		s.platform.AddRemoteProperty(name, property, remote, baseType)
	}
}

// connect starts the connector between the two, for the one Thing.
func (s *site) connect(thing string) {
	s.t.Helper()
	s.stack.Configure(func(config map[string]any) {
		hub := config["hubs"].([]any)[0].(map[string]any)
		if service := s.realHub(); service != "" {
			hub["connectionString"] = service
			hub["start"] = s.began.UTC().Format(time.RFC3339)
			delete(hub, "eventHubsConnectionString")
			delete(hub, "caFile")
			delete(hub, "endpoints")
		}
		if s.realPlatform() {
			socket := strings.Replace(strings.TrimSuffix(s.platform.URL, "/"), "http", "ws", 1) + "/Thingworx/WS"
			config["platform"] = map[string]any{"urls": []any{socket}, "appKey": s.platform.AppKey}
			hub["extensions"] = "none"
			hub["allowThings"] = []any{thing}
		}
	})
	s.stack.Connect()
}
