package entity

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxBytes is how large a document may be. Large ones are those with media and mashups.
const MaxBytes = 32 << 20

// More limits of one document.
const (
	maxDepth    = 64
	maxElements = 200_000 // and attributes
)

// node is an element with what a Set needs of it.
type node struct {
	name       string
	attrs      []xml.Attr
	children   []*node
	text       []byte // its own, without that of its children
	line       int    // of its start, from 1
	textLine   int    // of the first character of text that is not blank
	start, end int64  // in the document, in bytes
}

// readTree reads a document into memory, within the limits.
func readTree(file string, source []byte) (*node, *SyntaxError) {
	r := &treeReader{file: file, decoder: xml.NewDecoder(bytes.NewReader(source))}
	if len(source) > MaxBytes {
		return nil, r.fault(1, "the document has %d bytes, and %d at most are read", len(source), MaxBytes)
	}
	for {
		line, _ := r.decoder.InputPos()
		start := r.decoder.InputOffset()
		token, err := r.decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, r.broken(err)
		}
		if fault := r.take(token, line, start); fault != nil {
			return nil, fault
		}
	}
	if r.root == nil {
		return nil, r.fault(1, "the document is empty")
	}
	return r.root, nil
}

type treeReader struct {
	file    string
	decoder *xml.Decoder
	root    *node
	open    []*node
	count   int
}

func (r *treeReader) fault(line int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Pos{r.file, line}, fmt.Sprintf(format, args...)}
}

// broken makes a fault of an error of the XML parser.
func (r *treeReader) broken(err error) *SyntaxError {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return r.fault(syntax.Line, "not XML: %s", syntax.Msg)
	}
	line, _ := r.decoder.InputPos()
	return r.fault(line, "not XML: %v", strings.TrimPrefix(err.Error(), "xml: "))
}

func (r *treeReader) take(token xml.Token, line int, start int64) *SyntaxError {
	switch t := token.(type) {
	case xml.Directive:
		return r.fault(line, "<!%s is not accepted: entities need no document type", firstWord(t))
	case xml.StartElement:
		return r.begin(t, line, start)
	case xml.EndElement:
		last := len(r.open) - 1
		r.open[last].end = r.decoder.InputOffset()
		r.open = r.open[:last]
	case xml.CharData:
		return r.characters(t, line)
	}
	return nil
}

func (r *treeReader) begin(t xml.StartElement, line int, start int64) *SyntaxError {
	r.count += 1 + len(t.Attr)
	switch {
	case len(r.open) == maxDepth:
		return r.fault(line, "elements are nested deeper than %d", maxDepth)
	case r.count > maxElements:
		return r.fault(line, "more than %d elements and attributes", maxElements)
	case len(r.open) == 0 && r.root != nil:
		return r.fault(line, "<%s> stands behind the end of the document", fullName(t.Name))
	}
	seen := make(map[xml.Name]bool, len(t.Attr))
	for _, a := range t.Attr {
		if seen[a.Name] {
			return r.fault(line, "<%s> has the attribute %s twice", fullName(t.Name), fullName(a.Name))
		}
		seen[a.Name] = true
	}
	n := &node{name: fullName(t.Name), attrs: t.Attr, line: line, start: start}
	if len(r.open) == 0 {
		r.root = n
	} else {
		parent := r.open[len(r.open)-1]
		parent.children = append(parent.children, n)
	}
	r.open = append(r.open, n)
	return nil
}

func (r *treeReader) characters(text []byte, line int) *SyntaxError {
	visible := bytes.TrimLeft(text, " \t\r\n")
	if len(r.open) == 0 {
		if len(bytes.TrimPrefix(visible, []byte("\ufeff"))) > 0 {
			return r.fault(line, "text stands outside of the document")
		}
		return nil
	}
	n := r.open[len(r.open)-1]
	if n.textLine == 0 && len(visible) > 0 {
		n.textLine = line + bytes.Count(text[:len(text)-len(visible)], []byte("\n"))
	}
	if n.textLine != 0 { // blanks in front of the text are not kept
		n.text = append(n.text, text...)
	}
	return nil
}

func fullName(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func firstWord(d xml.Directive) string {
	word, _, _ := strings.Cut(string(d[:min(len(d), 20)]), " ")
	return word
}

func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// aspects gives the attributes "aspect.NAME" by NAME, nil for none.
func (n *node) aspects() map[string]string {
	var found map[string]string
	for _, a := range n.attrs {
		if name, ok := strings.CutPrefix(a.Name.Local, "aspect."); ok && name != "" {
			if found == nil {
				found = map[string]string{}
			}
			found[name] = a.Value
		}
	}
	return found
}

// child gives the first child of that name, nil if there is none.
func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// all gives the elements at a path below n; a path of one name gives all children of those elements.
func (n *node) all(path ...string) []*node {
	var found []*node
	for _, c := range n.children {
		if c.name != path[0] {
			continue
		}
		switch len(path) {
		case 1:
			found = append(found, c.children...)
		case 2:
			for _, inner := range c.children {
				if inner.name == path[1] {
					found = append(found, inner)
				}
			}
		}
	}
	return found
}

// names gives the attribute "name" of the elements at a path.
func (n *node) names(path ...string) []string {
	var found []string
	for _, c := range n.all(path...) {
		found = append(found, c.attr("name"))
	}
	return found
}

// trimmed is the text without the blanks around it.
func (n *node) trimmed() string { return strings.TrimSpace(string(n.text)) }

func (n *node) childText(name string) string {
	if c := n.child(name); c != nil {
		return c.trimmed()
	}
	return ""
}

// raw is the element as it stands in the document.
func (n *node) raw(source []byte) string { return string(source[n.start:n.end]) }
