package hub

import (
	"reflect"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"azx/internal/delivery"
	"azx/internal/message"
)

func to[T any](v T) *T { return &v }

func TestAnEventBecomesAMessageCompletely(t *testing.T) {
	enqueued := time.Date(2026, 11, 22, 20, 0, 0, 5e6, time.FixedZone("", 3600))
	body := []byte(`{"temperature":21.5}`)
	event := &azeventhubs.ReceivedEventData{
		EventData: azeventhubs.EventData{
			Body: body,
			Properties: map[string]any{
				"text": "a", "yes": true, "int": int32(-7), "long": uint64(1 << 63), "double": 0.1, "float": float32(0.1),
				"time": enqueued, "bytes": []byte("raw"), "binary": []byte{0xff, 0}, "nothing": nil,
				"uuid": amqp.UUID{0xde, 0xad}, "list": []any{int32(1), "b"}, "map": map[string]any{"k": true},
			},
		},
		SequenceNumber: 4711,
		Offset:         "37344",
		EnqueuedTime:   &enqueued,
		PartitionKey:   to("dev-1"),
		SystemProperties: map[string]any{
			"iothub-connection-device-id": "dev-1", "iothub-connection-module-id": "mod",
			"iothub-message-source": "Telemetry", "iothub-enqueuedtime": enqueued,
			"iothub-connection-auth-method": `{"scope":"device"}`, "dt-subject": "thermostat", "x-opt-strange": int64(3),
		},
		RawAMQPMessage: &azeventhubs.AMQPAnnotatedMessage{
			Body: azeventhubs.AMQPAnnotatedMessageBody{Data: [][]byte{body}},
			Properties: &azeventhubs.AMQPAnnotatedMessageProperties{
				ContentType: to("application/json"), ContentEncoding: to("utf-8"),
				MessageID: "m-1", CorrelationID: uint64(9), UserID: []byte("plant1"), To: to("/devices/dev-1"),
				Subject: to("s"), ReplyTo: to("r"), GroupID: to("g"), GroupSequence: to(uint32(2)),
				ReplyToGroupID: to("rg"), CreationTime: &enqueued, AbsoluteExpiryTime: &enqueued,
			},
		},
	}
	const utc = "2026-11-22T19:00:00.005Z"
	want := &message.Message{
		Hub: "Plant1Hub", Partition: "3", Sequence: 4711, Offset: "37344", Enqueued: enqueued.UTC(),
		DeviceID: "dev-1", ModuleID: "mod", Source: "Telemetry",
		ContentType: "application/json", ContentEncoding: "utf-8", Body: body,
		Properties: map[string]string{
			"text": "a", "yes": "true", "int": "-7", "long": "9223372036854775808", "double": "0.1", "float": "0.1",
			"time": utc, "bytes": "raw", "binary": "/wA=", "nothing": "",
			"uuid": "dead0000-0000-0000-0000-000000000000", "list": `[1,"b"]`, "map": `{"k":true}`,
		},
		System: message.TextMap{
			"x-opt-partition-key": "dev-1", "iothub-enqueuedtime": utc, "iothub-connection-auth-method": `{"scope":"device"}`,
			"dt-subject": "thermostat", "x-opt-strange": "3",
			"message-id": "m-1", "correlation-id": "9", "user-id": "plant1", "to": "/devices/dev-1", "subject": "s",
			"reply-to": "r", "group-id": "g", "group-sequence": "2", "reply-to-group-id": "rg",
			"creation-time": utc, "absolute-expiry-time": utc,
		},
	}
	got, err := convert("Plant1Hub", "3", event)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestABodyIsFoundInAnyForm(t *testing.T) {
	for name, test := range map[string]struct {
		body azeventhubs.AMQPAnnotatedMessageBody
		want string
	}{
		"several data sections": {azeventhubs.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte("ab"), []byte("c")}}, "abc"},
		"a text value":          {azeventhubs.AMQPAnnotatedMessageBody{Value: "abc"}, "abc"},
		"a binary value":        {azeventhubs.AMQPAnnotatedMessageBody{Value: []byte{0xff}}, "\xff"},
		"a map":                 {azeventhubs.AMQPAnnotatedMessageBody{Value: map[string]any{"t": 1}}, `{"t":1}`},
		"a sequence":            {azeventhubs.AMQPAnnotatedMessageBody{Sequence: [][]any{{1, 2}}}, `[[1,2]]`},
		"none":                  {azeventhubs.AMQPAnnotatedMessageBody{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := convert("h", "0", &azeventhubs.ReceivedEventData{Offset: "1", EnqueuedTime: &time.Time{},
				RawAMQPMessage: &azeventhubs.AMQPAnnotatedMessage{Body: test.body}})
			if err != nil || string(m.Body) != test.want {
				t.Errorf("got %q, %v", m.Body, err)
			}
		})
	}
}

func TestAnEventWithoutAPlaceInItsPartitionIsRefused(t *testing.T) {
	for name, e := range map[string]*azeventhubs.ReceivedEventData{
		"no offset": {EnqueuedTime: &time.Time{}},
		"no time":   {Offset: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := convert("h", "0", e); err == nil {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func TestPositions(t *testing.T) {
	when := time.Date(2026, 11, 22, 20, 0, 0, 0, time.FixedZone("", 3600))
	for text, test := range map[string]struct {
		position Position
		want     azeventhubs.StartPosition
	}{
		"earliest":                {Earliest(), azeventhubs.StartPosition{Earliest: to(true)}},
		"latest":                  {Latest(), azeventhubs.StartPosition{Latest: to(true)}},
		"after offset 37344":      {After(delivery.Checkpoint{Sequence: 3, Offset: "37344"}), azeventhubs.StartPosition{Offset: to("37344")}},
		"at 2026-11-22T19:00:00Z": {At(when), azeventhubs.StartPosition{EnqueuedTime: to(when.UTC()), Inclusive: true}},
	} {
		if got := test.position.start(); !reflect.DeepEqual(got, test.want) || test.position.String() != text {
			t.Errorf("%s: %q, %+v", text, test.position, got)
		}
	}
	if (Position{}) != Earliest() {
		t.Error("the zero position is not the earliest")
	}
}

func TestPrefetchKeepsWithinItsBytes(t *testing.T) {
	for name, test := range map[string]struct {
		bytes      int64
		partitions int
		want       int
	}{
		"an even share":            {64 << 20, 4, 64},
		"less than one each":       {1 << 20, 32, 1},
		"never more than the most": {1 << 40, 1, MaxPrefetch},
		"no partitions known yet":  {1 << 20, 0, 4},
	} {
		if got := PrefetchFor(test.bytes, test.partitions); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}
