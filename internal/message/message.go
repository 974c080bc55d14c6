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
	// Shared is the memory that it shares with others that came with it; nil: none.
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

// Size is the memory, in bytes, that a message is reckoned to take while in flight: twice what it holds, since garbage is collected
// when there is about as much of it. What it shares with others is not in it. Nor is what is made of it while it is written, which
// the number of lanes bounds, unless it has more values than a request usually carries: those are.
func (m *Message) Size() int {
	const (
		fixed   = 512 // struct, account of its receipt, queue entries and short texts
		perText = 192 // an entry of a map
		perByte = 2   // of the body and of texts

		usual    = 1000 // values of a request
		perValue = 300  // twice what is made of one beyond these: where it stands, its row, and the row on its way to the socket
	)
	system, _ := m.System.(TextMap) // others are made when they are asked for, of what is in Shared
	n := fixed + perByte*len(m.Body) + perText*(len(m.Properties)+len(system))
	for k, v := range m.Properties {
		n += perByte * (len(k) + len(v))
	}
	for k, v := range system {
		n += perByte * (len(k) + len(v))
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
