package presence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"azx/internal/fault"
	"azx/internal/message"
)

// sourceConnection is the message source of connection events (read: iot-hub-devguide-messages-construct.md).
const sourceConnection = "deviceConnectionStateEvents"

// edgeHub is the module that the clients of an edge device are connected to.
const edgeHub = "$edgeHub"

// sign is what an event says of a device or module.
type sign struct {
	target   message.Target
	kind     Kind
	alive    bool
	sequence sequence // of a connection event
}

// sequence orders the connection events of a device: larger is newer.
type sequence [32]byte

func (s sequence) after(other sequence) bool { return bytes.Compare(s[:], other[:]) > 0 }

// parseSequence reads up to 64 hexadecimal digits.
func parseSequence(text string) (s sequence, ok bool) {
	if text == "" || len(text) > 2*len(s) {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(strings.Repeat("0", 2*len(s)-len(text))+text))
	return s, err == nil
}

// eventSigns returns what an event of the hub says; none if it says nothing of presence.
func eventSigns(m *message.Message) ([]sign, error) {
	switch {
	case m.Source == sourceConnection:
		s, err := connectionSign(m)
		if err != nil {
			return nil, err
		}
		return []sign{s}, nil
	case m.Source == message.SourceTwinChanges && subject(m).Module == edgeHub:
		return clientSigns(m)
	}
	return nil, nil
}

// subject is whom an event is about: the hub sets the ids as those of the sender, or names them in properties.
func subject(m *message.Message) message.Target {
	of := message.Target{Device: m.DeviceID, Module: m.ModuleID}
	if of.Device == "" {
		of.Device = m.Properties["deviceId"]
	}
	if of.Module == "" {
		of.Module = m.Properties["moduleId"]
	}
	return of
}

// connectionSign reads a connection event (read: iot-hub-non-telemetry-event-schema.md).
func connectionSign(m *message.Message) (s sign, err error) {
	s = sign{target: subject(m), kind: Connection}
	if s.target.Device == "" {
		return s, undecodable("connection event", "it names no device")
	}
	switch kind := m.Properties["opType"]; kind {
	case "deviceConnected":
		s.alive = true
	case "deviceDisconnected":
	default:
		return s, undecodable("connection event", fmt.Sprintf("its opType is %.40q", kind))
	}
	var body struct {
		SequenceNumber string `json:"sequenceNumber"`
	}
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return s, undecodable("connection event", err.Error())
	}
	var ok bool
	if s.sequence, ok = parseSequence(body.SequenceNumber); !ok {
		return s, undecodable("connection event", fmt.Sprintf("its sequenceNumber %.80q is not of 1 to 64 hexadecimal digits", body.SequenceNumber))
	}
	return s, nil
}

// clientSigns reads which of its clients $edgeHub reports as connected or not. Only modules of the same device count:
// no device can speak for another one.
func clientSigns(m *message.Message) ([]sign, error) {
	var body struct {
		Properties struct {
			Reported struct {
				Clients map[string]json.RawMessage `json:"clients"`
			} `json:"reported"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return nil, undecodable("twin of "+edgeHub, err.Error())
	}
	device := subject(m).Device
	var signs []sign
	for key, client := range body.Properties.Reported.Clients {
		of, module, _ := strings.Cut(unescapeKey(key), "/")
		if of != device || module == "" || device == "" {
			continue
		}
		var report struct {
			Status string `json:"status"`
		}
		if json.Unmarshal(client, &report) != nil {
			continue // $metadata and what is not ours to judge
		}
		switch strings.ToLower(report.Status) {
		case "connected":
			signs = append(signs, sign{target: message.Target{Device: of, Module: module}, kind: Client, alive: true})
		case "disconnected":
			signs = append(signs, sign{target: message.Target{Device: of, Module: module}, kind: Client})
		}
	}
	return signs, nil
}

// unescapeKey undoes what $edgeHub does to ids, because a twin's keys cannot have these characters.
func unescapeKey(key string) string {
	return strings.NewReplacer("%2E", ".", "%24", "$", "%20", " ").Replace(key)
}

func undecodable(what, why string) error {
	return fault.Reject(op, "", "%s: %s", what, why)
}
