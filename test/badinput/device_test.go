package badinput

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// device is a device on an MQTT connection of its own.
type device struct {
	t      testing.TB
	id     string
	client paho.Client
	lost   chan error // gets why the connection ended
}

// credential is what a device connects with.
type credential struct {
	resource, key string
	expires       time.Time
}

func (s *site) credential(identity iothub.Identity) credential {
	return credential{s.hub.Info.HostName + "/devices/" + identity.Device, identity.PrimaryKey, time.Now().Add(time.Hour)}
}

// connect connects a device; the error is what the device hears.
func (s *site) connect(id string, c credential) (*device, error) {
	s.t.Helper()
	token, err := iothub.SignToken(c.resource, "", c.key, c.expires)
	if err != nil {
		s.t.Fatal(err)
	}
	_, signature, _ := strings.Cut(token, "&sig=")
	signature, _, _ = strings.Cut(signature, "&")
	s.log.hide("a signature of the device "+id, signature)
	d := &device{t: s.t, id: id, lost: make(chan error, 1)}
	d.client = paho.NewClient(paho.NewClientOptions().
		AddBroker("ssl://" + s.hubAddress(s.hub.Info.Ports.MQTT)).
		SetClientID(id).
		SetUsername(s.hub.Info.HostName + "/" + id + "/?api-version=2021-04-12").
		SetPassword(token).
		SetTLSConfig(&tls.Config{RootCAs: s.roots(), ServerName: s.hub.Info.HostName}).
		SetProtocolVersion(4).
		SetConnectTimeout(patience).
		SetAutoReconnect(false).
		SetConnectionLostHandler(func(_ paho.Client, err error) { d.lost <- err }))
	if err := settled(d.client.Connect()); err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { d.client.Disconnect(0) })
	return d, nil
}

// newDevice registers a device and connects it.
func (s *site) newDevice(id string) *device {
	s.t.Helper()
	d, err := s.connect(id, s.credential(s.addDevice(id)))
	if err != nil {
		s.t.Fatalf("connect %s: %v", id, err)
	}
	return d
}

// properties are what stands in the topic of a message: system properties and the device's own.
type properties map[string]string

// said is what most messages say of themselves.
func said() properties { return properties{"$.ct": "application/json", "$.ce": "utf-8"} }

func (p properties) topic(id string) string {
	var pairs []string
	for name, value := range p {
		pairs = append(pairs, url.QueryEscape(name)+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	return "devices/" + id + "/messages/events/" + strings.Join(pairs, "&")
}

// send sends one message and returns when the hub has it.
func (d *device) send(p properties, body string) {
	d.t.Helper()
	if err := settled(d.client.Publish(p.topic(d.id), 1, false, body)); err != nil {
		d.t.Fatalf("send as %s: %v", d.id, err)
	}
}

func settled(token paho.Token) error {
	if !token.WaitTimeout(patience) {
		return context.DeadlineExceeded
	}
	return token.Error()
}

func TestADeviceThatMayNotConnectIsRefusedAndTheHubsLogSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pump, fan := s.addDevice("pump-1"), s.addDevice("fan-1")
	neighbour := s.newDevice("neighbour")
	host := s.hub.Info.HostName
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name string
		with credential
		says string
	}{
		{"with the key of another device", credential{host + "/devices/pump-1", fan.PrimaryKey, later}, "not made with a key of"},
		{"with a token that has expired", credential{host + "/devices/pump-1", pump.PrimaryKey, time.Now().Add(-time.Minute)}, "expired"},
		{"with a token for another device", credential{host + "/devices/fan-1", fan.PrimaryKey, later}, "does not cover"},
		{"with a token for another hub", credential{"plant2.azure-devices.net/devices/pump-1", pump.PrimaryKey, later}, "does not cover"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.connect("pump-1", c.with)
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "not authorized") {
				t.Errorf("the device heard %v", err)
			}
			s.log.until(t, "MQTT connection refused", "client=pump-1", c.says)
			neighbour.send(said(), `{}`)
		})
	}
	if _, err := s.connect("pump-1", s.credential(pump)); err != nil {
		t.Errorf("with its own key: %v", err)
	}
}

func TestADeviceThatSendsWhatItMayNotIsCutOffAloneAndTheHubsLogSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	neighbour := s.newDevice("neighbour")
	for i, c := range []struct {
		name, topic string
		body        int
		says        string
	}{
		{"to the topic of another device", "devices/neighbour/messages/events/", 2, "not a topic this device may publish to"},
		{"of 300 KB", "", 300_000, "larger than 262144 bytes"},
		{"of 1 MB", "", 1 << 20, "packet too large"},
		{"with a broken list of properties", "a=%zz", 2, "property bag"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("pump-%d", i)
			d := s.newDevice(id)
			topic := c.topic
			if !strings.HasPrefix(topic, "devices/") {
				topic = "devices/" + id + "/messages/events/" + topic
			}
			d.client.Publish(topic, 1, false, strings.Repeat("x", c.body))
			select {
			case <-d.lost:
			case <-time.After(patience):
				t.Fatal("its connection stays open")
			}
			s.log.until(t, id, c.says)
			neighbour.send(said(), `{}`)
			if accepted := s.hub.Hub.Accepted(); accepted[iothub.ID{Device: id}] != 0 || accepted[iothub.ID{Device: "neighbour"}] != uint64(i+1) {
				t.Errorf("the hub accepted %v", accepted)
			}
			again, err := s.connect(id, s.credentialOf(id))
			if err != nil {
				t.Fatalf("it cannot connect again: %v", err)
			}
			again.send(said(), `{}`)
		})
	}
}

func (s *site) credentialOf(id string) credential {
	s.t.Helper()
	identity, err := s.hub.Hub.Registry().Get(iothub.ID{Device: id})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.credential(identity)
}

// eventually polls within the patience of these tests.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	process.Eventually(t, patience, what, check)
}
