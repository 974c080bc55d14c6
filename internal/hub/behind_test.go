package hub

import (
	"bytes"
	"testing"

	"azx/internal/amqp10"
)

// behind is a scanner that has seen these payloads, some of which it may have refused.
func behind(payloads ...[]byte) *scanner {
	s := newScanner("Plant1Hub", "3", new(groups))
	for _, p := range payloads {
		_ = s.scan(new(event), p)
	}
	return s
}

// sameBehindOthers compares what a scanner makes of a payload with what one makes that has seen nothing before.
func sameBehindOthers(t *testing.T, s *scanner, payload []byte) {
	t.Helper()
	got, err := s.messages(nil, []amqp10.Received{{Payload: payload}})
	want, wanted := scanOne(payload)
	switch {
	case (err == nil) != (wanted == nil) || err != nil && err.Error() != wanted.Error():
		t.Fatalf("%q: %v, and behind others %v", payload, wanted, err)
	case err == nil && !sameMessage(got[0], want):
		t.Fatalf("scanned %+v\nbehind others %+v", want, got[0])
	}
}

func TestAMessageIsTheSameBehindOthers(t *testing.T) {
	payloads := [][]byte{encodedEvent(7, 9)}
	for _, m := range wireMessages() {
		payloads = append(payloads, amqp10.AppendMessage(nil, m))
	}
	all := behind(payloads...)
	for _, p := range payloads {
		sameBehindOthers(t, all, p)
		for _, first := range payloads {
			sameBehindOthers(t, behind(first), p)
		}
	}
}

func TestAMessageWithAWrongByteIsTheSameBehindOthers(t *testing.T) {
	right, payload := encodedEvent(6, 9), encodedEvent(7, 9)
	for at := range payload {
		sameBehindOthers(t, behind(right), payload[:at])
		for bit := range 8 {
			other := bytes.Clone(payload)
			other[at] ^= 1 << bit
			sameBehindOthers(t, behind(right), other)
		}
	}
}

// FuzzEventBehind scans a message behind another one.
func FuzzEventBehind(f *testing.F) {
	f.Add(encodedEvent(1, 9), encodedEvent(2, 9))
	for _, m := range wireMessages() {
		f.Add(amqp10.AppendMessage(nil, m), encodedEvent(3, 9))
		f.Add(encodedEvent(3, 9), amqp10.AppendMessage(nil, m))
	}
	f.Fuzz(func(t *testing.T, first, payload []byte) {
		s := behind(first)
		sameBehindOthers(t, s, payload)
		sameBehindOthers(t, s, first)
	})
}
