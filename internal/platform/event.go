package platform

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/mapping"
	"azx/internal/message"
)

// servicesHub is the Thing of Connection Services: its events are for people in Composer (read).
const servicesHub = "ConnectionServicesHub"

// EventKind is an event of the Thing of Connection Services, by its name there.
type EventKind string

// The events that the connector fires (names and fields read).
const (
	AuthenticationError EventKind = "AuthenticationError" // the hub does not accept the connector's credential
	ClearCacheEntry     EventKind = "ClearCacheEntry"     // what the connector knew is asked for again
	EdgeError           EventKind = "EdgeError"           // a device did not do what it was asked
	FileNotFoundError   EventKind = "FileNotFoundError"   // a file that was asked for is not here
	InternalError       EventKind = "InternalError"       // something of the connector itself went wrong
	ProtocolError       EventKind = "ProtocolError"       // what a device sent cannot be read
	ThingNotFoundError  EventKind = "ThingNotFoundError"  // a device sends, and has no Thing
	UserError           EventKind = "UserError"           // a caller asked for what cannot be
	WritePropertyError  EventKind = "WritePropertyError"  // a property was not written
)

// Event is one event.
type Event struct {
	Kind    EventKind
	Message string          // for people; credentials are taken out, and long ones cut
	Context json.RawMessage // nil is {}
	// Thing is whom it is about: a device's Thing, the hub Thing or the connector's own. Of a ThingNotFoundError it is the
	// device, of a FileNotFoundError the Thing whose file was asked for.
	Thing      string
	Path, File string            // of a FileNotFoundError
	Properties []PropertyFailure // of a WritePropertyError
	Cache, Key string            // of a ClearCacheEntry
}

// PropertyFailure is a property that was not written.
type PropertyFailure struct {
	Name    string
	Time    int64 // ms since 1970-01-01 UTC
	Quality string
}

const (
	maxContext  = 8 << 10 // bytes of JSON
	maxFailures = 100     // properties that one event names
)

// request fires the event.
func (e Event) request() alwayson.Request {
	context := string(e.Context)
	if context == "" {
		context = "{}"
	}
	cells := []infotable.Cell{
		{Name: "id", Value: infotable.String(newUUID())},
		{Name: "message", Value: infotable.String(shorten(conceal(e.Message)))},
		{Name: "context", Value: infotable.Text(infotable.TypeJSON, context)},
	}
	switch e.Kind {
	case ClearCacheEntry:
		cells = append(cells, infotable.Cell{Name: "cacheName", Value: infotable.String(shorten(e.Cache))},
			infotable.Cell{Name: "cacheKey", Value: infotable.String(shorten(e.Key))})
	case ThingNotFoundError:
		cells = append(cells, infotable.Cell{Name: "edgeIdentifier", Value: infotable.String(e.Thing)})
	case FileNotFoundError:
		cells = append(cells, infotable.Cell{Name: "fileRepositoryName", Value: infotable.String(e.Thing)},
			infotable.Cell{Name: "filePath", Value: infotable.String(shorten(e.Path))}, infotable.Cell{Name: "fileName", Value: infotable.String(shorten(e.File))})
	default:
		cells = append(cells, infotable.Cell{Name: "ThingName", Value: infotable.String(e.Thing)}) // with a capital T (read)
	}
	if e.Kind == WritePropertyError {
		cells = append(cells, infotable.Cell{Name: "properties", Value: infotable.FromTable(failures(e.Properties))})
	}
	return alwayson.FireEvent(servicesHub, string(e.Kind), infotable.OneRow(cells...))
}

func failures(properties []PropertyFailure) *infotable.Table {
	rows := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("timestamp", infotable.TypeDateTime),
		infotable.Column("quality", infotable.TypeString))
	for _, p := range properties[:min(len(properties), maxFailures)] {
		rows.Add(infotable.String(shorten(p.Name)), infotable.DateTime(p.Time), infotable.String(p.Quality))
	}
	return rows
}

// notFoundEvent tells of a device without a Thing. The members of its context are ours.
func notFoundEvent(t message.Telemetry) Event {
	device := t.Thing
	if t.Message != nil && t.Message.DeviceID != "" {
		device = t.Message.DeviceID
	}
	return Event{
		Kind: ThingNotFoundError, Thing: device, Context: appendContext(nil, t),
		Message: fmt.Sprintf("device %q sends messages, but there is no Thing %q", device, t.Thing),
	}
}

// appendContext appends what the message says, as JSON: enough to create the Thing from it. Values for which
// there is no room are left out.
func appendContext(dst []byte, t message.Telemetry) []byte {
	tail := `},"time":` + strconv.FormatInt(t.Time, 10) + `}`
	start := len(dst)
	dst = append(dst, `{"hubThing":`...)
	dst = appendText(dst, hubOf(t))
	dst = append(dst, `,"thing":`...)
	dst = appendText(dst, t.Thing)
	dst = append(dst, `,"properties":{`...)
	first := true
	readings, _ := decode.Body(t.Message) // a message that cannot be read does not come here
	seen := make(map[string]bool, len(readings))
	for _, r := range readings {
		if r.Kind == message.Null || seen[string(r.Key)] {
			continue
		}
		mark := len(dst)
		if !first {
			dst = append(dst, ',')
		}
		dst = appendText(dst, string(r.Key))
		dst = append(dst, `:{"baseType":"`...)
		dst = append(dst, mapping.Natural(r.Kind).String()...)
		dst = append(dst, `","value":`...)
		dst = append(dst, r.Raw...)
		dst = append(dst, '}')
		if len(dst)-start+len(tail) > maxContext {
			dst = dst[:mark]
			continue
		}
		first, seen[string(r.Key)] = false, true
	}
	return append(dst, tail...)
}

func appendText(dst []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always has JSON text
	return append(dst, text...)
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
