package devices

import (
	"encoding/json"
	"fmt"
	"strings"

	"azx/internal/fault"
)

// DefaultTemplate is the template of devices that no rule is for.
const DefaultTemplate = "AzureIotThing"

// Rule gives a template to devices. All that it says must be true of a device.
type Rule struct {
	Template string
	// Edge chooses edge devices.
	Edge bool
	// Tag chooses devices by a tag, "kind" or "place.floor", and Value by the text of it; "" is any value.
	Tag, Value string
}

// Rules are asked one after the other; the first that fits counts.
type Rules []Rule

// Template is that of a device's Thing.
func (r Rules) Template(d Device) string {
	for _, rule := range r {
		if rule.fits(d) {
			return rule.Template
		}
	}
	return DefaultTemplate
}

func (r Rules) check() error {
	for n, rule := range r {
		if rule.Template == "" {
			return fault.Reject(op, "", "rule %d names no template", n+1)
		}
		if rule.Value != "" && rule.Tag == "" {
			return fault.Reject(op, "name the tag that has it", "rule %d has the value %q and no tag", n+1, rule.Value)
		}
	}
	return nil
}

func (r Rule) fits(d Device) bool {
	if r.Edge && !d.Edge {
		return false
	}
	if r.Tag == "" {
		return true
	}
	value, there := tag(d.Tags, r.Tag)
	return there && (r.Value == "" || r.Value == value)
}

// tag is the text of a tag: of a string its value, of anything else its JSON.
func tag(tags json.RawMessage, path string) (text string, there bool) {
	for _, name := range strings.Split(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(tags, &object) != nil {
			return "", false
		}
		if tags, there = object[name]; !there {
			return "", false
		}
	}
	if json.Unmarshal(tags, &text) == nil {
		return text, string(tags) != "null"
	}
	return string(tags), true
}

// ParseRules reads rules as people write them: TEMPLATE, edge=TEMPLATE, TAG=TEMPLATE or TAG:VALUE=TEMPLATE.
func ParseRules(texts []string) (rules Rules, err error) {
	for _, text := range texts {
		which, template, found := strings.Cut(text, "=")
		if !found {
			which, template = "", text
		}
		rule := Rule{Template: template}
		switch {
		case template == "" || found && which == "":
			return nil, fmt.Errorf("%q: want TEMPLATE, edge=TEMPLATE, TAG=TEMPLATE or TAG:VALUE=TEMPLATE", text)
		case which == "edge":
			rule.Edge = true
		default:
			rule.Tag, rule.Value, _ = strings.Cut(strings.TrimPrefix(which, "tags."), ":")
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
