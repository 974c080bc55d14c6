package websocket

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// newGate is a gate on a server of its own.
func newGate(t *testing.T) (*Gate, string) {
	t.Helper()
	gate := NewGate(address{}, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle(HubPath, gate)
	mux.Handle(EventPath, gate)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return gate, strings.TrimPrefix(server.URL, "http://")
}

func TestASubprotocolLeadsToItsFront(t *testing.T) {
	for name, c := range map[string]struct {
		path      string
		protocols []string
		front     func(*Gate) net.Listener
		chosen    string
	}{
		"MQTT":                             {HubPath, []string{"mqtt"}, (*Gate).MQTT, "mqtt"},
		"AMQP":                             {HubPath, []string{"AMQPWSB10"}, (*Gate).AMQP, "AMQPWSB10"},
		"AMQP of the event endpoint":       {EventPath, []string{"AMQPWSB10"}, (*Gate).AMQP, "AMQPWSB10"},
		"the first of two":                 {HubPath, []string{"mqtt", "AMQPWSB10"}, (*Gate).MQTT, "mqtt"},
		"the one that is known":            {HubPath, []string{"mqttv3.1", "AMQPWSB10"}, (*Gate).AMQP, "AMQPWSB10"},
		"the one that the path has":        {EventPath, []string{"mqtt", "AMQPWSB10"}, (*Gate).AMQP, "AMQPWSB10"},
		"with a query, as some SDKs write": {HubPath + "?iothub-no-client-cert=true", []string{"mqtt"}, (*Gate).MQTT, "mqtt"},
	} {
		t.Run(name, func(t *testing.T) {
			gate, host := newGate(t)
			echoed := make(chan error, 1)
			go func() {
				nc, err := c.front(gate).Accept()
				if err == nil {
					_, err = io.Copy(nc, nc)
					_ = nc.Close()
				}
				echoed <- err
			}()
			nc, _, handshake, err := ws.Dialer{Protocols: c.protocols}.Dial(context.Background(), "ws://"+host+c.path)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if handshake.Protocol != c.chosen {
				t.Errorf("the hub chose %q, want %q", handshake.Protocol, c.chosen)
			}
			if _, err := nc.Write(wire(t, binary(true, "hello"), ws.NewCloseFrame(nil))); err != nil {
				t.Fatal(err)
			}
			frame, err := ws.ReadFrame(nc)
			if err != nil || string(frame.Payload) != "hello" {
				t.Errorf("got %+v, %v", frame, err)
			}
			if err := <-echoed; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBytesThatCameWithTheUpgradeAreNotLost(t *testing.T) {
	gate, host := newGate(t)
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	request := "GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
	if _, err := nc.Write(append([]byte(request), wire(t, binary(true, "early"))...)); err != nil {
		t.Fatal(err)
	}
	server, err := gate.MQTT().Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "early" {
		t.Fatalf("read %q, %v", got, err)
	}
	if server.LocalAddr().Network() != "websocket" || server.RemoteAddr().String() != nc.LocalAddr().String() {
		t.Errorf("addresses %v and %v", server.LocalAddr(), server.RemoteAddr())
	}
}

func TestRequestsThatAreNoUpgradeHere(t *testing.T) {
	upgrade := func(protocol string) []string {
		return []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", protocol}
	}
	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
		hint    string
	}{
		"no subprotocol":             {HubPath, upgrade("X: y"), 400, "mqtt or AMQPWSB10"},
		"an unknown one":             {HubPath, upgrade("Sec-WebSocket-Protocol: stomp, ,"), 400, "mqtt or AMQPWSB10"},
		"MQTT at the event endpoint": {EventPath, upgrade("Sec-WebSocket-Protocol: mqtt"), 400, "subprotocol AMQPWSB10"},
		"no upgrade":                 {HubPath, []string{"Sec-WebSocket-Protocol: mqtt"}, 400, "Upgrade"},
		"another version":            {HubPath, append(upgrade("Sec-WebSocket-Protocol: mqtt")[:2], "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: mqtt"), 426, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, host := newGate(t)
			nc, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			var request bytes.Buffer
			request.WriteString("GET " + c.path + " HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(c.headers, "\r\n") + "\r\n\r\n")
			if _, err := nc.Write(request.Bytes()); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != c.status || !strings.Contains(string(body), c.hint) {
				t.Fatalf("answered %s %q, %v; want %d with %q", response.Status, body, err, c.status, c.hint)
			}
		})
	}
}

func TestAConnectionForAFrontThatHasEndedIsClosed(t *testing.T) {
	gate, host := newGate(t)
	for range 2 {
		if err := gate.AMQP().Close(); err != nil {
			t.Fatal(err)
		}
	}
	nc, early, _, err := ws.Dialer{Protocols: []string{"AMQPWSB10"}}.Dial(context.Background(), "ws://"+host+EventPath)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if early == nil { // nothing came together with the answer
		early = bufio.NewReader(nc)
	}
	if frame, err := ws.ReadFrame(early); err != nil || frame.Header.OpCode != ws.OpClose {
		t.Fatalf("got %+v, %v; want a close", frame, err)
	}
	if _, err := gate.AMQP().Accept(); err == nil {
		t.Error("the listener accepts after its end")
	}
}
