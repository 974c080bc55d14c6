// Package message holds what moves through azx: messages of a hub, the readings in
// them, the writes made of those, and the rule that ties a device id to the name of its Thing.
package message

import (
	"bytes"
	"time"

	"azx/alwayson/infotable"
)

// Message is one event of a hub's partition, as it was received.
//
// What is looked at once more when it is written comes first and fills 128 bytes: by then the message has left the cache.
type Message struct {
	Body            []byte // original bytes; nobody changes them
	ContentType     string // AMQP property content-type, "" when absent
	ContentEncoding string // AMQP property content-encoding, "" when absent
	ModuleID        string // iothub-connection-module-id; empty for a device's own messages
	Hub             string // name of the hub Thing
	Partition       string // partition id, "0".."31"
	DeviceID        string // iothub-connection-device-id; empty when the hub did not set it
	// Shared is the memory that it shares with others that came with it; nil: none. It is for the time that it is in flight.
	Shared *Shared

	Sequence int64     // per partition, ascending
	Offset   string    // opaque position within the partition
	Enqueued time.Time // when the hub took it (UTC)

	Source     string            // iothub-message-source: "Telemetry", "twinChangeEvents", ...
	Properties map[string]string // application properties, nil when there are none
	System     Texts             // remaining annotations and AMQP properties, as text; nil when there are none
}

// Texts are texts by name. Few ask for them: they may be made when somebody does.
type Texts interface{ Texts() map[string]string }

// TextMap is Texts that are there already.
type TextMap map[string]string

// Texts is the map itself.
func (m TextMap) Texts() map[string]string { return m }

// SystemTexts are the texts of System, nil when there are none. Nobody changes them.
func (m *Message) SystemTexts() map[string]string {
	if m.System == nil {
		return nil
	}
	return m.System.Texts()
}

// Message sources. An absent one stands for telemetry.
const (
	SourceTelemetry   = "Telemetry"             // what devices and modules send themselves
	SourceTwinChanges = "twinChangeEvents"      // what the hub tells of changed twins, where a route asks for it
	SourceLifecycle   = "deviceLifecycleEvents" // likewise, of devices and modules that were made or deleted
)

// PropertyCreationTime is the application property in which a device states when a message was made.
const PropertyCreationTime = "iothub-creation-time-utc"

// MaxMembers is how many members the outermost object of a body may have.
const MaxMembers = 10_000

// MostMembers returns how many members the outermost object of a JSON text has at most, within MaxMembers: each needs a
// colon.
func MostMembers(text []byte) int { return min(bytes.Count(text, []byte{':'}), MaxMembers) }

// Size is the memory, in bytes, that a message is reckoned to take while in flight.
func (m *Message) Size() int {
	const fixed = 384 // struct and short texts
	return fixed + Allocated(len(m.Body)) + m.Beside()
}

// Allocated is the most memory that Go's allocator takes for n bytes.
func Allocated(n int) int { return n + n/8 }

// Beside is that memory without the struct, its short texts and the body. What is made of a message while it is written is not in
// it, since the number of lanes bounds that, unless it has more values than a request usually carries: those are.
func (m *Message) Beside() int {
	const (
		fixed   = 256 // account of its receipt, and queue entries
		perText = 160 // an entry of a map

		usual    = 1000 // values of a request
		perValue = 150  // of one beyond these: where it stands, its row, and the row on its way to the socket
	)
	system, _ := m.System.(TextMap) // others are made of the body's memory when they are asked for
	n := fixed + perText*(len(m.Properties)+len(system))
	for k, v := range m.Properties {
		n += len(k) + len(v)
	}
	for k, v := range system {
		n += len(k) + len(v)
	}
	if len(m.Body) > usual*len(`"":1,`) { // else it has fewer members
		n += perValue * max(0, MostMembers(m.Body)-usual)
	}
	return n
}

// Telemetry is a message addressed to its Thing.
type Telemetry struct {
	Message *Message
	Thing   string
	Time    int64 // ms since 1970-01-01 UTC: the time of every value in it
}

// Write is one value for a remote property of a Thing.
type Write struct {
	Property string // remote (edge) name
	Value    infotable.Value
	Time     int64 // ms since 1970-01-01 UTC
}
