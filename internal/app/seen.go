package app

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/delivery"
	"azx/internal/mapping"
	"azx/internal/message"
	"azx/internal/tail"
)

// mostShown is how many bytes of a body are shown.
const mostShown = 8 << 10

// Seen is a message as people see it pass. Members that its stage does not know are left out.
type Seen struct {
	Hub       string    `json:"hub,omitempty"` // the hub Thing
	Partition string    `json:"partition"`
	Sequence  int64     `json:"sequence"`
	Offset    string    `json:"offset"`
	Enqueued  time.Time `json:"enqueued"`
	Device    string    `json:"device"`
	Module    string    `json:"module,omitempty"`
	Source    string    `json:"source,omitempty"`

	ContentType     string            `json:"contentType,omitempty"`
	ContentEncoding string            `json:"contentEncoding,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
	Body            string            `json:"body,omitempty"`      // the first 8 KiB, if it is text
	BodyBytes       int               `json:"bodyBytes,omitempty"` // of the whole body

	Thing    string        `json:"thing,omitempty"`
	Time     *time.Time    `json:"time,omitempty"` // of its values
	Readings []SeenReading `json:"readings,omitempty"`
	Writes   []SeenWrite   `json:"writes,omitempty"`

	Result string `json:"result,omitempty"` // "delivered", "quarantined", "skipped"
	Reason string `json:"reason,omitempty"` // of the last two
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// SeenReading is a member of a body.
type SeenReading struct {
	Key   string `json:"key"`
	Value string `json:"value"` // its JSON text
}

// SeenWrite is a value for a remote property of a Thing.
type SeenWrite struct {
	Property string    `json:"property"`
	Type     string    `json:"type"` // base type
	Value    string    `json:"value"`
	Time     time.Time `json:"time"`
}

// seen is what every stage knows of a message.
func seen(m *message.Message) Seen {
	return Seen{
		Hub: m.Hub, Partition: m.Partition, Sequence: m.Sequence, Offset: m.Offset, Enqueued: m.Enqueued,
		Device: m.DeviceID, Module: m.ModuleID, Source: m.Source,
	}
}

func seenReceived(m *message.Message) Seen {
	s := seen(m)
	s.ContentType, s.ContentEncoding, s.Properties, s.BodyBytes = m.ContentType, m.ContentEncoding, m.Properties, len(m.Body)
	if utf8.Valid(m.Body) {
		s.Body = shortened(string(m.Body))
	}
	return s
}

// seenDecoded is what a message has become on its way to its Thing; an error says why its body cannot be read.
func seenDecoded(t message.Telemetry) (Seen, error) {
	s := seen(t.Message)
	at := time.UnixMilli(t.Time).UTC()
	s.Thing, s.Time = t.Thing, &at
	readings, err := decode.Body(t.Message)
	for _, r := range readings {
		s.Readings = append(s.Readings, SeenReading{shortened(string(r.Key)), shortened(string(r.Raw))})
	}
	return s, err
}

func seenWritten(t message.Telemetry, values *mapping.Values, from, n int) Seen {
	s := seen(t.Message)
	s.Thing, s.Result = t.Thing, delivery.Delivered.String()
	for i := range n {
		w := values.Write(from + i)
		s.Writes = append(s.Writes, seenWrite(w.Property, w.Value, w.Time))
	}
	return s
}

func seenWrite(property string, v infotable.Value, ms int64) SeenWrite {
	v = v.Unwrap()
	return SeenWrite{property, v.Type().String(), shortened(v.String()), time.UnixMilli(ms).UTC()}
}

// shortened cuts a text to what is shown.
func shortened(text string) string {
	if len(text) <= mostShown {
		return text
	}
	cut := mostShown
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

// tapped hands messages that pass to those who watch: it is ingress.Tap, and writer.Written.
type tapped struct{ *tail.Tail }

func (t tapped) offer(s tail.Stage, m *message.Message, line func() (Seen, error)) {
	if !t.Watched() || !t.Wants(s, m.DeviceID) { // what few watch is not worth reaching for the message
		return
	}
	seen, err := line()
	if err != nil {
		return
	}
	if text, err := json.Marshal(seen); err == nil {
		t.Offer(s, m.DeviceID, text)
	}
}

// Received is ingress.Tap's.
func (t tapped) Received(m *message.Message) {
	t.offer(tail.Received, m, func() (Seen, error) { return seenReceived(m), nil })
}

// Addressed is ingress.Tap's. A message that cannot be decoded is told by Ended.
func (t tapped) Addressed(d message.Telemetry) {
	t.offer(tail.Decoded, d.Message, func() (Seen, error) { return seenDecoded(d) })
}

// Ended is ingress.Tap's. A message that is put aside without having been decoded is told there, too.
func (t tapped) Ended(m *message.Message, result delivery.Result, reason string) {
	ended := func() (Seen, error) {
		s := seen(m)
		s.Result, s.Reason = result.String(), reason
		return s, nil
	}
	t.offer(tail.Written, m, ended)
}

// Written is the writer's.
func (t tapped) Written(d message.Telemetry, values *mapping.Values, from, n int) {
	t.offer(tail.Written, d.Message, func() (Seen, error) { return seenWritten(d, values, from, n), nil })
}
