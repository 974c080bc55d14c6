package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"azx/test/process"
)

// device is a device on an MQTT connection of its own.
type device struct {
	t      testing.TB
	id     string
	topic  string // devices/{id}, or devices/{id}/modules/{module}
	client mqtt.Client
}

// ackWithin is how long the hub may take to acknowledge, on a busy machine.
const ackWithin = 30 * time.Second

// connectDevice registers a device and connects it. The flags are those of azx hub device add; a module is connected
// as device/module.
func connectDevice(t testing.TB, stack *process.Stack, id string, flags ...string) *device {
	t.Helper()
	fields := map[string]string{}
	for field := range strings.SplitSeq(stack.AddDevice(id, flags...), ";") {
		key, value, _ := strings.Cut(field, "=")
		fields[key] = value
	}
	host, path := fields["HostName"], id
	resource := host + "/devices/" + id
	if module := fields["ModuleId"]; module != "" {
		path += "/" + module
		resource += "/modules/" + module
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(stack.Hub.CA)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the hub's CA: %v", err)
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "8883"
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker("ssl://127.0.0.1:" + port). // nobody looks up the names of hubs.
		SetClientID(path).
		SetUsername(host + "/" + path + "/?api-version=2021-04-12").
		SetPassword(token(t, resource, fields["SharedAccessKey"])).
		SetTLSConfig(&tls.Config{RootCAs: roots, ServerName: name}).
		SetAutoReconnect(false))
	d := &device{t: t, id: id, topic: "devices/" + strings.Replace(path, "/", "/modules/", 1), client: client}
	if err := d.settled(client.Connect()); err != nil {
		t.Fatalf("connect device %s: %v", id, err)
	}
	t.Cleanup(func() { client.Disconnect(100) })
	return d
}

// send sends one JSON message and returns once the hub has it.
func (d *device) send(format string, args ...any) error {
	topic := d.topic + "/messages/events/$.ct=application%2Fjson&$.ce=utf-8"
	return d.settled(d.client.Publish(topic, 1, false, fmt.Sprintf(format, args...)))
}

// repliesTo makes the device answer direct methods, at once or later, and returns how many there were.
func (d *device) repliesTo(method func(payload []byte, reply func(status int, payload []byte))) (calls func() int) {
	d.t.Helper()
	var n atomic.Int64
	d.hears("$iothub/methods/POST/#", func(topic string, payload []byte) {
		n.Add(1)
		_, request, _ := strings.Cut(topic, "/?$rid=")
		method(payload, func(status int, answer []byte) {
			d.client.Publish(fmt.Sprintf("$iothub/methods/res/%d/?$rid=%s", status, request), 0, false, answer)
		})
	})
	return func() int { return int(n.Load()) }
}

// echoes makes the device answer every direct method with its payload.
func (d *device) echoes() {
	d.t.Helper()
	d.repliesTo(func(payload []byte, reply func(int, []byte)) { reply(200, payload) })
}

// takes makes the device take the messages that the cloud sends it.
func (d *device) takes(message func(body []byte)) {
	d.t.Helper()
	d.hears("devices/"+d.id+"/messages/devicebound/#", func(_ string, body []byte) { message(body) })
}

// desires makes the device hear of its desired properties.
func (d *device) desires(patch func(body []byte)) {
	d.t.Helper()
	d.hears("$iothub/twin/PATCH/properties/desired/#", func(_ string, body []byte) { patch(body) })
}

func (d *device) hears(topic string, do func(topic string, body []byte)) {
	d.t.Helper()
	err := d.settled(d.client.Subscribe(topic, 1, func(_ mqtt.Client, m mqtt.Message) { do(m.Topic(), m.Payload()) }))
	if err != nil {
		d.t.Fatalf("device %s: subscribe to %s: %v", d.id, topic, err)
	}
}

// reports changes the device's reported properties and returns once the hub has taken them.
func (d *device) reports(document string) {
	d.t.Helper()
	answered := make(chan string, 1)
	d.hears("$iothub/twin/res/#", func(topic string, _ []byte) {
		select {
		case answered <- topic:
		default:
		}
	})
	if err := d.settled(d.client.Publish("$iothub/twin/PATCH/properties/reported/?$rid=1", 0, false, document)); err != nil {
		d.t.Fatal(err)
	}
	select {
	case topic := <-answered:
		if !strings.HasPrefix(topic, "$iothub/twin/res/204/") {
			d.t.Fatalf("device %s: the hub answers %s", d.id, topic)
		}
	case <-time.After(ackWithin):
		d.t.Fatalf("device %s: no answer of the hub to reported properties", d.id)
	}
}

func (d *device) settled(token mqtt.Token) error {
	if !token.WaitTimeout(ackWithin) {
		return fmt.Errorf("device %s: no answer of the hub within %s", d.id, ackWithin)
	}
	return token.Error()
}

// token makes a shared access signature that lives for an hour.
func token(t testing.TB, resource, key string) string {
	t.Helper()
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatalf("key of %s: %v", resource, err)
	}
	expiry := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	resource = url.QueryEscape(resource)
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s\n%s", resource, expiry)
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%s", resource,
		url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))), expiry)
}
