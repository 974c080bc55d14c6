package message

import "encoding/json"

// Kind is the JSON kind of a reading's text.
type Kind uint8

// Kinds of JSON text.
const (
	Null Kind = iota
	Bool
	Number
	String
	Object
	Array
)

// String names the kind as JSON does.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "object", "array"}[k]
}

// KindOf is the kind of a valid JSON text, which its first byte tells.
func KindOf(raw []byte) Kind {
	switch raw[0] {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Number
}

// Reading is one top-level member of a message's body. Its base type is not known yet:
// that depends on the Thing it is for.
type Reading struct {
	Key  []byte // member name, unescaped; borrowed from the body unless it held escapes
	Kind Kind
	Raw  []byte // the member's JSON text, borrowed from the body; strings keep quotes and escapes
}

// Readings are the members of a body in the order of its text. They keep places only: thousands of messages are in flight, and
// each is looked at once.
type Readings struct {
	text   []byte
	places []place
}

// place is where the name of a member, without its quotes, and its value stand.
type place struct{ key, keyEnd, raw, rawEnd uint32 }

// escaped is set in the keyEnd of a name that holds escapes. No text is that long.
const escaped = 1 << 31

// NewReadings returns no readings of a valid JSON text yet, with room for some.
func NewReadings(text []byte, room int) Readings {
	return Readings{text: text, places: make([]place, 0, room)}
}

// Add appends the member whose name, without its quotes, stands in [key, keyEnd) of the text, with or without escapes, and its
// value in [raw, rawEnd).
func (r *Readings) Add(key, keyEnd int, escapes bool, raw, rawEnd int) {
	p := place{uint32(key), uint32(keyEnd), uint32(raw), uint32(rawEnd)}
	if escapes {
		p.keyEnd |= escaped
	}
	r.places = append(r.places, p)
}

// Len is how many there are.
func (r *Readings) Len() int { return len(r.places) }

// TextLen is how many bytes the text has that they stand in.
func (r *Readings) TextLen() int { return len(r.text) }

// At returns one of them.
func (r *Readings) At(i int) Reading {
	p := r.places[i]
	raw := r.text[p.raw:p.rawEnd:p.rawEnd]
	return Reading{Key: r.Key(i), Kind: KindOf(raw), Raw: raw}
}

// Key is the member name of one of them.
func (r *Readings) Key(i int) []byte {
	p := r.places[i]
	if p.keyEnd&escaped != 0 {
		return unescaped(r.text[p.key-1 : p.keyEnd&^escaped+1])
	}
	return r.text[p.key:p.keyEnd:p.keyEnd]
}

// unescaped is the content of a valid JSON string.
func unescaped(quoted []byte) []byte {
	var s string
	_ = json.Unmarshal(quoted, &s) // a valid one has a content
	return []byte(s)
}
