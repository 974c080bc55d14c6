package extension

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// insert puts bodies into the XML of their entity, as text, so that everything else stays as somebody wrote it.
func insert(document []byte, bodies []Script) ([]byte, error) {
	if len(bodies) == 0 {
		return document, nil
	}
	found, err := findPlaces(document)
	if err != nil {
		return nil, err
	}
	var edits []edit
	var services strings.Builder
	for _, b := range bodies {
		if b.Result != "" {
			services.WriteString(implementation(b, found.implementations.indent+"  "))
			continue
		}
		place, ok := found.subscriptions[b.Member]
		if !ok {
			return nil, fmt.Errorf("subscription %q has no place for its body", b.Member)
		}
		edits = append(edits, place.fill(document, "Subscription", implementation(b, place.indent+"  ")))
	}
	if services.Len() > 0 {
		edits = append(edits, found.implementations.fill(document, "ServiceImplementations", services.String()))
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from }) // from the end, so that offsets stay true
	out := slices.Clone(document)
	for _, e := range edits {
		out = slices.Replace(out, e.from, e.to, []byte(e.text)...)
	}
	return out, nil
}

// edit replaces a part of a document.
type edit struct {
	from, to int
	text     string
}

// place is an element that takes text at its end, or the place for one that is missing.
type place struct {
	from, to int // the whole element; equal if it is missing
	inner    int // where its end tag begins; 0 for <a/> and for what is missing
	indent   string
}

// fill puts text in front of the end of the element, which is made if it is missing.
func (p place) fill(document []byte, name, text string) edit {
	switch {
	case p.inner != 0:
		at := p.inner // behind the last character that is not a blank
		for at > 0 && strings.ContainsRune(" \t\r\n", rune(document[at-1])) {
			at--
		}
		return edit{at, p.inner, text + "\n" + p.indent}
	case p.from != p.to:
		begin := bytes.TrimRight(bytes.TrimSuffix(document[p.from:p.to], []byte("/>")), " \t\r\n")
		return edit{p.from, p.to, fmt.Sprintf("%s>%s\n%s</%s>", begin, text, p.indent, name)}
	}
	return edit{p.from, p.to, fmt.Sprintf("\n%s<%s>%s\n%s</%s>", p.indent, name, text, p.indent, name)}
}

// places are where bodies go.
type places struct {
	implementations place
	subscriptions   map[string]place
}

// findPlaces walks the document once. Elements are told by their names: none of these stands anywhere else in an entity.
func findPlaces(document []byte) (places, error) {
	found := places{subscriptions: map[string]place{}}
	decoder := xml.NewDecoder(bytes.NewReader(document))
	var open []opened
	for {
		at := int(decoder.InputOffset())
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, fmt.Errorf("find the places of bodies: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			open = append(open, opened{t.Copy(), at})
		case xml.EndElement:
			found.note(document, open[len(open)-1], at, int(decoder.InputOffset()))
			open = open[:len(open)-1]
		}
	}
}

// opened is an element that has begun.
type opened struct {
	element xml.StartElement
	at      int
}

func (p *places) note(document []byte, o opened, inner, end int) {
	if inner == end { // <a/>
		inner = 0
	}
	here := place{o.at, end, inner, indentAt(document, o.at)}
	switch o.element.Name.Local {
	case "ServiceDefinitions":
		if p.implementations == (place{}) {
			p.implementations = place{end, end, 0, here.indent}
		}
	case "ServiceImplementations":
		p.implementations = here
	case "Subscription":
		for _, a := range o.element.Attr {
			if a.Name.Local == "name" {
				p.subscriptions[a.Value] = here
			}
		}
	}
}

// indentAt gives the blanks in front of an offset, if nothing else stands there on its line.
func indentAt(document []byte, offset int) string {
	line := string(document[bytes.LastIndexByte(document[:offset], '\n')+1 : offset])
	if strings.Trim(line, " \t") != "" {
		return ""
	}
	return line
}

// implementation is the element that holds a body, each line of it behind a line break and the indent.
func implementation(s Script, indent string) string {
	code := strings.ReplaceAll(strings.TrimSpace(s.Code), "]]>", "]]]]><![CDATA[>")
	lines := []string{
		fmt.Sprintf(`<ServiceImplementation name="%s" handlerName="Script" description="">`, escape(s.Member)),
		`  <ConfigurationTables>`,
		`    <ConfigurationTable name="Script" dataShapeName="" description="Script" isMultiRow="false" ordinal="0">`,
		`      <DataShape><FieldDefinitions><FieldDefinition name="code" baseType="STRING" description="code" ordinal="0"/></FieldDefinitions></DataShape>`,
		`      <Rows><Row><code><![CDATA[`,
	}
	text := ""
	for _, line := range lines {
		text += "\n" + indent + line
	}
	return text + "\n" + code + "\n]]></code></Row></Rows>" +
		"\n" + indent + `    </ConfigurationTable>` + "\n" + indent + `  </ConfigurationTables>` + "\n" + indent + `</ServiceImplementation>`
}

func escape(s string) string {
	var b strings.Builder
	must(xml.EscapeText(&b, []byte(s)))
	return b.String()
}
