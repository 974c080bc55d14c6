package devices

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// mostDeclared is how many properties a Thing is given at once.
const mostDeclared = 256

// Sample is what a device has been seen to send or report: base types by the remote names of properties. A type is what the
// mapping makes of a value by itself; values of several types have one that takes them all.
type Sample map[string]infotable.BaseType

// Message adds what a message would write, of a module as properties of its own. A body that is no JSON object adds nothing.
func (s Sample) Message(m *message.Message) {
	readings, err := decode.Body(m)
	if err != nil {
		return
	}
	prefix := ""
	if m.ModuleID != "" {
		prefix = m.ModuleID + mapping.ModuleSeparator
	}
	for _, r := range readings {
		if !strings.Contains(string(r.Key), mapping.ModuleSeparator) {
			s.add(prefix+string(r.Key), r.Kind)
		}
	}
}

// Reported adds the reported properties of a twin, but what the hub has put there.
func (s Sample) Reported(report json.RawMessage) {
	readings, err := decode.Body(&message.Message{Body: report})
	if err != nil {
		return
	}
	for _, r := range readings {
		if !strings.HasPrefix(string(r.Key), "$") {
			s.add(string(r.Key), r.Kind)
		}
	}
}

// add notes a value. A null has no type. One more than can be declared is noted, and no others.
func (s Sample) add(name string, kind message.Kind) {
	base := mapping.Natural(kind)
	before, known := s[name]
	switch {
	case kind == message.Null, !known && len(s) > mostDeclared:
		return
	case !known || before == base:
	case before == infotable.TypeJSON || base == infotable.TypeJSON:
		base = infotable.TypeJSON
	default:
		base = infotable.TypeString // takes numbers and booleans as well
	}
	s[name] = base
}

// Properties returns what a Thing can have properties for, by name, and the names that none can have. More than a Thing is given
// at once is an error.
func (s Sample) Properties() (can []mapping.Property, cannot []string, err error) {
	if len(s) > mostDeclared {
		return nil, nil, fault.Reject("declare properties", "put them into a template", "there are more than %d", mostDeclared)
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		switch {
		case mapping.IsBase(name):
		case !isPropertyName(name):
			cannot = append(cannot, name)
		default:
			can = append(can, mapping.Property{EdgeName: name, Type: s[name]})
		}
	}
	return can, cannot, nil
}

// isPropertyName tells whether the platform takes a name for a property: letters, digits and underscores, of a module behind its
// id. Names of other forms can only be the remote names of properties that people make.
func isPropertyName(name string) bool {
	const longest = 100 // characters; which ones a platform takes is not public
	if len(name) > longest {
		return false
	}
	for part := range strings.SplitSeq(name, mapping.ModuleSeparator) {
		for i, c := range part {
			if c != '_' && !(c < unicode.MaxASCII && unicode.IsLetter(c)) && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}

// unnamed says which members of a sample have no property; "" if all have.
func unnamed(names []string) string {
	const most = 5
	if len(names) == 0 {
		return ""
	}
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("no property can be called %q%s", names, more)
}
