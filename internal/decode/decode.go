// Package decode reads the body of a message: it checks content type and encoding and walks the JSON text once, strictly,
// member by member, without building anything.
package decode

import (
	"bytes"
	"errors"
	"fmt"
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

// Members are the members of the JSON object in a message's body, one after the other in the order of the text. A key that
// occurs twice comes twice; written in order, the last one stands. What is behind the last member that was returned is not
// known to be right until Next has returned false, and Err nil.
type Members struct {
	walk  walker
	count int
	more  bool // the walker stands before one
	err   error
}

// Open stands before the first member. It returns ErrEmpty for a body without text, and a *fault.Problem of class Rejected for
// one that cannot be read.
func Open(m *message.Message) (Members, error) {
	if err := checkType(m.ContentType, m.ContentEncoding); err != nil {
		return Members{}, err
	}
	text := withoutMark(m.Body)
	if isBlank(text) {
		return Members{}, ErrEmpty
	}
	if !utf8.Valid(text) {
		return Members{}, fault.Reject("decode body", "send JSON text in UTF-8, or name the encoding in contentEncoding", "invalid UTF-8")
	}
	b := Members{walk: walker{text: text}}
	more, err := b.walk.entered()
	b.step(more, err)
	return b, b.err
}

// Next returns the next member, which borrows the body; false if there is none, or the text is not right. guess is a name that
// it is likely to have, of which IsPlain is true, or "": to compare it is quicker than to walk it. guessed says that it has it.
func (b *Members) Next(guess string) (r message.Reading, guessed, ok bool) {
	if !b.more {
		return r, false, false
	}
	if b.count++; b.count > MaxMembers {
		b.step(false, fmt.Errorf("more than %d members", MaxMembers))
		return r, false, false
	}
	w := &b.walk
	begin, end, escapes, err := w.at+1, w.at+1+len(guess), false, error(nil)
	if guessed = w.named(guess); !guessed {
		begin, end, escapes, err = w.key()
	}
	if err != nil {
		b.step(false, err)
		return r, false, false
	}
	value := w.at
	if r.Decimal = w.short(); !r.Decimal.Short {
		if err := w.value(1); err != nil {
			b.step(false, err)
			return r, false, false
		}
	}
	r.Raw = w.text[value:w.at:w.at]
	r.Kind = message.KindOf(r.Raw)
	if r.Key = w.text[begin:end:end]; escapes {
		r.Key = unescaped(w.text[begin-1 : end+1])
	}
	more, err := w.next('}')
	b.step(more, err)
	return r, guessed, err == nil
}

// step notes whether there is another member, and why there is not. The last one has to end the text.
func (b *Members) step(more bool, err error) {
	if b.more = more; more {
		return
	}
	if err == nil {
		err = b.walk.ended()
	}
	if err != nil {
		b.err = &fault.Problem{Op: "decode body", Class: fault.Rejected, Cause: err, Hint: "the body has to be one JSON object: {\"property\": value, ...}"}
	}
}

// Err is why there are no more members: nil if there were no more in the text, else a *fault.Problem of class Rejected.
func (b *Members) Err() error { return b.err }

// Check returns why a body cannot be read, as Open does, or nil.
func Check(m *message.Message) error {
	members, err := Open(m)
	if err != nil {
		return err
	}
	for ok := true; ok; {
		_, _, ok = members.Next("")
	}
	return members.Err()
}

// Body returns all members of a body. Its errors are those of Open.
func Body(m *message.Message) ([]message.Reading, error) {
	members, err := Open(m)
	if err != nil {
		return nil, err
	}
	var all []message.Reading
	for r, _, ok := members.Next(""); ok; r, _, ok = members.Next("") {
		all = append(all, r)
	}
	if members.Err() != nil {
		return nil, members.Err()
	}
	return all, nil
}

// IsEmpty tells whether a body has no text.
func IsEmpty(body []byte) bool { return isBlank(withoutMark(body)) }

// withoutMark is a text without the byte order mark that it may begin with.
func withoutMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\ufeff")) }

func isBlank(text []byte) bool { return len(bytes.TrimLeft(text, " \t\r\n")) == 0 }

// IsPlain tells whether JSON may write a name as it is, without escapes.
func IsPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(name)
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
	r := message.Reading{Kind: kind, Raw: text[start:w.at], Decimal: (&walker{text: text[:w.at], at: start}).short()}
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
