package amqp

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

func FuzzDevicePath(f *testing.F) {
	for _, seed := range []string{"devices/d/messages/events", "devices/d/modules/m/twin", "devices//", "devices/d", "devices/d/modules/m", "x/y/z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		id, node, ok := parseDevicePath(path)
		if !ok {
			return
		}
		if strings.Contains(id.Device+id.Module, "/") || node != strings.ToLower(node) || strings.Count(id.Path()+"/"+node, "/") != strings.Count(path, "/") {
			t.Errorf("%q is %v %q", path, id, node)
		}
	})
}

// FuzzMessages hands a foreign message to all that read one. What the hub holds afterwards is within its bounds.
func FuzzMessages(f *testing.F) {
	for _, m := range []*amqp10.Message{
		{Properties: &amqp10.Properties{To: "/devices/pump-1/messages/devicebound", MessageID: amqp10.UUID{1}}, Data: [][]byte{[]byte("x")},
			ApplicationProperties: amqp10.Map{{Key: propertyAck, Value: "full"}, {Key: propertyStatus, Value: int32(200)}}},
		{Annotations: amqp10.Map{{Key: amqp10.Symbol(annotationOperation), Value: "PATCH"}, {Key: amqp10.Symbol(annotationResource), Value: resourceReported}},
			Properties: &amqp10.Properties{CorrelationID: "c"}, Data: [][]byte{[]byte(`{"a":1}`)}},
		{Header: &amqp10.Header{TTL: amqp10.Some[uint32](5)}, Data: [][]byte{amqp10.AppendMessage(nil, &amqp10.Message{Data: [][]byte{nil}})}},
		{Value: amqp10.Some[any](amqp10.Map{})},
	} {
		f.Add(amqp10.AppendMessage(nil, m), uint32(0))
		f.Add(amqp10.AppendMessage(nil, m), formatBatch)
	}
	hub, err := iothub.Open(iothub.Config{Host: cloud, Partitions: 1, Retention: iothub.Retention{Bytes: 1 << 20}})
	if err != nil {
		f.Fatal(err)
	}
	added, err := hub.Registry().Add(iothub.Spec{ID: pump})
	if err != nil {
		f.Fatal(err)
	}
	c := &client{hub: hub, log: slog.New(slog.DiscardHandler)}
	d := &device{client: c, principal: iothub.Principal{ID: pump, GenerationID: added[0].GenerationID, Rights: iothub.DeviceConnect, Expires: time.Now().Add(time.Hour)}}
	if err := d.connect(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte, format uint32) {
		in := &amqp10.Incoming{Payload: payload, Format: format}
		if s := d.submit(in, ""); len(s.tickets) > maxBatched {
			t.Errorf("%d events of one message", len(s.tickets))
		}
		m, err := amqp10.DecodeMessage(payload)
		if err != nil {
			return
		}
		answer := d.answerTwin(m)
		if status, _ := answer.Annotations.Get(annotationStatus).(int32); status < 200 || status > 599 {
			t.Errorf("status %d", status)
		}
		_ = d.takeAnswer(m)
		_ = c.sendToDevice(m)
		if box, err := hub.Outbox(pump); err != nil || box.Purge() > iothub.MaxQueued {
			t.Errorf("the queue of the device: %v", err)
		}
	})
}
