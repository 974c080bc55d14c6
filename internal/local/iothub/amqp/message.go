package amqp

import (
	"fmt"
	"strconv"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// formatBatch is the format of a message whose data sections are messages (read: azeventhubs).
const formatBatch uint32 = 0x80013700

// parseSent decodes what came: one event, or a batch of them with one partition key, as long as there are no more than most.
func parseSent(in *amqp10.Incoming, most int) (key string, events []iothub.Message, err error) {
	outer, err := amqp10.DecodeMessage(in.Payload)
	if err != nil {
		return "", nil, err
	}
	key = outer.Annotations.Text(annotationPartitionKey)
	if in.Format != formatBatch {
		event, err := eventOf(outer)
		return key, []iothub.Message{event}, err
	}
	if len(outer.Data) > most {
		return "", nil, fmt.Errorf("a batch of %d messages: at most %d", len(outer.Data), most)
	}
	for _, encoded := range outer.Data {
		inner, err := amqp10.DecodeMessage(encoded)
		if err != nil {
			return "", nil, fmt.Errorf("event %d of the batch: %w", len(events), err)
		}
		event, err := eventOf(inner)
		if err != nil {
			return "", nil, fmt.Errorf("event %d of the batch: %w", len(events), err)
		}
		events = append(events, event)
	}
	return key, events, nil
}

// eventOf takes what an event of the log can have from a message. Application properties become text, as a hub has them.
func eventOf(m *amqp10.Message) (iothub.Message, error) {
	if m.Value.Set || len(m.Sequences) > 0 {
		return iothub.Message{}, fmt.Errorf("the body is a value or a sequence; this hub takes data")
	}
	event := iothub.Message{Properties: make(map[string]string, len(m.ApplicationProperties))}
	for _, data := range m.Data {
		event.Body = append(event.Body, data...)
	}
	for _, pair := range m.ApplicationProperties {
		name, _ := pair.Key.(string)
		text, ok := textOf(pair.Value)
		if !ok {
			return iothub.Message{}, fmt.Errorf("application property %q is a %T; this hub takes texts, numbers, booleans, times and UUIDs", name, pair.Value)
		}
		event.Properties[name] = text
	}
	event.InterfaceID, event.Subject = m.Annotations.Text(annotationInterface), m.Annotations.Text(annotationSubject)
	if p := m.Properties; p != nil {
		var ok, correlates bool
		event.MessageID, ok = textOf(p.MessageID)
		event.CorrelationID, correlates = textOf(p.CorrelationID)
		if !ok || !correlates {
			return iothub.Message{}, fmt.Errorf("a message id or correlation id is binary; this hub takes texts, numbers and UUIDs")
		}
		event.UserID, event.To = string(p.UserID), p.To
		event.ContentType, event.ContentEncoding = string(p.ContentType), string(p.ContentEncoding)
	}
	return event, nil
}

// textOf writes a scalar as text; nil is "".
func textOf(v any) (text string, ok bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case amqp10.Symbol:
		return string(v), true
	case bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), true
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case amqp10.Timestamp:
		return v.Time().Format(time.RFC3339Nano), true
	case amqp10.UUID: // the SDKs send ids as UUIDs that look like one (read)
		return v.String(), true
	}
	return "", false
}
