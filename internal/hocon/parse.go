package hocon

import (
	"fmt"
	"regexp"
	"strings"
)

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// document reads the whole file. The braces around it may be left out.
func (p *parser) document() (*object, error) {
	p.skip()
	root := newObject(p.here())
	switch p.peek() {
	case '[':
		return nil, p.fail("is a list, want keys and values", "")
	case '{':
		if err := p.braces(root); err != nil {
			return nil, err
		}
	default:
		return root, p.fields(root, end)
	}
	if p.skip(); p.peek() != end {
		return nil, p.fail(show(p.peek())+" behind the closing brace of the document", "")
	}
	return root, nil
}

// braces reads an object in braces.
func (p *parser) braces(into *object) error {
	start := p.here()
	p.take()
	if err := p.deeper(start); err != nil {
		return err
	}
	defer func() { p.nested-- }()
	if err := p.fields(into, '}'); err != nil {
		return err
	}
	if p.take() != '}' {
		return &Error{start, "the brace is not closed", ""}
	}
	return nil
}

// deeper counts an object or a list around what follows.
func (p *parser) deeper(start Position) error {
	if p.nested >= maxNested {
		return &Error{start, fmt.Sprintf("nested deeper than %d levels", maxNested), ""}
	}
	p.nested++
	return nil
}

// fields reads keys and values up to the closing character, which it leaves, or the end of the file.
func (p *parser) fields(into *object, closing rune) error {
	for {
		p.skip()
		switch r := p.peek(); r {
		case closing, end:
			return nil
		case ',':
			return p.fail("a comma with nothing before it", "")
		case '}', ']':
			return p.fail(show(r)+" closes nothing", "")
		}
		if err := p.entry(into); err != nil {
			return err
		}
		if err := p.separator(closing); err != nil {
			return err
		}
	}
}

// separator consumes the comma or the end of line behind a field or an item.
func (p *parser) separator(closing rune) error {
	newLine := p.skip()
	switch r := p.peek(); {
	case r == ',':
		p.take()
	case !newLine && r != closing && r != end:
		return p.unexpected("want a comma or a new line")
	}
	return nil
}

// entry reads one field, or an include.
func (p *parser) entry(into *object) error {
	if p.atInclude() {
		return p.include(into)
	}
	key := p.here()
	path, err := p.pathExpression()
	if err != nil {
		return err
	}
	p.skip()
	appends := p.has("+=")
	switch {
	case appends:
		p.drop(2)
	case p.has("=") || p.has(":"):
		p.take()
	case !p.has("{"):
		return p.unexpected("want = or : behind a key")
	}
	p.skip()
	outer := p.path
	if p.path = under(p.path, path); len(p.path) > maxNested {
		return &Error{key, fmt.Sprintf("nested deeper than %d levels", maxNested), ""}
	}
	if err := p.count(len(path)); err != nil {
		return err
	}
	value, err := p.value()
	p.path = outer
	if err != nil {
		return err
	}
	if appends {
		value = &appended{at{key}, value}
	}
	into.set(path, key, value)
	return nil
}

// value reads what stands behind a separator or in a list: one value, or several that are to be joined.
func (p *parser) value() (node, error) {
	start := p.here()
	var parts []node
	for {
		where, blank := p.here(), p.blank()
		switch p.peek() {
		case end, '\n', ',', '}', ']':
			return p.joinParts(start, parts)
		}
		if p.atComment() {
			return p.joinParts(start, parts)
		}
		if blank != "" && len(parts) > 0 {
			parts = append(parts, &scalar{at: at{where}, kind: String, text: blank, blank: true})
		}
		part, err := p.part()
		if err != nil {
			return nil, err
		}
		if err := p.count(1); err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
}

// count keeps account of what is made of the files.
func (p *parser) count(nodes int) error {
	if p.nodes += nodes; p.nodes > maxNodes {
		return p.fail(fmt.Sprintf("more than %d values", maxNodes), "")
	}
	return nil
}

func (p *parser) joinParts(start Position, parts []node) (node, error) {
	switch len(parts) {
	case 0:
		return nil, &Error{start, "no value", `an empty text is written ""`}
	case 1:
		return parts[0], nil
	}
	return &joined{at{start}, parts}, nil
}

// part reads one value.
func (p *parser) part() (node, error) {
	start := p.here()
	switch p.peek() {
	case '"':
		text, err := p.quoted()
		return &scalar{at: at{start}, kind: String, text: text}, err
	case '{':
		o := newObject(start)
		return o, p.braces(o)
	case '[':
		return p.list()
	case '$':
		return p.reference()
	}
	return p.bare()
}

// bare reads a value without quotes.
func (p *parser) bare() (node, error) {
	start, begin := p.here(), p.offset
	if r := p.peek(); r == '-' || r >= '0' && r <= '9' {
		p.exponent()
	}
	p.unquoted()
	text := p.text[begin:p.offset]
	s := &scalar{at: at{start}, kind: String, text: text}
	switch {
	case text == "":
		return nil, p.unexpected("want a value")
	case text == "true" || text == "false":
		s.kind = Bool
	case text == "null":
		s.kind = Null
	case number.MatchString(text):
		s.kind = Number
	}
	return s, nil
}

// exponent consumes a number whose exponent has a plus, which no other text without quotes may have.
func (p *parser) exponent() {
	text := p.text[p.offset:]
	length := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.+-eE", r) })
	if length < 0 {
		length = len(text)
	}
	if number.MatchString(text[:length]) {
		p.drop(length)
	}
}

// list reads a list in brackets.
func (p *parser) list() (node, error) {
	l := &list{at: at{p.here()}}
	p.take()
	if err := p.deeper(l.Position); err != nil {
		return nil, err
	}
	p.lists++
	defer func() { p.nested--; p.lists-- }()
	for {
		p.skip()
		switch p.peek() {
		case ']':
			p.take()
			return l, nil
		case end:
			return nil, &Error{l.Position, "the bracket is not closed", ""}
		case ',':
			return nil, p.fail("a comma with nothing before it", "")
		}
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, item)
		if err := p.separator(']'); err != nil {
			return nil, err
		}
	}
}

// reference reads ${path} or ${?path}.
func (p *parser) reference() (node, error) {
	start := p.here()
	p.take()
	if p.peek() != '{' {
		return nil, &Error{start, "a $ that starts no reference", "put the text in double quotes"}
	}
	p.take()
	optional := p.has("?")
	if optional {
		p.take()
	}
	path, err := p.pathExpression()
	if err != nil {
		return nil, err
	}
	if p.peek() != '}' {
		return nil, &Error{start, "the reference is not closed", "it has the form ${path} or ${?path}"}
	}
	p.take()
	return &reference{at{start}, path, p.bases, optional}, nil
}

// unexpected says what is wrong with the next character, and what would be right.
func (p *parser) unexpected(want string) error {
	r := p.peek()
	if r != end && strings.ContainsRune(reserved, r) {
		return p.fail(want+", got "+show(r), "a text with "+show(r)+" needs double quotes")
	}
	return p.fail(want+", got "+show(r), "")
}
