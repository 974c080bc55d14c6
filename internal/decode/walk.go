package decode

import (
	"encoding/json"
	"fmt"

	"azx/internal/message"
)

// walker is a strict JSON parser (RFC 8259) that stands at one byte of a text.
// The text is known to be valid UTF-8.
type walker struct {
	text []byte
	at   int
}

// entered steps into the document, which has to be an object, and tells whether it has a member.
func (w *walker) entered() (more bool, err error) {
	w.space()
	if w.peek() == '{' {
		return w.opened('}'), nil
	}
	kind, err := w.one()
	if err == nil {
		err = fmt.Errorf("the body is %s %s, not an object", article(kind), kind)
	}
	return false, err
}

// ended has nothing but space stand behind the document.
func (w *walker) ended() error {
	w.space()
	if w.at != len(w.text) {
		return w.errorf("text after the object")
	}
	return nil
}

// one walks a value that stands in nothing.
func (w *walker) one() (message.Kind, error) {
	start := w.at
	if err := w.value(0); err != nil {
		return 0, err
	}
	return message.KindOf(w.text[start:]), nil
}

func article(k message.Kind) string {
	if k == message.Array {
		return "an"
	}
	return "a"
}

// opened steps over an opening bracket and tells whether there is an item before the closing one, over which it steps else.
func (w *walker) opened(closing byte) (more bool) {
	w.at++
	w.space()
	if w.peek() != closing {
		return true
	}
	w.at++
	return false
}

// next stands behind an item and steps over the comma, if there are more, or over the closing bracket.
func (w *walker) next(closing byte) (more bool, err error) {
	w.space()
	switch w.peek() {
	case ',':
		w.at++
		w.space()
		return true, nil
	case closing:
		w.at++
		return false, nil
	}
	return false, w.errorf("expected ',' or '%c'", closing)
}

// named steps over a member's name and the colon, up to the value, if the name is this one, which is plain, and the colon
// right behind it.
func (w *walker) named(name string) bool {
	rest := w.text[w.at:]
	n := len(name)
	if n == 0 || len(rest) < n+3 || rest[0] != '"' || rest[n+1] != '"' || rest[n+2] != ':' || string(rest[1:n+1]) != name {
		return false
	}
	w.at += n + 3
	w.space()
	return true
}

// key walks a member's name and the colon, up to the value. The name stands, without its quotes, from begin to end.
func (w *walker) key() (begin, end int, escapes bool, err error) {
	if w.peek() != '"' {
		return 0, 0, false, w.errorf("expected a member name")
	}
	begin = w.at + 1
	if escapes, err = w.str(); err != nil {
		return 0, 0, false, err
	}
	end = w.at - 1
	w.space()
	if w.peek() != ':' {
		return 0, 0, false, w.errorf("expected ':'")
	}
	w.at++
	w.space()
	return begin, end, escapes, nil
}

// value walks one value that stands inside depth brackets.
func (w *walker) value(depth int) error {
	switch c := w.peek(); {
	case c == '"':
		_, err := w.str()
		return err
	case c == '{':
		return w.nested('}', depth)
	case c == '[':
		return w.nested(']', depth)
	case c == 't':
		return w.word("true")
	case c == 'f':
		return w.word("false")
	case c == 'n':
		return w.word("null")
	case c == '-' || isDigit(c):
		return w.number()
	}
	return w.errorf("expected a value")
}

func (w *walker) nested(closing byte, depth int) error {
	if depth >= MaxDepth {
		return w.errorf("nested deeper than %d levels", MaxDepth)
	}
	for more := w.opened(closing); more; {
		if closing == '}' {
			if _, _, _, err := w.key(); err != nil {
				return err
			}
		}
		err := w.value(depth + 1)
		if err == nil {
			more, err = w.next(closing)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// str walks a string with its quotes and tells whether it holds escapes.
func (w *walker) str() (escapes bool, err error) {
	at := w.at + 1
	for text := w.text; at < len(text); at++ {
		c := text[at]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		w.at = at
		switch c {
		case '"':
			w.at++
			return escapes, nil
		case '\\':
			escapes = true
			if err := w.escape(); err != nil {
				return false, err
			}
			at = w.at
		default:
			return false, w.errorf("control character in a string")
		}
	}
	w.at = at
	return false, w.errorf("string without end")
}

// escape stands on a backslash and leaves on the escape's last byte.
func (w *walker) escape() error {
	w.at++
	switch w.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			w.at++
			if !isHex(w.peek()) {
				return w.errorf("bad \\u escape")
			}
		}
		return nil
	}
	return w.errorf("bad escape")
}

func (w *walker) number() error {
	if w.peek() == '-' {
		w.at++
	}
	switch {
	case w.peek() == '0':
		w.at++
	case !w.digits():
		return w.errorf("bad number")
	}
	if w.peek() == '.' {
		w.at++
		if !w.digits() {
			return w.errorf("bad number")
		}
	}
	if c := w.peek(); c == 'e' || c == 'E' {
		w.at++
		if c := w.peek(); c == '+' || c == '-' {
			w.at++
		}
		if !w.digits() {
			return w.errorf("bad number")
		}
	}
	return nil
}

// digits walks a run of digits and tells whether there was one.
func (w *walker) digits() bool {
	start, at := w.at, w.at
	for text := w.text; at < len(text) && isDigit(text[at]); {
		at++
	}
	w.at = at
	return at > start
}

func (w *walker) word(word string) error {
	if len(w.text)-w.at < len(word) || string(w.text[w.at:w.at+len(word)]) != word {
		return w.errorf("expected a value")
	}
	w.at += len(word)
	return nil
}

func (w *walker) space() {
	if w.at < len(w.text) && w.text[w.at] <= ' ' {
		w.spaces()
	}
}

func (w *walker) spaces() {
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ' ', '\t', '\r', '\n':
			w.at++
		default:
			return
		}
	}
}

// peek returns the byte at hand, or 0 at the end; a real 0 is no valid JSON anywhere.
func (w *walker) peek() byte {
	if w.at < len(w.text) {
		return w.text[w.at]
	}
	return 0
}

// unescaped is the content of a valid JSON string.
func unescaped(quoted []byte) []byte {
	var s string
	_ = json.Unmarshal(quoted, &s) // a valid one has a content
	return []byte(s)
}

func (w *walker) errorf(format string, args ...any) error {
	return fmt.Errorf("invalid JSON at byte %d: %s", w.at, fmt.Sprintf(format, args...))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
