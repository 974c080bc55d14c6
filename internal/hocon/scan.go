package hocon

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// end is what peek gives behind the last character.
const end rune = -1

// reserved are characters that a text without quotes may not have, besides white space and "//".
const reserved = "$\"{}[]:=,+#`^?!@*&\\"

// parser reads one file.
type parser struct {
	*reader
	file         string
	text         string
	offset       int
	line, column int
	nested       int        // objects and lists around
	lists        int        // lists around
	path         []string   // of the object being read, in the document
	bases        [][]string // see reader.parse
}

func (p *parser) here() Position { return Position{p.file, p.line, p.column} }

// fail makes an Error that points here.
func (p *parser) fail(what, hint string) error { return &Error{p.here(), what, hint} }

// peek returns the next character, or end.
func (p *parser) peek() rune {
	if p.offset >= len(p.text) {
		return end
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.offset:])
	return r
}

// take consumes the next character.
func (p *parser) take() rune {
	if p.offset >= len(p.text) {
		return end
	}
	r, size := utf8.DecodeRuneInString(p.text[p.offset:])
	p.offset += size
	p.column++
	if r == '\n' {
		p.line, p.column = p.line+1, 1
	}
	return r
}

// has reports whether the text goes on with prefix.
func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.text[p.offset:], prefix) }

// drop consumes n characters.
func (p *parser) drop(n int) {
	for range n {
		p.take()
	}
}

func isBlank(r rune) bool {
	switch r {
	case '\t', '\v', '\f', '\r', 0x1c, 0x1d, 0x1e, 0x1f, 0xfeff:
		return true
	}
	return unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp)
}

// blank consumes white space within the line and returns it.
func (p *parser) blank() string {
	start := p.offset
	for isBlank(p.peek()) {
		p.take()
	}
	return p.text[start:p.offset]
}

func (p *parser) atComment() bool { return p.has("#") || p.has("//") }

// skip consumes white space, ends of lines and comments, and reports whether a line ended.
func (p *parser) skip() (newLine bool) {
	for {
		switch p.blank(); {
		case p.peek() == '\n':
			newLine = true
			p.take()
		case p.atComment():
			for r := p.peek(); r != '\n' && r != end; r = p.peek() {
				p.take()
			}
		default:
			return newLine
		}
	}
}

// isUnquoted reports whether the next character may be part of a text without quotes.
func (p *parser) isUnquoted() bool {
	r := p.peek()
	return r != end && r != '\n' && !isBlank(r) && !strings.ContainsRune(reserved, r) && !p.has("//")
}

// unquoted consumes characters that need no quotes.
func (p *parser) unquoted() string {
	start := p.offset
	for p.isUnquoted() {
		p.take()
	}
	return p.text[start:p.offset]
}

// quoted consumes a text in quotes, one or three.
func (p *parser) quoted() (string, error) {
	if p.has(`"""`) {
		return p.tripleQuoted()
	}
	start := p.here()
	p.take()
	var b strings.Builder
	for {
		at := p.here()
		switch r := p.take(); {
		case r == '"':
			return b.String(), nil
		case r == end || r == '\n':
			return "", &Error{start, "the quotes are not closed in this line", `a text of several lines has three quotes: """`}
		case r < ' ':
			return "", &Error{at, "a control character in quotes", `write \t or \u0000 instead`}
		case r == '\\':
			escaped, err := p.escape(at)
			if err != nil {
				return "", err
			}
			b.WriteRune(escaped)
		default:
			b.WriteRune(r)
		}
	}
}

// tripleQuoted consumes a text in three quotes. All quotes before the last three of a longer row belong to it.
func (p *parser) tripleQuoted() (string, error) {
	start := p.here()
	p.drop(3)
	length := strings.Index(p.text[p.offset:], `"""`)
	if length < 0 {
		return "", &Error{start, `the three quotes are not closed`, ""}
	}
	begin := p.offset
	for p.offset < begin+length {
		p.take()
	}
	for p.has(`""""`) {
		p.take()
	}
	text := p.text[begin:p.offset]
	p.drop(3)
	return text, nil
}

// escape consumes what follows a backslash; at is the backslash.
func (p *parser) escape(at Position) (rune, error) {
	const simple, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	r := p.take()
	if i := strings.IndexRune(simple, r); i >= 0 {
		return rune(meant[i]), nil
	}
	if r != 'u' {
		return 0, &Error{at, `an escape that does not exist`, `a backslash is written \\`}
	}
	first, err := p.hex(at)
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if p.has(`\u`) {
		p.drop(2)
		second, err := p.hex(at)
		if whole := utf16.DecodeRune(first, second); err != nil || whole != unicode.ReplacementChar {
			return whole, err
		}
	}
	return 0, &Error{at, "half of a pair of \\u escapes", ""}
}

func (p *parser) hex(at Position) (rune, error) {
	var r rune
	for range 4 {
		digit := strings.IndexRune("0123456789abcdef", unicode.ToLower(p.peek()))
		if digit < 0 {
			return 0, &Error{at, `\u needs four hexadecimal digits`, ""}
		}
		p.take()
		r = r<<4 | rune(digit)
	}
	return r, nil
}

// show names a character in a message.
func show(r rune) string {
	if r == end {
		return "the end of the file"
	}
	return fmt.Sprintf("%q", r)
}
