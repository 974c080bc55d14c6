package amqp

import (
	"reflect"
	"testing"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

func TestAnEventIsWrittenWithTheTypesOfTheHub(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	for _, v := range []struct {
		name  string
		event iothub.Event
		want  amqp10.Message
	}{
		{"as little as an event has", iothub.Event{From: iothub.ID{Device: "d"}, Offset: "37344", SequenceNumber: 300, EnqueuedTime: at, HubTime: at.Add(-time.Second)},
			amqp10.Message{
				Annotations: amqp10.Map{
					{Key: amqp10.Symbol("x-opt-sequence-number"), Value: int64(300)},
					{Key: amqp10.Symbol("x-opt-offset"), Value: "37344"},
					{Key: amqp10.Symbol("x-opt-enqueued-time"), Value: amqp10.Timestamp(1700000000123)},
					{Key: amqp10.Symbol("iothub-enqueuedtime"), Value: amqp10.Timestamp(1699999999123)},
					{Key: amqp10.Symbol("iothub-connection-device-id"), Value: "d"},
				},
				Properties: &amqp10.Properties{},
				Data:       [][]byte{{}},
			}},
		{"what a device may add", iothub.Event{
			Message: iothub.Message{
				Body: []byte("b"), Properties: map[string]string{"z": "1", "a": ""}, MessageID: "m", CorrelationID: "c", UserID: "u", To: "t",
				ContentType: "ct", ContentEncoding: "ce",
			}, EnqueuedTime: at, HubTime: at},
			amqp10.Message{
				Annotations: amqp10.Map{
					{Key: amqp10.Symbol("x-opt-sequence-number"), Value: int64(0)},
					{Key: amqp10.Symbol("x-opt-offset"), Value: ""},
					{Key: amqp10.Symbol("x-opt-enqueued-time"), Value: amqp10.Timestamp(1700000000123)},
					{Key: amqp10.Symbol("iothub-enqueuedtime"), Value: amqp10.Timestamp(1700000000123)},
				},
				Properties:            &amqp10.Properties{MessageID: "m", UserID: []byte("u"), To: "t", CorrelationID: "c", ContentType: "ct", ContentEncoding: "ce"},
				ApplicationProperties: amqp10.Map{{Key: "a", Value: ""}, {Key: "z", Value: "1"}},
				Data:                  [][]byte{[]byte("b")},
			}},
	} {
		t.Run(v.name, func(t *testing.T) {
			got, err := amqp10.DecodeMessage(appendEvent(nil, &v.event))
			if err != nil || !reflect.DeepEqual(got, &v.want) {
				t.Errorf("message %+v (%v), want %+v", got, err, v.want)
			}
		})
	}
}
