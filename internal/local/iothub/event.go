package iothub

import (
	"errors"
	"time"
)

// MaxMessageSize is the largest message from a device: body, system property values, application property names and
// values together (read).
const MaxMessageSize = 256 * 1024

// ErrTooLarge means a message is over MaxMessageSize.
var ErrTooLarge = errors.New("message larger than 262144 bytes")

// SourceTelemetry is the message source of what devices send; the other sources of a hub come with later features.
const SourceTelemetry = "Telemetry"

// Message is what a device sends: a body, the system properties it may set, and its own (application) properties.
// Times in application properties, such as iothub-creation-time-utc, are passed on as written.
type Message struct {
	Body []byte
	// Properties are the application properties.
	Properties map[string]string

	// System properties in the words of AMQP; empty means not set.
	MessageID       string
	CorrelationID   string
	UserID          string
	To              string
	ContentType     string
	ContentEncoding string

	// OutputName is the module output the message was sent to (MQTT $.on, AMQP iothub-outputname).
	OutputName string
	// Subject is the Plug and Play component (MQTT $.sub, seen by readers as dt-subject).
	Subject string
	// DataSchema is the Plug and Play model id the device named when it connected (dt-dataschema).
	DataSchema string
	// InterfaceID is MQTT $.ifid (iothub-interface-id).
	InterfaceID string
}

// Size is what counts against MaxMessageSize, in bytes.
func (m *Message) Size() int {
	n := len(m.Body) + len(m.MessageID) + len(m.CorrelationID) + len(m.UserID) + len(m.To) + len(m.ContentType) +
		len(m.ContentEncoding) + len(m.OutputName) + len(m.Subject) + len(m.DataSchema) + len(m.InterfaceID)
	for name, value := range m.Properties {
		n += len(name) + len(value)
	}
	return n
}

// Event is a message in the log, with what the hub stamped on it. Events are shared between readers: never change one.
type Event struct {
	Message

	// From is the device or module that sent it (iothub-connection-device-id, iothub-connection-module-id).
	From ID
	// GenerationID is iothub-connection-auth-generation-id.
	GenerationID string
	// AuthMethod is the JSON text of iothub-connection-auth-method.
	AuthMethod string
	// PartitionKey chose the partition of an event that a client sent to the event hub itself (x-opt-partition-key).
	PartitionKey string
	// Source is iothub-message-source; empty for such an event.
	Source string
	// HubTime is iothub-enqueuedtime: when the hub took the message.
	HubTime time.Time

	// SequenceNumber counts the events of the partition (x-opt-sequence-number).
	SequenceNumber int64
	// Offset is the event's place in the partition (x-opt-offset), to be handed back as it is.
	Offset string
	// EnqueuedTime is when the event entered the log (x-opt-enqueued-time).
	EnqueuedTime time.Time
}
