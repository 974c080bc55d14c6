package thingworx

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many characters a name may have (read: PTC's page on naming entities).
const maxName = 255

// CheckEntityName refuses a name that no entity may have. The rules are those of PTC's pages on naming entities
// (read, 8.x to 10.x, the strictest of them): at most 255 characters; no special characters; spaces, hyphens and
// dots only inside; no two spaces in a row; not "me". Which special characters beyond + / : * " < > are refused
// is inferred.
func CheckEntityName(name string) error {
	switch {
	case name == "":
		return Refuse(Invalid, "a name is required")
	case utf8.RuneCountInString(name) > maxName:
		return Refuse(Invalid, "name %q is longer than %d characters", shorten(name), maxName)
	case strings.EqualFold(name, "me"):
		return Refuse(Invalid, "name %q is reserved", name)
	case strings.Contains(name, "  "):
		return Refuse(Invalid, "name %q has two spaces in a row", shorten(name))
	}
	for _, r := range name {
		if !allowedInEntity(r) {
			return Refuse(Invalid, "name %q contains %q: a name may hold letters, digits, _ and, inside, - . and spaces",
				shorten(name), r)
		}
	}
	if strings.ContainsAny(name[:1]+name[len(name)-1:], "-. ") {
		return Refuse(Invalid, "name %q begins or ends with a hyphen, a dot or a space", shorten(name))
	}
	return nil
}

func allowedInEntity(r rune) bool {
	return r == '_' || r == '-' || r == '.' || r == ' ' ||
		r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

// CheckPropertyName refuses a name that no property may have: letters, digits and underscores, not beginning with
// a digit (inferred from importers that repair names so), with "::" allowed between parts, as properties of edge
// modules have it (read).
func CheckPropertyName(name string) error {
	if name == "" {
		return Refuse(Invalid, "a property name is required")
	}
	if utf8.RuneCountInString(name) > maxName {
		return Refuse(Invalid, "property name %q is longer than %d characters", shorten(name), maxName)
	}
	for part := range strings.SplitSeq(name, "::") {
		if !isIdentifier(part) {
			return Refuse(Invalid, "property name %q: each part must be letters, digits and _, and not begin with a digit",
				shorten(name))
		}
	}
	return nil
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && (r == utf8.RuneError || !unicode.IsLetter(r)) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// PropertyNameFor makes a property name of the name that an edge uses: what may not stand in a name becomes an
// underscore. Names that taken reports as in use get a number.
func PropertyNameFor(edgeName string, taken func(string) bool) string {
	if utf8.RuneCountInString(edgeName) > maxName-10 {
		edgeName = string([]rune(edgeName)[:maxName-10])
	}
	parts := strings.Split(edgeName, "::")
	for i, part := range parts {
		part = strings.Map(func(r rune) rune {
			if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return '_'
			}
			return r
		}, part)
		if !isIdentifier(part) {
			part = "_" + part
		}
		parts[i] = part
	}
	base := strings.Join(parts, "::")
	name := base
	for n := 2; taken(name); n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	return name
}

// shorten keeps texts that callers chose from filling a reason.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// fold is a name as it is compared with others: they must differ in more than case (read).
func fold(name string) string { return strings.ToLower(name) }
