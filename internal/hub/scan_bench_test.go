package hub

import (
	"fmt"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/message"
)

// encodedEvent is a message as the event endpoint of a hub sends it, with a body of n bytes.
func encodedEvent(n int) []byte {
	return amqp10.AppendMessage(nil, &amqp10.Message{
		Annotations: amqp10.Map{
			{Key: amqp10.Symbol("iothub-connection-device-id"), Value: "bench-0001"},
			{Key: amqp10.Symbol("iothub-connection-auth-method"), Value: `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`},
			{Key: amqp10.Symbol("iothub-connection-auth-generation-id"), Value: "638994528000000000"},
			{Key: amqp10.Symbol("iothub-enqueuedtime"), Value: amqp10.TimestampOf(time.Now())},
			{Key: amqp10.Symbol("iothub-message-source"), Value: "Telemetry"},
			{Key: amqp10.Symbol("x-opt-sequence-number"), Value: int64(4711)},
			{Key: amqp10.Symbol("x-opt-offset"), Value: "7654321076543"},
			{Key: amqp10.Symbol("x-opt-enqueued-time"), Value: amqp10.TimestampOf(time.Now())},
		},
		Properties: &amqp10.Properties{MessageID: "00000000-0000-4000-8000-000000000000", ContentType: "application/json", ContentEncoding: "utf-8"},
		Data:       [][]byte{make([]byte, n)},
	})
}

func BenchmarkEvent(b *testing.B) {
	for _, n := range []int{200, 2048} {
		encoded := encodedEvent(n)
		b.Run(fmt.Sprintf("scan/%d", n), func(b *testing.B) {
			s, batch := newScanner("Plant1Hub", "0"), make([]amqp10.Received, 64)
			for i := range batch {
				batch[i].Payload = encoded
			}
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
			for range b.N {
				if err := new(amqp.Message).UnmarshalBinary(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
