package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// TestProtonIsADevice has the strictest peer there is do all that a device does over AMQP.
func TestProtonIsADevice(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	identity := c.register(iothub.ID{Device: "pump-1"})
	token, err := iothub.SignToken(c.Info.HostName+"/devices/pump-1", "", identity.PrimaryKey, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	d := talker{t, process.Start(t, process.Command{Name: debianPython, Args: []string{"device_amqp.py"}, Env: append(os.Environ(),
		fmt.Sprintf("AZX_ADDRESS=127.0.0.1:%d", c.Info.Ports.AMQPS), "AZX_HOST="+c.Info.HostName, "AZX_CA="+c.ca, "AZX_DEVICE=pump-1",
		"AZX_USER=pump-1@sas."+c.Hub.Names().Label(), "AZX_PASSWORD="+token)})}
	d.UntilPrinted(patience, `{"ready": true}`)
	if err := c.Hub.SendToDevice(identity.ID, iothub.CloudMessage{Message: iothub.Message{
		Body: []byte("hello"), MessageID: "m1", Properties: map[string]string{"site": "a"}}}); err != nil {
		t.Fatal(err)
	}
	d.says("c2d", "hello", "hello")
	d.says("deliveries", 0.0, 1.0)
	d.says("properties", object{"site": "a"}, object{"site": "a"})
	c.desire(identity.ID, object{"rate": 5.0})
	d.says("desired", object{"rate": 5.0, "$version": 2.0})
	d.says("correlation", nil)
	got, err := c.Hub.Invoke(within(t), identity.ID, iothub.MethodCall{Name: "reboot"})
	if err != nil || got.Status != 207 || string(got.Payload) != `{"out":2}` {
		t.Errorf("method: %d %s, %v", got.Status, got.Payload, err)
	}
	d.says("type", "UUID")
	d.says("closed", true)
	if code := d.Wait(patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	d.says("same", true, true, true)
	d.says("status", 200.0, 200.0, 200.0)
	d.says("body", `{"desired":{"$version":1},"reported":{"$version":1}}`, "", "")
	d.says("types", object{"status": "int32"}, object{"status": "int32", "version": "int"}, object{"status": "int32"},
		object{"x-opt-sequence-number": "ulong", "iothub-enqueuedtime": "timestamp", "iothub-deliverycount": "ubyte"},
		object{"x-opt-sequence-number": "ulong", "iothub-enqueuedtime": "timestamp", "iothub-deliverycount": "ubyte"})
	events, _, err := c.Hub.Read(t.Context(), c.Hub.PartitionOf("pump-1"), 0, 10)
	if err != nil || len(events) != 1 || string(events[0].Body) != strings.Repeat("x", 100_000) ||
		events[0].MessageID != "00000000-0000-0000-0000-000000000007" || events[0].Properties["n"] != "1" {
		t.Errorf("%d events, %v", len(events), err)
	}
	if box, err := c.Hub.Outbox(identity.ID); err != nil || box.Count() != 0 {
		t.Errorf("messages are left (%v)", err)
	}
}
