package hub

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/internal/message"
)

// Annotations that have a field of their own in a message (read: iot-hub-devguide-messages-construct.md).
const (
	annotationDevice = "iothub-connection-device-id"
	annotationModule = "iothub-connection-module-id"
	annotationSource = "iothub-message-source"
)

// convert makes a message of an event; hub and partition are where it came from.
func convert(hub, partition string, e *azeventhubs.ReceivedEventData) (*message.Message, error) {
	if e.Offset == "" || e.EnqueuedTime == nil {
		return nil, errors.New("an event came without offset or enqueued time")
	}
	m := &message.Message{
		Hub:       hub,
		Partition: partition,
		Sequence:  e.SequenceNumber,
		Offset:    e.Offset,
		Enqueued:  e.EnqueuedTime.UTC(),
		Body:      e.Body,
	}
	system := message.TextMap{}
	m.System = system
	annotations(m, system, e)
	if raw := e.RawAMQPMessage; raw != nil {
		properties(m, system, raw.Properties)
		if len(raw.Body.Data) != 1 {
			m.Body = body(raw.Body)
		}
	}
	if len(e.Properties) > 0 {
		m.Properties = make(map[string]string, len(e.Properties))
		for k, v := range e.Properties {
			m.Properties[k] = text(v)
		}
	}
	return m, nil
}

func annotations(m *message.Message, system message.TextMap, e *azeventhubs.ReceivedEventData) {
	for k, v := range e.SystemProperties {
		switch k {
		case annotationDevice:
			m.DeviceID = text(v)
		case annotationModule:
			m.ModuleID = text(v)
		case annotationSource:
			m.Source = text(v)
		default:
			system[k] = text(v)
		}
	}
	if e.PartitionKey != nil {
		system["x-opt-partition-key"] = *e.PartitionKey
	}
}

// properties puts the AMQP properties under their names in the standard.
func properties(m *message.Message, system message.TextMap, p *azeventhubs.AMQPAnnotatedMessageProperties) {
	if p == nil {
		return
	}
	put := func(key string, value any, present bool) {
		if present {
			system[key] = text(value)
		}
	}
	m.ContentType, m.ContentEncoding = deref(p.ContentType), deref(p.ContentEncoding)
	put("message-id", p.MessageID, p.MessageID != nil)
	put("correlation-id", p.CorrelationID, p.CorrelationID != nil)
	put("user-id", p.UserID, p.UserID != nil)
	put("to", deref(p.To), p.To != nil)
	put("subject", deref(p.Subject), p.Subject != nil)
	put("reply-to", deref(p.ReplyTo), p.ReplyTo != nil)
	put("group-id", deref(p.GroupID), p.GroupID != nil)
	put("group-sequence", deref(p.GroupSequence), p.GroupSequence != nil)
	put("reply-to-group-id", deref(p.ReplyToGroupID), p.ReplyToGroupID != nil)
	put("creation-time", deref(p.CreationTime), p.CreationTime != nil)
	put("absolute-expiry-time", deref(p.AbsoluteExpiryTime), p.AbsoluteExpiryTime != nil)
}

// body is what an event without exactly one data section carries: the sections joined, or the
// text of its value. IoT Hub sends one section; other senders to an event hub need not.
func body(b azeventhubs.AMQPAnnotatedMessageBody) []byte {
	switch {
	case len(b.Data) > 0:
		var joined []byte
		for _, section := range b.Data {
			joined = append(joined, section...)
		}
		return joined
	case b.Value != nil:
		if raw, ok := b.Value.([]byte); ok {
			return raw
		}
		return []byte(text(b.Value))
	case len(b.Sequence) > 0:
		return []byte(text(b.Sequence))
	}
	return nil
}

// text is a value of AMQP as text: numbers and booleans as JSON has them, times as RFC 3339 in UTC,
// bytes as they are if they are text and else in base64, lists and maps as JSON.
func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case fmt.Stringer: // a UUID
		return v.String()
	case []any, [][]any, map[string]any:
		if encoded, err := json.Marshal(v); err == nil {
			return string(encoded)
		}
	}
	return fmt.Sprint(value)
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
