package source

import (
	"bytes"
	"fmt"
	"strings"
)

// Body is the JSON text of all messages of a source, but for two numbers of fixed width in it.
type Body struct {
	// Name is how reports call it.
	Name string
	text []byte
	// Properties are the names of its members in the order of the text; Kinds their base types.
	Properties []Property
}

// Property is a member of a body.
type Property struct{ Name, BaseType string }

// Members whose value differs from message to message.
const (
	// SequenceKey holds FirstSequence plus the message's number in its partition.
	SequenceKey = "sequence"
	// SentKey holds the microseconds since 1970 when the message was sent, or should have been.
	SentKey = "sentMicros"
	// FirstSequence keeps the number ten digits wide.
	FirstSequence = 1_000_000_000

	sequenceHole = "1000000000"
	sentHole     = "1000000000000000"
)

// Small returns a body of 200 bytes with nine properties.
func Small() Body {
	b := start("200 B")
	b.add("temperature", "NUMBER", "21.437")
	b.add("humidity", "NUMBER", "48.25")
	b.add("pressure", "NUMBER", "1013.25")
	b.add("vibration", "NUMBER", "0.0125")
	b.add("alarm", "BOOLEAN", "false")
	b.add("status", "STRING", `"running"`)
	b.pad("line", 200)
	return b
}

// Large returns a body of 2,048 bytes with about 150 numeric properties.
func Large() Body {
	b := start("2 KB")
	for i := 0; len(b.text) < 2000; i++ {
		b.add(fmt.Sprintf("p%03d", i), "NUMBER", fmt.Sprintf("%d.25", 10+i%90))
	}
	b.pad("line", 2048)
	return b
}

func start(name string) Body {
	b := Body{Name: name}
	b.add(SequenceKey, "LONG", sequenceHole)
	b.add(SentKey, "NUMBER", sentHole)
	return b
}

func (b *Body) add(name, baseType, value string) {
	sep := byte(',')
	if b.text == nil {
		sep = '{'
	}
	b.text = fmt.Appendf(append(b.text, sep), "%q:%s", name, value)
	b.Properties = append(b.Properties, Property{name, baseType})
}

// pad closes the object with a text that makes it size bytes long.
func (b *Body) pad(name string, size int) {
	fill := size - len(b.text) - len(name) - len(`,"":""}`)
	b.add(name, "STRING", `"`+strings.Repeat("x", fill)+`"`)
	b.text = append(b.text, '}')
}

// Text returns a copy of the JSON text, with the sequence and the sent time of no message.
func (b Body) Text() []byte { return bytes.Clone(b.text) }
