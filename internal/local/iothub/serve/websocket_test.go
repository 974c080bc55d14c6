package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/internal/local/iothub/websocket"
)

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// mqttClient is a device d1 that keeps its session, over TLS ("ssl") or WebSocket ("wss").
func mqttClient(t *testing.T, r *Running, broker string, got chan<- string) paho.Client {
	t.Helper()
	identity, err := r.Hub.Registry().Get(iothub.ID{Device: "d1"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := iothub.SignToken("localhost/devices/d1", "", identity.PrimaryKey, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.CA)
	client := paho.NewClient(paho.NewClientOptions().AddBroker(broker).SetTLSConfig(&tls.Config{RootCAs: roots, ServerName: "localhost"}).
		SetClientID("d1").SetUsername("localhost/d1/?api-version=2021-04-12").SetPassword(token).SetProtocolVersion(4).
		SetCleanSession(false).SetAutoReconnect(false).SetConnectTimeout(patience).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { got <- string(m.Payload()) }))
	if err := done(client.Connect()); err != nil {
		t.Fatalf("%s: %v", broker, err)
	}
	return client
}

func done(token paho.Token) error {
	if !token.WaitTimeout(patience) {
		return errors.New("no answer")
	}
	return token.Error()
}

func TestADeviceFindsItsSubscriptionsAgainOverWebSocket(t *testing.T) {
	r := start(t, Options{})
	id := iothub.ID{Device: "d1"}
	if _, err := r.Hub.Registry().Add(iothub.Spec{ID: id}); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	over := map[string]string{
		"TLS":       fmt.Sprintf("ssl://127.0.0.1:%d", r.Info.Ports.MQTT),
		"WebSocket": fmt.Sprintf("wss://127.0.0.1:%d%s", r.Info.Ports.HTTPS, websocket.HubPath),
	}
	first := mqttClient(t, r, over["TLS"], got)
	if err := done(first.Subscribe("devices/d1/messages/devicebound/#", 1, nil)); err != nil {
		t.Fatal(err)
	}
	first.Disconnect(0)
	for _, name := range []string{"WebSocket", "TLS", "WebSocket"} {
		client := mqttClient(t, r, over[name], got)
		if err := r.Hub.SendToDevice(id, iothub.CloudMessage{Message: iothub.Message{Body: []byte("over " + name)}}); err != nil {
			t.Fatal(err)
		}
		select {
		case body := <-got:
			if body != "over "+name {
				t.Errorf("got %q over %s", body, name)
			}
		case <-time.After(patience):
			t.Fatalf("nothing came over %s", name)
		}
		if err := done(client.Publish("devices/d1/messages/events/", 1, false, "up")); err != nil {
			t.Errorf("sending over %s: %v", name, err)
		}
		client.Disconnect(0)
	}
	if n := r.Hub.Accepted()[id]; n != 3 {
		t.Errorf("%d messages were accepted, want 3", n)
	}
}

func TestAStopEndsWebSockets(t *testing.T) {
	r := start(t, Options{})
	if _, err := r.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: "d1"}}); err != nil {
		t.Fatal(err)
	}
	client := mqttClient(t, r, fmt.Sprintf("wss://127.0.0.1:%d%s", r.Info.Ports.HTTPS, websocket.HubPath), nil)
	defer client.Disconnect(0)
	began := time.Now()
	stop(t, r)
	if took := time.Since(began); took > patience {
		t.Errorf("the stop took %s", took)
	}
}

func TestHubJSONAndTheCertificateFollowAFailover(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir, Host: "plant1.azure-devices.net"})
	moved, err := control.NewClient(r.Info.Control).Failover(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ended := time.After(patience)
	for {
		info, err := ReadInfo(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.EventHubsConnectionString == moved.EventHubsConnectionString && info.Control == r.Info.Control {
			break
		}
		select {
		case <-ended:
			t.Fatalf("hub.json has %s", strings.Split(info.EventHubsConnectionString, ";")[0])
		case <-time.After(time.Millisecond):
		}
	}
	conn, err := r.dialTLS(r.Info.Ports.AMQPS, moved.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
