package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/internal/local/iothub/serve"
	"azx/test/process"
)

// throughHTTPS has a Node program reach the hub's HTTPS port, whatever name and port it connects to.
func (h *hub) throughHTTPS(program string, env ...string) process.Command {
	h.t.Helper()
	info, err := serve.ReadInfo(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	return process.Command{Name: "node", Args: []string{"--require", "./websocket_reach.js", program}, Env: append(append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+h.ca, "AZX_REACH="+h.dial("", info.Ports.HTTPS)), env...)}
}

// controls is the control interface of a local hub.
func (h *hub) controls() *control.Client {
	h.t.Helper()
	info, err := serve.ReadInfo(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	return control.NewClient(info.Control)
}

// add registers a device, or a device and its module, and returns its connection string.
func (h *hub) add(id iothub.ID) string {
	h.t.Helper()
	specs := []iothub.Spec{{ID: iothub.ID{Device: id.Device}}}
	if id.Module != "" {
		specs = append(specs, iothub.Spec{ID: id})
	}
	devices, err := h.controls().AddDevices(within(h.t), specs...)
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(devices[len(devices)-1].ConnectionString, ";")
	return "HostName=" + h.host() + ";" + rest // without the port of MQTT: these clients take 443 of whatever is there
}

// TestClientsOverWebSocketWorkAsOverTheirOwnPorts has Microsoft's clients do all a device does, through the HTTPS port.
func TestClientsOverWebSocketWorkAsOverTheirOwnPorts(t *testing.T) {
	t.Parallel()
	const count = 20
	for _, c := range []struct {
		name, transport string
		id              iothub.ID
	}{
		{"a device over MQTT", "MqttWs", iothub.ID{Device: "mqtt-ws"}},
		{"a module over MQTT", "MqttWs", iothub.ID{Device: "mqtt-ws", Module: "press"}},
		{"a device over AMQP", "AmqpWs", iothub.ID{Device: "amqp-ws"}},
		{"a module over AMQP", "AmqpWs", iothub.ID{Device: "amqp-ws", Module: "press"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := localHub(t, "--host", cloudHost, "--feedback-delay", "100ms")
			child := process.Start(t, h.throughHTTPS("websocket.js", "AZX_CONNECTION="+h.add(c.id),
				"AZX_TRANSPORT="+c.transport, fmt.Sprintf("AZX_COUNT=%d", count), "AZX_RUN="+h.mark))
			child.UntilPrinted(patience, `{"ready":true}`)
			h.arrived(c.id, count)
			h.twinOver(c.id, c.transport)
			answer, text := h.ask(http.MethodPost, "/twins/"+strings.TrimPrefix(c.id.Path(), "devices/")+"/methods", `{"methodName":"echo","payload":{"a":[1,"x"]}}`)
			if answer.StatusCode != http.StatusOK || text != `{"status":201,"payload":{"a":[1,"x"]}}` {
				t.Errorf("the method is answered with %s %s", answer.Status, text)
			}
			if c.id.Module == "" {
				h.messages(child, c.id)
			}
			if err := h.controls().PatchTwin(within(t), c.id, map[string]any{"properties": map[string]any{"desired": map[string]any{"speed": 7}}}); err != nil {
				t.Fatal(err)
			}
			child.UntilPrinted(patience, `{"desired":{"speed":7`)
			if err := h.controls().PatchTwin(within(t), c.id, map[string]any{"properties": map[string]any{"desired": map[string]any{"bye": true}}}); err != nil {
				t.Fatal(err)
			}
			if code := child.Wait(patience); code != 0 {
				t.Errorf("node ended with %d: %s", code, child.Stderr())
			}
		})
	}
}

// arrived wants the messages of websocket.js in the events, whole and in order.
func (h *hub) arrived(id iothub.ID, count int) {
	h.t.Helper()
	partitions, err := h.controls().Partitions(within(h.t))
	if err != nil {
		h.t.Fatal(err)
	}
	full := slices.IndexFunc(partitions, func(p control.Partition) bool { return !p.Empty })
	if full < 0 {
		h.t.Fatal("nothing has arrived")
	}
	for n, e := range h.take(h.reader(h.consumer(group), strconv.Itoa(full), nil), count) {
		var body struct {
			N    int
			Fill string
		}
		if err := json.Unmarshal(e.Body, &body); err != nil || body.N != n || n%5 == 4 && len(body.Fill) != 100_000 {
			h.t.Fatalf("event %d is %.40s, %v", n, e.Body, err)
		}
		if e.SystemProperties["iothub-connection-device-id"] != id.Device || id.Module != "" && e.SystemProperties["iothub-connection-module-id"] != id.Module {
			h.t.Errorf("event %d is from %v", n, e.SystemProperties)
		}
	}
}

// twinOver wants the reported property that websocket.js writes.
func (h *hub) twinOver(id iothub.ID, transport string) {
	h.t.Helper()
	document, err := h.controls().Twin(within(h.t), id)
	if err != nil {
		h.t.Fatal(err)
	}
	properties, _ := document["properties"].(map[string]any)
	if reported, _ := properties["reported"].(map[string]any); reported["over"] != transport {
		h.t.Errorf("the twin reports %v, want over %s", reported, transport)
	}
}

// messages sends one to the device with Microsoft's service client over WebSocket, and wants its feedback.
func (h *hub) messages(child *process.Child, id iothub.ID) {
	h.t.Helper()
	service := process.Start(h.t, h.throughHTTPS("websocket_service.js", "AZX_SERVICE="+h.service.String(), "AZX_TO="+id.Device,
		"AZX_BODY=go faster", "AZX_ID=m-1"))
	child.UntilPrinted(patience, `{"c2d":"go faster","id":"m-1"}`)
	if code := service.Wait(patience); code != 0 {
		h.t.Fatalf("the service client ended with %d: %s", code, service.Stderr())
	}
	var records []iothub.FeedbackRecord
	if err := json.Unmarshal([]byte(service.Stdout()), &records); err != nil || len(records) != 1 || records[0].StatusCode != iothub.Success ||
		records[0].OriginalMessageID != "m-1" || records[0].DeviceID != id.Device {
		h.t.Errorf("feedback %s, %v", service.Stdout(), err)
	}
}
