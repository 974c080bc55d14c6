// Package decode turns the body of a message into readings: it checks content type and encoding and
// walks the JSON text once, strictly, without building anything but the list of readings.
package decode

import (
	"bytes"
	"errors"
	"mime"
	"strings"
	"unicode/utf8"

	"azx/internal/fault"
	"azx/internal/message"
)

// Limits of a body. A message of the hub is at most 256 KiB, so they bound time as well as memory.
const (
	MaxDepth   = 64                 // nesting of objects and arrays
	MaxMembers = message.MaxMembers // members of the outermost object
)

// ErrEmpty says that a message has no body: a sign of life, with nothing to write.
var ErrEmpty = errors.New("empty body")

// Body returns the members of the JSON object in a message's body, in the order of the text. A key that
// occurs twice gives two readings; written in order, the last one stands. The readings borrow the body.
//
// It returns ErrEmpty for a body without text, and a *fault.Problem of class Rejected for one that
// cannot be read.
func Body(m *message.Message) (message.Readings, error) {
	if err := checkType(m.ContentType, m.ContentEncoding); err != nil {
		return message.Readings{}, err
	}
	text := bytes.TrimPrefix(m.Body, []byte("\ufeff"))
	if len(bytes.TrimLeft(text, " \t\r\n")) == 0 {
		return message.Readings{}, ErrEmpty
	}
	if !utf8.Valid(text) {
		return message.Readings{}, fault.Reject("decode body", "send JSON text in UTF-8, or name the encoding in contentEncoding", "invalid UTF-8")
	}
	readings, err := members(text)
	if err != nil {
		return message.Readings{}, &fault.Problem{Op: "decode body", Class: fault.Rejected, Cause: err, Hint: "the body has to be one JSON object: {\"property\": value, ...}"}
	}
	return readings, nil
}

// Value returns the one JSON value of a text as a reading without a key. It is nested no deeper than MaxDepth. The
// reading borrows the text; the error says what is wrong with it, and where.
func Value(text []byte) (message.Reading, error) {
	if !utf8.Valid(text) {
		return message.Reading{}, errors.New("invalid UTF-8")
	}
	w := &walker{text: text}
	w.space()
	start := w.at
	kind, err := w.one()
	if err != nil {
		return message.Reading{}, err
	}
	r := message.Reading{Kind: kind, Raw: text[start:w.at]}
	if w.space(); w.at != len(text) {
		return message.Reading{}, w.errorf("text after the value")
	}
	return r, nil
}

// checkType accepts JSON in UTF-8, said or not said: most devices state neither.
func checkType(contentType, encoding string) error {
	if contentType != "" && contentType != "application/json" {
		media, params, err := mime.ParseMediaType(contentType)
		if err != nil || !isJSON(media) {
			return fault.Reject("decode body", "set contentType to application/json", "content type %q is not JSON", contentType)
		}
		if encoding == "" {
			encoding = params["charset"]
		}
	}
	for _, known := range []string{"", "utf-8", "utf8", "us-ascii"} {
		if strings.EqualFold(encoding, known) {
			return nil
		}
	}
	return fault.Reject("decode body", "set contentEncoding to utf-8", "content encoding %q is not supported", encoding)
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}
