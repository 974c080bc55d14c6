package hub

import (
	"fmt"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/message"
)

// encodedEvent is message number i as the event endpoint of a hub sends it, with a body of n bytes.
func encodedEvent(i, n int) []byte {
	at := amqp10.TimestampOf(time.UnixMilli(1764230400000 + int64(i)))
	return amqp10.AppendMessage(nil, &amqp10.Message{
		Annotations: amqp10.Map{
			{Key: amqp10.Symbol("iothub-connection-device-id"), Value: fmt.Sprintf("bench-%06d", i)},
			{Key: amqp10.Symbol("iothub-connection-auth-method"), Value: `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`},
			{Key: amqp10.Symbol("iothub-connection-auth-generation-id"), Value: "638994528000000000"},
			{Key: amqp10.Symbol("iothub-enqueuedtime"), Value: at},
			{Key: amqp10.Symbol("iothub-message-source"), Value: "Telemetry"},
			{Key: amqp10.Symbol("x-opt-sequence-number"), Value: int64(4711 + i)},
			{Key: amqp10.Symbol("x-opt-offset"), Value: fmt.Sprint(7654321076543 + i)},
			{Key: amqp10.Symbol("x-opt-enqueued-time"), Value: at},
		},
		Properties: &amqp10.Properties{MessageID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), ContentType: "application/json", ContentEncoding: "utf-8"},
		Data:       [][]byte{make([]byte, n)},
	})
}

// encodedEvents are messages of as many devices.
func encodedEvents(many, n int) []amqp10.Received {
	all := make([]amqp10.Received, many)
	for i := range all {
		all[i].Payload = encodedEvent(i, n)
	}
	return all
}

func BenchmarkEvent(b *testing.B) {
	for _, n := range []int{200, 2048} {
		batch := encodedEvents(64, n)
		b.Run(fmt.Sprintf("scan/%d", n), func(b *testing.B) {
			s := newScanner("Plant1Hub", "0", new(groups))
			messages := make([]*message.Message, 0, len(batch))
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(batch) {
				if _, err := s.messages(messages[:0], batch); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("go-amqp/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if err := new(amqp.Message).UnmarshalBinary(batch[i%len(batch)].Payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
