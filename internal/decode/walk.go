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

// members walks a whole document that has to be an object and returns its members.
func members(text []byte) ([]message.Reading, error) {
	w := &walker{text: text}
	w.space()
	if w.peek() != '{' {
		kind, err := w.value(0)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("the body is %s %s, not an object", article(kind), kind)
	}
	readings, err := w.outermost()
	if err != nil {
		return nil, err
	}
	w.space()
	if w.at != len(w.text) {
		return nil, w.errorf("text after the object")
	}
	return readings, nil
}

func article(k message.Kind) string {
	if k == message.Array {
		return "an"
	}
	return "a"
}

func (w *walker) outermost() ([]message.Reading, error) {
	readings := make([]message.Reading, 0, message.MostMembers(w.text))
	err := w.list('}', func() error {
		if len(readings) == MaxMembers {
			return fmt.Errorf("more than %d members", MaxMembers)
		}
		key, err := w.key()
		if err != nil {
			return err
		}
		start := w.at
		kind, err := w.value(1)
		if err != nil {
			return err
		}
		readings = append(readings, message.Reading{Key: key, Kind: kind, Raw: w.text[start:w.at]})
		return nil
	})
	return readings, err
}

// list walks what stands between an opening and its closing bracket: items with commas between.
func (w *walker) list(closing byte, item func() error) error {
	w.at++
	w.space()
	if w.peek() == closing {
		w.at++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		w.space()
		switch w.peek() {
		case ',':
			w.at++
			w.space()
		case closing:
			w.at++
			return nil
		default:
			return w.errorf("expected ',' or '%c'", closing)
		}
	}
}

// key walks a member's name and the colon, up to the value.
func (w *walker) key() ([]byte, error) {
	if w.peek() != '"' {
		return nil, w.errorf("expected a member name")
	}
	start := w.at
	escaped, err := w.str()
	if err != nil {
		return nil, err
	}
	key := w.text[start+1 : w.at-1]
	if escaped {
		var s string
		if err := json.Unmarshal(w.text[start:w.at], &s); err != nil {
			return nil, w.errorf("bad member name")
		}
		key = []byte(s)
	}
	w.space()
	if w.peek() != ':' {
		return nil, w.errorf("expected ':'")
	}
	w.at++
	w.space()
	return key, nil
}

// value walks one value that stands inside depth brackets.
func (w *walker) value(depth int) (message.Kind, error) {
	switch c := w.peek(); {
	case c == '"':
		_, err := w.str()
		return message.String, err
	case c == '{' || c == '[':
		return w.nested(c, depth)
	case c == 't':
		return message.Bool, w.word("true")
	case c == 'f':
		return message.Bool, w.word("false")
	case c == 'n':
		return message.Null, w.word("null")
	case c == '-' || isDigit(c):
		return message.Number, w.number()
	}
	return 0, w.errorf("expected a value")
}

func (w *walker) nested(open byte, depth int) (message.Kind, error) {
	if depth >= MaxDepth {
		return 0, w.errorf("nested deeper than %d levels", MaxDepth)
	}
	item := func() error {
		_, err := w.value(depth + 1)
		return err
	}
	if open == '[' {
		return message.Array, w.list(']', item)
	}
	return message.Object, w.list('}', func() error {
		if _, err := w.key(); err != nil {
			return err
		}
		return item()
	})
}

// str walks a string with its quotes and tells whether it held escapes.
func (w *walker) str() (escaped bool, err error) {
	for w.at++; w.at < len(w.text); w.at++ {
		switch c := w.text[w.at]; {
		case c == '"':
			w.at++
			return escaped, nil
		case c == '\\':
			escaped = true
			if err := w.escape(); err != nil {
				return false, err
			}
		case c < 0x20:
			return false, w.errorf("control character in a string")
		}
	}
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
	start := w.at
	for isDigit(w.peek()) {
		w.at++
	}
	return w.at > start
}

func (w *walker) word(word string) error {
	if len(w.text)-w.at < len(word) || string(w.text[w.at:w.at+len(word)]) != word {
		return w.errorf("expected a value")
	}
	w.at += len(word)
	return nil
}

func (w *walker) space() {
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

func (w *walker) errorf(format string, args ...any) error {
	return fmt.Errorf("invalid JSON at byte %d: %s", w.at, fmt.Sprintf(format, args...))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
