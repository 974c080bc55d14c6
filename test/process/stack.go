package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// startWithin is how long a part may take until it is ready, on a busy machine.
const startWithin = 60 * time.Second

// HubInfo is what `azx hub` writes to hub.json, as far as tests use it.
type HubInfo struct {
	HostName                  string `json:"hostName"`
	CA                        string `json:"ca"` // PEM file
	ServiceConnectionString   string `json:"serviceConnectionString"`
	EventHubsConnectionString string `json:"eventHubsConnectionString"`
	OwnerConnectionString     string `json:"ownerConnectionString"`
	Control                   string `json:"control"` // its URL ends with a secret
	Ports                     struct {
		MQTT  int `json:"mqtt"`
		AMQPS int `json:"amqps"`
		HTTPS int `json:"https"`
	} `json:"ports"`
}

// Stack is a hub, a platform and connectors on loopback, each a process of its own.
type Stack struct {
	Dir      string // working folder: hub/, platform/ and what the connector writes
	Hub      HubInfo
	Platform *Platform
	// PlatformProcess is the process of the platform, HubProcess that of the hub; the latter is nil where the test brings the hub.
	PlatformProcess, HubProcess *Child

	t             testing.TB
	azx           Binary
	listen        string // the platform's address
	platformFlags []string
}

// Flags are flags of azx hub and of azx platform, besides those that a Stack needs.
type Flags struct{ Hub, Platform []string }

// NewStack starts a hub and a platform on free ports and waits until both are ready. There may be one Flags.
func NewStack(t testing.TB, azx Binary, flags ...Flags) *Stack {
	t.Helper()
	s := &Stack{t: t, azx: azx, Dir: t.TempDir(), listen: "127.0.0.1:0"}
	args := []string{"hub", "--dir", s.path("hub"), "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0"}
	for _, f := range flags {
		args = append(args, f.Hub...)
		s.platformFlags = f.Platform
	}
	s.HubProcess = s.Start(args...)
	s.HubProcess.UntilPrinted(startWithin, "ready")
	s.ReadHub()
	s.StartPlatform()
	return s
}

// NewPlatform starts a platform alone, with flags of azx platform: the test brings the hub, in its folder hub/, if it needs one.
func NewPlatform(t testing.TB, azx Binary, flags ...string) *Stack {
	t.Helper()
	s := &Stack{t: t, azx: azx, Dir: t.TempDir(), listen: "127.0.0.1:0", platformFlags: flags}
	s.StartPlatform()
	return s
}

// ReadHub reads what the hub wrote about itself.
func (s *Stack) ReadHub() {
	s.t.Helper()
	s.read(filepath.Join("hub", "hub.json"), &s.Hub)
	if !filepath.IsAbs(s.Hub.CA) {
		s.Hub.CA = s.path(filepath.Join("hub", s.Hub.CA))
	}
}

// StartPlatform starts the platform of the stack.
func (s *Stack) StartPlatform() {
	s.t.Helper()
	s.PlatformProcess = s.Start(append([]string{"platform", "--dir", s.path("platform"), "--listen", s.listen}, s.platformFlags...)...)
	s.PlatformProcess.UntilPrinted(startWithin, "ready")
	s.Platform = &Platform{t: s.t}
	s.read(filepath.Join("platform", "platform.json"), s.Platform)
}

// RestartPlatform ends the platform and starts it again where it was.
func (s *Stack) RestartPlatform() {
	s.t.Helper()
	s.PlatformProcess.Stop()
	at, err := url.Parse(s.Platform.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listen = at.Host
	s.StartPlatform()
}

// AddDevice registers a device and returns its connection string.
func (s *Stack) AddDevice(id string, flags ...string) string {
	s.t.Helper()
	out := s.Run(append([]string{"hub", "device", "add", id, "--dir", s.path("hub")}, flags...)...)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "HostName=") {
			return strings.TrimSpace(line)
		}
	}
	s.t.Fatalf("azx hub device add %s: no connection string in:\n%s", id, out)
	return ""
}

// Send sends one message as a device.
func (s *Stack) Send(id, body string) {
	s.t.Helper()
	s.Run("hub", "device", "send", id, body, "--dir", s.path("hub"))
}

// AddThing makes a Thing with remote properties, each NAME:TYPE or NAME:TYPE:EDGENAME.
func (s *Stack) AddThing(id string, properties ...string) {
	s.t.Helper()
	args := []string{"platform", "thing", "add", id, "--dir", s.path("platform")}
	for _, p := range properties {
		args = append(args, "--property", p)
	}
	s.Run(args...)
}

// AddHubThing makes the hub Thing through which the platform reaches devices.
func (s *Stack) AddHubThing(name string, flags ...string) {
	s.t.Helper()
	s.Run(append([]string{"platform", "hub", "add", name, "--dir", s.path("platform")}, flags...)...)
}

// AddDeviceThing makes the Thing of a device behind a hub Thing. The flags declare its properties and services.
func (s *Stack) AddDeviceThing(id, hubThing string, flags ...string) {
	s.t.Helper()
	s.Run(append([]string{"platform", "thing", "add", id, "--gateway", hubThing, "--dir", s.path("platform")}, flags...)...)
}

// Control asks the hub's control interface; a body other than nil goes out as JSON. It must succeed.
func (s *Stack) Control(method, path string, body any) []byte {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequest(method, s.Hub.Control+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s: %s %v", method, path, answer.Status, text, err)
	}
	return text
}

// Configure writes the connector's file as `azx config init` makes it, with any free admin port so that
// several connectors can run on one machine, and with the changes of edit.
func (s *Stack) Configure(edit ...func(config map[string]any)) {
	s.t.Helper()
	s.configure("azx.yaml", nil, edit)
}

// ConfigureFor is Configure for a connector that stands for a hub Thing, one of several if they have different names:
// the file is named after it, and so is what it keeps.
func (s *Stack) ConfigureFor(hubThing, connector string, edit ...func(config map[string]any)) {
	s.t.Helper()
	own := func(config map[string]any) {
		config["name"] = connector
		config["checkpoint"] = map[string]any{"file": connector + "/checkpoint"}
		config["quarantine"] = map[string]any{"dir": connector + "/quarantine"}
	}
	s.configure(connector+".yaml", []string{"--hub-thing", hubThing}, append([]func(map[string]any){own}, edit...))
}

func (s *Stack) configure(file string, flags []string, edit []func(config map[string]any)) {
	s.t.Helper()
	s.Run(append([]string{"config", "init", "--hub", "hub", "--platform", "platform", "--output", file, "--force"}, flags...)...)
	path := s.path(file)
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatalf("azx config init: %v", err)
	}
	config := map[string]any{}
	if err := yaml.Unmarshal(text, &config); err != nil {
		s.t.Fatalf("azx config init: %v", err)
	}
	config["admin"] = map[string]any{"listen": "127.0.0.1:0"}
	for _, e := range edit {
		e(config)
	}
	if text, err = yaml.Marshal(config); err != nil {
		s.t.Fatalf("write %s: %v", path, err)
	}
	s.WriteFile(file, text)
}

// ConnectAs starts the connector of ConfigureFor and waits until messages can flow.
func (s *Stack) ConnectAs(connector string) *Child {
	s.t.Helper()
	child := s.Start("run", "-c", connector+".yaml")
	child.UntilPrinted(startWithin, "ready")
	return child
}

// Connect starts the connector and waits until messages can flow.
func (s *Stack) Connect() *Child {
	s.t.Helper()
	child := s.Start("run", "-c", "azx.yaml")
	child.UntilPrinted(startWithin, "ready")
	return child
}

// Start starts azx in the stack's folder.
func (s *Stack) Start(args ...string) *Child {
	s.t.Helper()
	return Start(s.t, Command{Name: string(s.azx), Args: args, Dir: s.Dir})
}

// Run runs azx in the stack's folder to its end and returns what it printed. It must succeed.
func (s *Stack) Run(args ...string) string {
	s.t.Helper()
	child := s.Start(args...)
	if code := child.Wait(startWithin); code != 0 {
		s.t.Fatalf("azx %s: exit code %d\n%s", strings.Join(args, " "), code, child.Stderr())
	}
	return child.Stdout()
}

// WriteFile writes a file into the stack's folder, which only the owner may read.
func (s *Stack) WriteFile(name string, text []byte) {
	s.t.Helper()
	err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700)
	if err == nil {
		err = os.WriteFile(s.path(name), text, 0o600)
	}
	if err != nil {
		s.t.Fatalf("write %s: %v", name, err)
	}
}

func (s *Stack) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Stack) read(name string, into any) {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		s.t.Fatalf("read %s: %v", name, err)
	}
}

// AddHub starts one more hub beside the stack's, which calls itself host, and returns a Stack of it with the same platform.
func (s *Stack) AddHub(name, host string) *Stack {
	s.t.Helper()
	other := &Stack{t: s.t, azx: s.azx, Dir: s.path(name), Platform: s.Platform, PlatformProcess: s.PlatformProcess}
	if err := os.MkdirAll(other.Dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	other.startHub("--host", host)
	return other
}

// RestartHub kills a hub of AddHub and starts it again where it was.
func (s *Stack) RestartHub() {
	s.t.Helper()
	s.HubProcess.Kill()
	s.startHub()
}

// startHub starts a hub at the ports it has had, else at free ones.
func (s *Stack) startHub(flags ...string) {
	s.t.Helper()
	at := s.Hub.Ports
	s.HubProcess = s.Start(append([]string{"hub", "--dir", s.path("hub"), "--amqp", "0", "--mqtt", fmt.Sprint(at.MQTT),
		"--amqps", fmt.Sprint(at.AMQPS), "--https", fmt.Sprint(at.HTTPS)}, flags...)...)
	s.HubProcess.UntilPrinted(startWithin, "ready")
	s.ReadHub()
}
