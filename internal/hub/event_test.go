package hub

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/message"
)

// scanOne scans a single payload.
func scanOne(payload []byte) (*message.Message, error) {
	messages, err := newScanner("Plant1Hub", "3", new(groups)).messages(nil, []amqp10.Received{{Payload: payload}})
	if err != nil {
		return nil, err
	}
	return messages[0], nil
}

// viaDecoder makes a message with the codec's full decoder: what the scanner has to give.
func viaDecoder(payload []byte) (*message.Message, error) {
	d, err := amqp10.DecodeMessage(payload)
	if err != nil {
		return nil, err
	}
	m := &message.Message{Hub: "Plant1Hub", Partition: "3"}
	var enqueued bool
	for _, pair := range d.Annotations {
		v := plain(pair.Value)
		switch keyOf(pair.Key) {
		case annotationSequence:
			n, ok := integer(pair.Value)
			if !ok {
				return nil, errSequence
			}
			m.Sequence = n
		case annotationOffset:
			s, ok := pair.Value.(string)
			if !ok {
				return nil, errOffset
			}
			m.Offset = s
		case annotationEnqueued:
			at, ok := pair.Value.(amqp10.Timestamp)
			if !ok {
				return nil, errEnqueued
			}
			m.Enqueued, enqueued = at.Time(), true
		case annotationPartitionKey:
			if _, ok := pair.Value.(string); !ok {
				return nil, errKey
			}
		case annotationDevice:
			m.DeviceID = text(v)
		case annotationModule:
			m.ModuleID = text(v)
		case annotationSource:
			m.Source = text(v)
		}
	}
	if m.Offset == "" || !enqueued {
		return nil, errPlace
	}
	if d.Properties != nil {
		m.ContentType, m.ContentEncoding = string(d.Properties.ContentType), string(d.Properties.ContentEncoding)
	}
	for _, pair := range d.ApplicationProperties {
		if name, ok := pair.Key.(string); ok {
			if m.Properties == nil {
				m.Properties = map[string]string{}
			}
			m.Properties[name] = text(plain(pair.Value))
		}
	}
	if len(d.Data) == 1 {
		m.Body = d.Data[0]
		return m, nil
	}
	e := &event{rest: rest{payload: payload}}
	if err := e.otherBody(); err != nil {
		return nil, err
	}
	m.Body = e.Body
	return m, nil
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

func sameMessage(a, b *message.Message) bool {
	return a.Hub == b.Hub && a.Partition == b.Partition && a.Sequence == b.Sequence && a.Offset == b.Offset && a.Enqueued.Equal(b.Enqueued) &&
		a.DeviceID == b.DeviceID && a.ModuleID == b.ModuleID && a.Source == b.Source && a.ContentType == b.ContentType &&
		a.ContentEncoding == b.ContentEncoding && maps.Equal(a.Properties, b.Properties) && (a.Properties == nil) == (b.Properties == nil) &&
		bytes.Equal(a.Body, b.Body)
}

// FuzzEvent compares the scanner with the codec's full decoder: both accept the same bytes, and find the same in them.
func FuzzEvent(f *testing.F) {
	for _, m := range wireMessages() {
		f.Add(amqp10.AppendMessage(nil, m))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		got, err := scanOne(payload)
		want, wanted := viaDecoder(payload)
		if (err == nil) != (wanted == nil) {
			// Of two faults either may be found first; but what one refuses the other does.
			t.Fatalf("scanned: %v; decoded: %v", err, wanted)
		}
		if err != nil {
			if !errors.Is(err, amqp10.ErrMalformed) && !errors.Is(wanted, amqp10.ErrMalformed) && !errors.Is(err, wanted) {
				t.Fatalf("scanned: %v; decoded: %v", err, wanted)
			}
			return
		}
		if !sameMessage(got, want) {
			t.Fatalf("scanned %+v\ndecoded %+v", got, want)
		}
		if got.SystemTexts() == nil {
			t.Fatal("the rest of a message that was accepted is not decoded")
		}
		if !bytes.Equal(payload, before) {
			t.Fatal("the payload was changed")
		}
	})
}

// placeAnnotations are the annotations without which an event is none.
func placeAnnotations(more ...amqp10.Pair) amqp10.Map {
	return append(amqp10.Map{
		{Key: amqp10.Symbol(annotationSequence), Value: int64(4711)},
		{Key: amqp10.Symbol(annotationOffset), Value: "37344"},
		{Key: amqp10.Symbol(annotationEnqueued), Value: amqp10.TimestampOf(time.Date(2026, 11, 22, 19, 0, 0, 5e6, time.UTC))},
	}, more...)
}

// wireMessages are events of many forms.
func wireMessages() map[string]*amqp10.Message {
	symbol := func(name string, v any) amqp10.Pair { return amqp10.Pair{Key: amqp10.Symbol(name), Value: v} }
	when := amqp10.TimestampOf(time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC))
	id := amqp10.UUID{0xde, 0xad}
	return map[string]*amqp10.Message{
		"as a hub sends it": {
			Annotations: placeAnnotations(symbol(annotationDevice, "dev-1"), symbol(annotationModule, "mod"), symbol(annotationSource, "Telemetry"),
				symbol("iothub-enqueuedtime", when), symbol("iothub-connection-auth-method", `{"scope":"device"}`),
				symbol(annotationPartitionKey, "dev-1"), symbol("dt-subject", "thermostat")),
			Properties: &amqp10.Properties{MessageID: "m-1", CorrelationID: uint64(9), UserID: []byte("plant1"), To: "/devices/dev-1",
				ContentType: "application/json", ContentEncoding: "utf-8"},
			ApplicationProperties: amqp10.Map{{Key: "level", Value: "high"}},
			Data:                  [][]byte{[]byte(`{"temperature":21.5}`)},
		},
		"with the least there may be": {Annotations: placeAnnotations(), Data: [][]byte{{}}},
		"with values of every type": {
			Header:              &amqp10.Header{Durable: true, Priority: 7, TTL: amqp10.Some[uint32](5), DeliveryCount: 1},
			DeliveryAnnotations: amqp10.Map{symbol("x", []any{int32(1)})},
			Annotations: placeAnnotations(symbol("a", nil), symbol("b", true), symbol("c", int8(-1)), symbol("d", uint64(1<<63)), symbol("e", 0.1),
				symbol("f", float32(0.1)), symbol("g", id), symbol("h", amqp10.Symbol("s")), symbol("i", []byte{0xff, 0}), symbol("j", []byte("raw")),
				symbol("k", []any{int32(1), "b"}), symbol("l", amqp10.Map{{Key: "k", Value: true}}), symbol("x-opt-strange", int64(3)),
				symbol("n", when), symbol("o", uint8(1)), symbol("p", uint16(2)), symbol("q", int16(-3)), symbol("r", uint32(4))),
			Properties: &amqp10.Properties{MessageID: id, CorrelationID: []byte("c"), Subject: "s", ReplyTo: "r", GroupID: "g",
				GroupSequence: amqp10.Some[uint32](2), ReplyToGroupID: "rg", CreationTime: when, AbsoluteExpiryTime: when},
			ApplicationProperties: amqp10.Map{{Key: "text", Value: "a"}, {Key: "yes", Value: true}, {Key: "int", Value: int32(-7)},
				{Key: "time", Value: when}, {Key: "nothing", Value: nil}, {Key: "uuid", Value: id}, {Key: "double", Value: 0.1}},
			Data:   [][]byte{[]byte("{}")},
			Footer: amqp10.Map{symbol("y", "z")},
		},
		"with several data sections": {Annotations: placeAnnotations(), Data: [][]byte{[]byte("ab"), []byte("c")}},
		"with a value as body":       {Annotations: placeAnnotations(), Value: amqp10.Some[any]("text")},
		"with bytes as body":         {Annotations: placeAnnotations(), Value: amqp10.Some[any]([]byte{1, 2})},
		"with a list as body":        {Annotations: placeAnnotations(), Sequences: [][]any{{int32(1), "b"}}},
		"without a body":             {Annotations: placeAnnotations()},
		"without an offset":          {Annotations: placeAnnotations()[:1], Data: [][]byte{{}}},
		"with a long id":             {Annotations: placeAnnotations(symbol(annotationDevice, string(bytes.Repeat([]byte("d"), 300)))), Data: [][]byte{{}}},
		"with numbers as keys":       {Annotations: placeAnnotations(amqp10.Pair{Key: uint64(7), Value: "x"}), Data: [][]byte{{}}},
	}
}

// viaLibrary makes a message as the receiver over Microsoft's library does. The step between go-amqp's message and an event
// is that library's own and not exported: this is what it does (read: event_data.go), for what these tests send.
func viaLibrary(t *testing.T, payload []byte) (*message.Message, error) {
	t.Helper()
	var m amqp.Message
	if err := m.UnmarshalBinary(payload); err != nil {
		t.Fatal(err)
	}
	e := &azeventhubs.ReceivedEventData{RawAMQPMessage: &azeventhubs.AMQPAnnotatedMessage{}}
	e.SystemProperties = map[string]any{}
	for k, v := range m.Annotations {
		switch k {
		case annotationSequence:
			e.SequenceNumber = v.(int64)
		case annotationOffset:
			e.Offset = v.(string)
		case annotationEnqueued:
			at := v.(time.Time)
			e.EnqueuedTime = &at
		case annotationPartitionKey:
			key := v.(string)
			e.PartitionKey = &key
		default:
			if name, ok := k.(string); ok {
				e.SystemProperties[name] = v
			}
		}
	}
	if len(m.Data) == 1 {
		e.Body = m.Data[0]
	}
	e.Properties = m.ApplicationProperties
	e.RawAMQPMessage.Body = azeventhubs.AMQPAnnotatedMessageBody{Data: m.Data, Value: m.Value, Sequence: m.Sequence}
	if p := m.Properties; p != nil {
		e.RawAMQPMessage.Properties = &azeventhubs.AMQPAnnotatedMessageProperties{
			AbsoluteExpiryTime: p.AbsoluteExpiryTime, ContentEncoding: p.ContentEncoding, ContentType: p.ContentType,
			CorrelationID: p.CorrelationID, CreationTime: p.CreationTime, GroupID: p.GroupID, GroupSequence: p.GroupSequence,
			MessageID: p.MessageID, ReplyTo: p.ReplyTo, ReplyToGroupID: p.ReplyToGroupID, Subject: p.Subject, To: p.To, UserID: p.UserID,
		}
	}
	return convert("Plant1Hub", "3", e)
}

func TestBothReceiversMakeTheSameMessage(t *testing.T) {
	for name, m := range wireMessages() {
		t.Run(name, func(t *testing.T) {
			payload := amqp10.AppendMessage(nil, m)
			got, err := scanOne(payload)
			want, wanted := viaLibrary(t, payload)
			if err != nil || wanted != nil {
				if err == nil || wanted == nil || err.Error() != wanted.Error() {
					t.Fatalf("got %v, want %v", err, wanted)
				}
				return
			}
			if !sameMessage(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if got, want := got.SystemTexts(), want.SystemTexts(); !maps.Equal(got, want) {
				t.Errorf("the rest is  %v\nwant %v", got, want)
			}
		})
	}
}

// inChunk are payloads that share memory.
func inChunk(payloads ...[]byte) (all []amqp10.Received) {
	chunk := new(amqp10.Chunk)
	for _, p := range payloads {
		all = append(all, amqp10.Received{Payload: p, Chunk: chunk})
	}
	return all
}

// numbered are payloads of as many messages, with the number of each as its body, and in its offset.
func numbered(from, n int) (payloads [][]byte) {
	for i := range n {
		m := amqp10.Message{Annotations: placeAnnotations(), Data: [][]byte{{byte(from + i)}}}
		m.Annotations[1].Value = time.Duration((from + i) * 1e6).String()
		payloads = append(payloads, amqp10.AppendMessage(nil, &m))
	}
	return payloads
}

func wantNumbered(t *testing.T, from int, messages []*message.Message) {
	t.Helper()
	for i, m := range messages {
		if n := from + i; m.Offset != time.Duration(n*1e6).String() || m.Body[0] != byte(n) {
			t.Errorf("message %d is %+v", n, m)
		}
	}
}

func TestMessagesMadeTogetherHaveTheirOwnOffsets(t *testing.T) {
	const n = 3*mostTogether + 1
	messages, err := newScanner("h", "0", new(groups)).messages(nil, inChunk(numbered(0, n)...))
	if err != nil || len(messages) != n {
		t.Fatalf("%d messages: %v", len(messages), err)
	}
	wantNumbered(t, 0, messages)
}

// end ends messages as the pump does, but for a last one that somebody keeps.
func end(messages []*message.Message, keptLast bool) {
	messages[0].Shared.Begin(len(messages))
	for i, m := range messages {
		s := m.Shared // gone with the message
		if s.End(keptLast && i == len(messages)-1) {
			s.Free()
		}
	}
}

func TestMemoryOfMessagesThatHaveEndedIsUsedAgain(t *testing.T) {
	s := newScanner("h", "0", new(groups))
	next := 0
	made := func(n int) []*message.Message {
		t.Helper()
		messages, err := s.messages(nil, inChunk(numbered(next, n)...))
		if err != nil {
			t.Fatal(err)
		}
		wantNumbered(t, next, messages)
		next += n
		return messages
	}
	kept := made(7)
	end(kept, true)
	allocs := testing.AllocsPerRun(200, func() { made(7) })
	again := testing.AllocsPerRun(200, func() { end(made(7), false) })
	if again >= allocs {
		t.Errorf("%.1f allocations for messages whose memory is there, %.1f without", again, allocs)
	}
	wantNumbered(t, 0, kept)
}

func TestNothingOfAMessageIsInTheNextOneInItsMemory(t *testing.T) {
	s := newScanner("Plant1Hub", "3", new(groups))
	var payloads [][]byte
	for _, m := range wireMessages() {
		payloads = append(payloads, amqp10.AppendMessage(nil, m))
	}
	for _, first := range payloads {
		for _, second := range payloads {
			if before, err := s.messages(nil, inChunk(first)); err == nil {
				end(before, false)
			}
			sameBehindOthers(t, s, second)
		}
	}
}

// What messages keep of each other is counted as theirs.
func TestTheMemoryThatMessagesShareIsCounted(t *testing.T) {
	if size := int(reflect.TypeFor[event]().Size()); size > eventBytes {
		t.Errorf("an event takes %d bytes, and %d are counted", size, eventBytes)
	}
	for name, tc := range map[string]struct {
		payloads []amqp10.Received
		least    int
	}{
		"one in a chunk":             {inChunk(encodedEvent(0, 200)), amqp10.ChunkSize},
		"one with memory of its own": {[]amqp10.Received{{Payload: encodedEvent(0, 200_000)}}, 200_000},
		"five in a chunk":            {inChunk(slices.Repeat([][]byte{encodedEvent(0, 200)}, 5)...), amqp10.ChunkSize + 5*eventBytes},
	} {
		messages, err := newScanner("h", "0", new(groups)).messages(nil, tc.payloads)
		if err != nil || messages[0].Shared.Size < tc.least+len(messages)*(messages[0].Beside()+len(messages[0].DeviceID)) || messages[0].Shared != messages[len(messages)-1].Shared {
			t.Errorf("%s: %d bytes are counted, want %d and more: %v", name, messages[0].Shared.Size, tc.least, err)
		}
	}
	if allocs := testing.AllocsPerRun(100, scanBatch(64)); allocs/64 > 0.5 {
		t.Errorf("%.2f allocations for each message", allocs/64)
	}
}

func TestMessagesAreMadeTogetherThatShareAChunk(t *testing.T) {
	one, other := inChunk(make([][]byte, 3)...), inChunk(make([][]byte, mostTogether+1)...)
	own := amqp10.Received{Payload: make([]byte, 5000)}
	for name, tc := range map[string]struct {
		payloads []amqp10.Received
		want     int
	}{
		"all of a chunk":            {one, 3},
		"those of a chunk":          {append(slices.Clone(one), other...), 3},
		"no more than there may be": {other, mostTogether},
		"memory of its own":         {[]amqp10.Received{own, own}, 1},
	} {
		if got := together(tc.payloads); got != tc.want {
			t.Errorf("%s: %d are made together, want %d", name, got, tc.want)
		}
	}
}

func scanBatch(n int) func() {
	s, batch := newScanner("h", "0", new(groups)), inChunk(slices.Repeat([][]byte{encodedEvent(0, 200)}, n)...)
	messages := make([]*message.Message, 0, n)
	return func() {
		if _, err := s.messages(messages[:0], batch); err != nil {
			panic(err)
		}
	}
}
