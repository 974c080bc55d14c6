package conformance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// patience is how long one step with a peer may take on a busy machine.
const patience = 30 * time.Second

// group is the consumer group that the tests read with.
const group = "azx"

// hub is an IoT hub with its Event Hubs-compatible endpoint: a local one without a platform, or the real
// one that the environment names.
type hub struct {
	t      testing.TB
	dir    string
	real   bool
	began  time.Time // events from before are none of this test's
	mark   string    // application property "run" of every event of this test
	ca     string    // PEM file; "" trusts the system's roots
	listen string    // local: address of all ports

	service fields // connection string of the hub: HostName
	owner   fields // of a local hub: that of the policy with all rights
	events  fields // that of the Event Hubs-compatible endpoint: Endpoint, EntityPath
	ports   ports
}

// ports are those of hub.json; of a real hub they are the standard ones.
type ports struct{ MQTT, AMQPS, AMQP int }

// fields are the parts of a connection string.
type fields map[string]string

func parseFields(text string) fields {
	all := fields{}
	for part := range strings.SplitSeq(strings.TrimSpace(text), ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			all[name] = value
		}
	}
	return all
}

// with returns a copy in which some fields have other values; "" drops a field.
func (f fields) with(pairs ...string) fields {
	all := fields{}
	for name, value := range f {
		all[name] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = pairs[i+1]
	}
	return all
}

// String writes the connection string in the order that some parsers insist on.
func (f fields) String() string {
	var parts []string
	for _, name := range []string{"Endpoint", "HostName", "SharedAccessKeyName", "SharedAccessKey", "EntityPath", "UseDevelopmentEmulator"} {
		if f[name] != "" {
			parts = append(parts, name+"="+f[name])
		}
	}
	return strings.Join(parts, ";")
}

// cloudHost names a local hub so that its event endpoint has a name of its own, as in the cloud.
const cloudHost = "plant1.azure-devices.net"

// newHub gives the real hub if there is one, else starts a local one. Flags are those of azx hub.
func newHub(t testing.TB, flags ...string) *hub {
	t.Helper()
	if os.Getenv("AZX_HUB_CONNECTION_STRING") != "" {
		return realHub(t)
	}
	return localHub(t, append([]string{"--host", cloudHost}, flags...)...)
}

func localHub(t testing.TB, flags ...string) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir(), began: time.Now(), mark: runMark(t)}
	args := append([]string{"hub", "--dir", h.dir, "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0"}, flags...)
	process.Start(t, process.Command{Name: string(azx), Args: args}).UntilPrinted(patience, "ready")
	text, err := os.ReadFile(filepath.Join(h.dir, "hub.json"))
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		Listen, CA                                                                string
		ServiceConnectionString, OwnerConnectionString, EventHubsConnectionString string
		Ports                                                                     ports
	}
	if err := json.Unmarshal(text, &info); err != nil {
		t.Fatal(err)
	}
	h.ca, h.listen, h.ports = info.CA, info.Listen, info.Ports
	h.service, h.owner = parseFields(info.ServiceConnectionString), parseFields(info.OwnerConnectionString)
	h.events = parseFields(info.EventHubsConnectionString)
	return h
}

func realHub(t testing.TB) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir(), real: true, began: time.Now(), mark: runMark(t), ports: ports{MQTT: 8883, AMQPS: 5671}}
	for name, into := range map[string]*fields{"AZX_HUB_CONNECTION_STRING": &h.service, "AZX_EVENT_HUBS_CONNECTION_STRING": &h.events} {
		if *into = parseFields(os.Getenv(name)); len(*into) == 0 {
			t.Fatalf("a real hub is named, but %s is not set: see docs/conformance.md", name)
		}
	}
	return h
}

func runMark(t testing.TB) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, t.Name(), time.Now().UnixNano())))[:12]
}

// host is the hub's name.
func (h *hub) host() string { return h.service["HostName"] }

// namespace is the name of the event endpoint.
func (h *hub) namespace() string {
	return strings.TrimSuffix(strings.TrimPrefix(h.events["Endpoint"], "sb://"), "/")
}

// dial is where to connect for a name and a port: on loopback whatever the name, if the hub is local.
func (h *hub) dial(name string, port int) string {
	if !h.real {
		name = h.listen
	}
	return net.JoinHostPort(name, strconv.Itoa(port))
}

// trust has a Go client trust the hub's certificate.
func (h *hub) trust() *tls.Config {
	h.t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if h.ca != "" {
		text, err := os.ReadFile(h.ca)
		if err != nil {
			h.t.Fatal(err)
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(text)
	}
	return config
}

// connect opens a TLS connection to the AMQP port under the name given.
func (h *hub) connect(name string) net.Conn {
	h.t.Helper()
	config := h.trust()
	config.ServerName = name
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(within(h.t), "tcp", h.dial(name, h.ports.AMQPS))
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// device is a device by its connection string.
type device struct {
	id   string
	host string
	key  string
}

// names of devices that the local hub puts into partitions 1, 0, 3 and 2: one in each.
var deviceNames = [...]string{"pump-1", "pump-2", "pump-3", "pump-4"}

// devices gives n devices, which a local hub spreads over its partitions. A real hub has one.
func (h *hub) devices(n int) []device {
	h.t.Helper()
	if h.real {
		return []device{h.named(os.Getenv("AZX_DEVICE_CONNECTION_STRING"))}
	}
	var all []device
	for _, name := range deviceNames[:n] {
		add := process.Start(h.t, process.Command{Name: string(azx), Args: []string{"hub", "device", "add", name, "--dir", h.dir}})
		if code := add.Wait(patience); code != 0 {
			h.t.Fatalf("azx hub device add: exit code %d: %s", code, add.Stderr())
		}
		all = append(all, h.named(add.Stdout()))
	}
	return all
}

func (h *hub) named(connectionString string) device {
	h.t.Helper()
	f := parseFields(connectionString)
	if f["DeviceId"] == "" {
		h.t.Fatal("no connection string of a device: see docs/conformance.md")
	}
	return device{id: f["DeviceId"], host: h.host(), key: f["SharedAccessKey"]}
}

// token signs as IoT Hub wants it, with the decoded key.
func (h *hub) token(resource, key, policy string) string {
	h.t.Helper()
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		h.t.Fatal(err)
	}
	return sign(resource, secret, policy)
}

// serviceToken is the policy's token for a resource of the hub.
func (h *hub) serviceToken(resource string) string {
	return h.token(resource, h.service["SharedAccessKey"], h.service["SharedAccessKeyName"])
}

// eventsToken signs as Event Hubs wants it, with the text of the key.
func (h *hub) eventsToken(resource string) string {
	return sign(resource, []byte(h.events["SharedAccessKey"]), h.events["SharedAccessKeyName"])
}

// sign makes a shared access signature that is good for an hour (read: iot-hub-dev-guide-sas).
func sign(resource string, secret []byte, policy string) string {
	sr, se := url.QueryEscape(resource), strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(sr + "\n" + se))
	token := "SharedAccessSignature sr=" + sr + "&sig=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))) + "&se=" + se
	if policy != "" {
		token += "&skn=" + policy
	}
	return token
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
