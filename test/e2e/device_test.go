package e2e

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

// device is a device on an MQTT connection of its own.
type device struct {
	t      testing.TB
	id     string
	client mqtt.Client
}

// ackWithin is how long the hub may take to acknowledge, on a busy machine.
const ackWithin = 30 * time.Second

// connectDevice registers a device and connects it.
func connectDevice(t testing.TB, stack *process.Stack, id string) *device {
	t.Helper()
	fields := map[string]string{}
	for field := range strings.SplitSeq(stack.AddDevice(id), ";") {
		key, value, _ := strings.Cut(field, "=")
		fields[key] = value
	}
	host := fields["HostName"]
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(stack.Hub.CA)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the hub's CA: %v", err)
	}
	address := host
	if !strings.Contains(host, ":") {
		address += ":8883"
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker("ssl://" + address).
		SetClientID(id).
		SetUsername(host + "/" + id + "/?api-version=2021-04-12").
		SetPassword(token(t, host+"/devices/"+id, fields["SharedAccessKey"])).
		SetTLSConfig(&tls.Config{RootCAs: roots}).
		SetAutoReconnect(false))
	d := &device{t: t, id: id, client: client}
	if err := d.settled(client.Connect()); err != nil {
		t.Fatalf("connect device %s: %v", id, err)
	}
	t.Cleanup(func() { client.Disconnect(100) })
	return d
}

// send sends one JSON message and returns once the hub has it.
func (d *device) send(format string, args ...any) error {
	topic := "devices/" + d.id + "/messages/events/$.ct=application%2Fjson&$.ce=utf-8"
	return d.settled(d.client.Publish(topic, 1, false, fmt.Sprintf(format, args...)))
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
