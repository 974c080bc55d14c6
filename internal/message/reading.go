package message

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
	// Decimal is what a short number says; it is read where it is walked.
	Decimal Decimal
}

// Decimal is a number without exponent whose digits an int64 holds exactly and, where it has a point, a float64, too.
type Decimal struct {
	Digits int64 // with their sign
	Scale  int   // how many of them stand behind the point
	Short  bool  // false: it is none, and Raw has to be read
}
