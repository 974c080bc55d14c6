package observe

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"azx/test/process"
)

// ackWithin is how long the hub may take to acknowledge, on a busy machine.
const ackWithin = 30 * time.Second

// device is a device on an MQTT connection of its own.
type device struct {
	t      testing.TB
	id     string
	client mqtt.Client
}

// connect registers a device and connects it.
func connect(t testing.TB, stack *process.Stack, id string) *device {
	t.Helper()
	fields := map[string]string{}
	for field := range strings.SplitSeq(stack.AddDevice(id), ";") {
		key, value, _ := strings.Cut(field, "=")
		fields[key] = value
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(stack.Hub.CA)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the hub's CA: %v", err)
	}
	key, err := base64.StdEncoding.DecodeString(fields["SharedAccessKey"])
	if err != nil {
		t.Fatal(err)
	}
	host := fields["HostName"]
	resource := url.QueryEscape(host + "/devices/" + id)
	expiry := time.Now().Add(time.Hour).Unix()
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%d", resource, expiry)
	password := fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%d", resource,
		url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))), expiry)
	d := &device{t: t, id: id, client: mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker("ssl://" + host).SetClientID(id).SetUsername(host + "/" + id + "/?api-version=2021-04-12").SetPassword(password).
		SetTLSConfig(&tls.Config{RootCAs: roots}).SetAutoReconnect(false))}
	d.settled(d.client.Connect())
	t.Cleanup(func() { d.client.Disconnect(100) })
	return d
}

// post sends a message and does not wait until the hub has it. The properties are name=value, escaped.
func (d *device) post(body string, properties ...string) mqtt.Token {
	bag := strings.Join(append([]string{"$.ct=application%2Fjson", "$.ce=utf-8"}, properties...), "&")
	return d.client.Publish("devices/"+d.id+"/messages/events/"+bag, 1, false, body)
}

// send sends a message and waits until the hub has it.
func (d *device) send(body string, properties ...string) { d.settled(d.post(body, properties...)) }

func (d *device) settled(token mqtt.Token) {
	d.t.Helper()
	if !token.WaitTimeout(ackWithin) || token.Error() != nil {
		d.t.Errorf("device %s: %v", d.id, token.Error())
	}
}
