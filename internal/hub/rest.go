package hub

import (
	"time"

	"azx/internal/amqp10"
)

// rest is the payload of an event, for what its message has no field for. It is decoded when somebody asks, which only
// happens to messages that are put aside.
type rest struct{ payload []byte }

// Texts is message.Texts'.
func (e *rest) Texts() map[string]string {
	m, err := amqp10.DecodeMessage(e.payload)
	if err != nil { // the scanner accepts nothing that is not decoded: a fuzz test compares them
		return nil
	}
	texts := map[string]string{}
	for _, pair := range m.Annotations {
		switch key := keyOf(pair.Key); key {
		case "", annotationDevice, annotationModule, annotationSource, annotationSequence, annotationOffset, annotationEnqueued:
		default:
			texts[key] = text(plain(pair.Value))
		}
	}
	if p := m.Properties; p != nil {
		restOfProperties(texts, p)
	}
	return texts
}

// restOfProperties puts the AMQP properties under their names in the standard.
func restOfProperties(texts map[string]string, p *amqp10.Properties) {
	put := func(key string, value any, present bool) {
		if present {
			texts[key] = text(plain(value))
		}
	}
	put("message-id", p.MessageID, p.MessageID != nil)
	put("correlation-id", p.CorrelationID, p.CorrelationID != nil)
	put("user-id", p.UserID, p.UserID != nil)
	put("to", p.To, p.To != "")
	put("subject", p.Subject, p.Subject != "")
	put("reply-to", p.ReplyTo, p.ReplyTo != "")
	put("group-id", p.GroupID, p.GroupID != "")
	put("group-sequence", p.GroupSequence.Value, p.GroupSequence.Set)
	put("reply-to-group-id", p.ReplyToGroupID, p.ReplyToGroupID != "")
	put("creation-time", p.CreationTime, p.CreationTime != 0)
	put("absolute-expiry-time", p.AbsoluteExpiryTime, p.AbsoluteExpiryTime != 0)
}

// otherBody finds the body of an event without exactly one data section: the sections joined, or the text of its value.
func (e *event) otherBody() error {
	m, err := amqp10.DecodeMessage(e.payload)
	if err != nil {
		return err
	}
	e.Body = nil
	switch {
	case len(m.Data) > 0:
		for _, section := range m.Data {
			e.Body = append(e.Body, section...)
		}
	case m.Value.Set && m.Value.Value != nil:
		if raw, ok := m.Value.Value.([]byte); ok {
			e.Body = raw
		} else {
			e.Body = []byte(text(plain(m.Value.Value)))
		}
	case len(m.Sequences) > 0:
		all := make([]any, len(m.Sequences))
		for i, s := range m.Sequences {
			all[i] = plain(s)
		}
		e.Body = []byte(text(all))
	}
	return nil
}

func keyOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case amqp10.Symbol:
		return string(v)
	}
	return ""
}

// array is one of AMQP: its text is not that of a list.
type array []any

// plain is a value of AMQP as text takes it, which is how Microsoft's library decodes it.
func plain(value any) any {
	switch v := value.(type) {
	case amqp10.Symbol:
		return string(v)
	case amqp10.Timestamp:
		return v.Time()
	case amqp10.UUID:
		return v
	case amqp10.Map:
		return plainMap(v)
	case amqp10.Array:
		return array(plainList(v.Items))
	case []any:
		return plainList(v)
	case amqp10.Described:
		return plain(v.Value)
	case time.Time:
		return v
	}
	return value
}

func plainList(items []any) []any {
	all := make([]any, len(items))
	for i, item := range items {
		all[i] = plain(item)
	}
	return all
}

// plainMap has texts as keys if all of them are texts.
func plainMap(m amqp10.Map) any {
	texts, others := make(map[string]any, len(m)), make(map[any]any, len(m))
	for _, pair := range m {
		key, value := plain(pair.Key), plain(pair.Value)
		if name, ok := key.(string); ok {
			texts[name] = value
		}
		if hashable(key) {
			others[key] = value
		}
	}
	if len(texts) < len(others) {
		return others
	}
	return texts
}

func hashable(key any) bool {
	switch key.(type) {
	case []byte, []any, array, map[string]any, map[any]any, amqp10.Decimal:
		return false
	}
	return true
}
