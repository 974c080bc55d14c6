package iothub

import (
	"time"

	"github.com/Azure/go-amqp"

	"azx/internal/fault"
)

// maxMessage is the largest cloud-to-device message, in bytes of body and properties (read: quotas page).
const maxMessage = 64 << 10

// Ack says which outcomes of a message the hub tells the feedback queue.
type Ack string

// What a message may ask for; "" is none.
const (
	AckNone     Ack = "none"
	AckPositive Ack = "positive" // that it was completed
	AckNegative Ack = "negative" // that it expired or was rejected
	AckFull     Ack = "full"
)

// Message is a cloud-to-device message. Modules have none.
type Message struct {
	Device          string
	ID              string // needed for feedback
	CorrelationID   string
	ContentType     string // such as "application/json"
	ContentEncoding string // such as "utf-8"
	Ack             Ack
	Expires         time.Time // at most 2 days ahead; the zero value leaves it to the hub, an hour if nobody changed that
	Properties      map[string]string
	Body            []byte
}

func (m Message) check(op string) error {
	if err := checkID(op, "device", m.Device); err != nil {
		return err
	}
	switch m.Ack {
	case "", AckNone:
	case AckPositive, AckNegative, AckFull:
		if m.ID == "" {
			return fault.Reject(op, "", "a message that asks for feedback needs an id")
		}
	default:
		return fault.Reject(op, "none, positive, negative or full", "there is no feedback %q", m.Ack)
	}
	if n := m.size(); n > maxMessage {
		return fault.Reject(op, "", "it has %d bytes, more than %d", n, maxMessage)
	}
	return nil
}

func (m Message) size() int {
	n := len(m.Body) + len(m.ID) + len(m.CorrelationID) + len(m.ContentType) + len(m.ContentEncoding)
	for name, value := range m.Properties {
		n += len(name) + len(value)
	}
	return n
}

// wire makes the message that goes over the link (read: azure-iothub's client.js; tried with go-amqp).
func (m Message) wire() *amqp.Message {
	to := "/devices/" + escape(m.Device) + "/messages/devicebound"
	w := amqp.NewMessage(m.Body)
	w.Properties = &amqp.MessageProperties{
		To: &to, ContentType: present(m.ContentType), ContentEncoding: present(m.ContentEncoding),
	}
	if m.ID != "" {
		w.Properties.MessageID = m.ID
	}
	if m.CorrelationID != "" {
		w.Properties.CorrelationID = m.CorrelationID
	}
	if !m.Expires.IsZero() {
		w.Properties.AbsoluteExpiryTime = &m.Expires
	}
	if len(m.Properties) > 0 || m.Ack != "" {
		w.ApplicationProperties = make(map[string]any, len(m.Properties)+1)
	}
	for name, value := range m.Properties {
		w.ApplicationProperties[name] = value
	}
	if m.Ack != "" {
		w.ApplicationProperties["iothub-ack"] = string(m.Ack)
	}
	return w
}

func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
