package ingress

import (
	"time"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/mapping"
	"azx/internal/message"
)

// Stamp finds the time of a message's values: what the device states in the application property
// iothub-creation-time-utc, else in a field of the body, else when the hub took the message.
type Stamp struct {
	Field string // member of the body that holds a DATETIME; "" for none
}

// A device's clock is believed between the year 2000 and this long after the hub took the message.
const maxAhead = 10 * time.Minute

// Time returns the time of a message. replaced tells that the device stated one that cannot be right.
func (s Stamp) Time(m *message.Message) (at time.Time, replaced bool) {
	at, stated := s.stated(m)
	if !stated {
		return m.Enqueued, false
	}
	if at.IsZero() || at.Year() < 2000 || at.After(m.Enqueued.Add(maxAhead)) {
		return m.Enqueued, true
	}
	return at, false
}

// stated returns what the device says; the zero time when it says something that is no time.
func (s Stamp) stated(m *message.Message) (at time.Time, stated bool) {
	if text, ok := m.Properties[message.PropertyCreationTime]; ok {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return time.Time{}, true
		}
		return at.UTC(), true
	}
	if s.Field == "" {
		return time.Time{}, false
	}
	members, err := decode.Open(m)
	if err != nil {
		return time.Time{}, false // it has no values either
	}
	for r, _, ok := members.Next(""); ok; r, _, ok = members.Next("") {
		if string(r.Key) != s.Field || r.Kind == message.Null {
			continue
		}
		v, err := mapping.Convert(r, infotable.TypeDateTime)
		if err != nil {
			return time.Time{}, true
		}
		ms, _ := v.Millis()
		return time.UnixMilli(ms).UTC(), true
	}
	return time.Time{}, false
}
