package message

import (
	"fmt"
	"strconv"
	"strings"
)

// ThingName returns the name of the Thing that a device id maps to, and DeviceID the way back.
//
// An id of letters, digits, '-', '_' and '.' that does not begin with a dot and is no reserved word is a
// Thing name as it stands. Every other character of Azure's alphabet is written as "_xHH_" (its code in
// hexadecimal), and so is an underscore that would otherwise read as the start of such an escape. Which
// characters the platform takes beyond these is not public; the escape keeps to those it surely takes.
func ThingName(deviceID string) string {
	if isThingName(deviceID) {
		return deviceID
	}
	var b strings.Builder
	for i := range len(deviceID) {
		c := deviceID[i]
		if plain(c) && !(i == 0 && (c == '.' || reserved[deviceID])) && !opensEscape(deviceID[i:]) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_x%02X_", c)
		}
	}
	return b.String()
}

// isThingName tells whether an id has nothing to escape, which is so of nearly all.
func isThingName(deviceID string) bool {
	for i := range len(deviceID) {
		if c := deviceID[i]; !plain(c) || c == '_' && opensEscape(deviceID[i:]) {
			return false
		}
	}
	return deviceID == "" || deviceID[0] != '.' && !reserved[deviceID]
}

// DeviceID returns the id of the device whose Thing has this name; false if no device id gives it.
func DeviceID(thing string) (string, bool) {
	var b strings.Builder
	for rest := thing; rest != ""; {
		if !isEscape(rest) {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		code, _ := strconv.ParseUint(rest[2:4], 16, 8)
		b.WriteByte(byte(code))
		rest = rest[escapeLen:]
	}
	id := b.String()
	return id, ThingName(id) == thing
}

const escapeLen = len("_xHH_")

// isEscape tells whether s begins with an escape as ThingName writes it.
func isEscape(s string) bool { return opensEscape(s) && s[4] == '_' }

// opensEscape tells whether s would begin with an escape once the character behind "_xHH" is written: as an underscore, or as
// an escape of its own, which begins with one.
func opensEscape(s string) bool {
	return len(s) >= escapeLen && s[0] == '_' && s[1] == 'x' && upperHex(s[2]) && upperHex(s[3]) && (s[4] == '_' || !plain(s[4]))
}

func upperHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// reserved words mean something else where a script names a Thing.
var reserved = map[string]bool{"me": true}
