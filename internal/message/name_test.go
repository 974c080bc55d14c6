package message

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestADeviceIDMapsToAThingName(t *testing.T) {
	tests := []struct{ name, id, thing string }{
		{"letters, digits, dash, underscore and dot stay", "Pump-1_a.b", "Pump-1_a.b"},
		{"case is kept", "pump1", "pump1"},
		{"other characters are escaped", "line:7#a", "line_x3A_7_x23_a"},
		{"a leading dot is escaped", ".hidden", "_x2E_hidden"},
		{"a reserved word is escaped", "me", "_x6D_e"},
		{"what looks like an escape is escaped", "a_x3A_b", "a_x5F_x3A_b"},
		{"so is what looks like one once the next character is escaped", "_xAA:", "_x5F_xAA_x3A_"},
		{"128 characters stay", strings.Repeat("x", 128), strings.Repeat("x", 128)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ThingName(tt.id); got != tt.thing {
				t.Errorf("got %q, want %q", got, tt.thing)
			}
			if got, ok := DeviceID(tt.thing); got != tt.id || !ok {
				t.Errorf("back: got %q, %v, want %q", got, ok, tt.id)
			}
		})
	}
}

func TestAThingNameThatNoIDGivesIsTold(t *testing.T) {
	for _, thing := range []string{"a b", "_x41_", "me", ".x"} {
		if id, ok := DeviceID(thing); ok {
			t.Errorf("%q: got device id %q", thing, id)
		}
	}
}

// alphabet is that of Azure's device ids (read).
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + "-:.+%_#*?!(),=@;$'"

// deviceIDs are ids of up to 128 characters. Every second one has more of what the escape itself is made of.
func deviceIDs() *rapid.Generator[string] {
	id := func(of string) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.SampledFrom([]rune(of)), 1, 128, -1)
	}
	return rapid.OneOf(id(alphabet), id("_x0F:.me"+alphabet[len(alphabet)-18:]))
}

func TestEveryDeviceIDComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := deviceIDs().Draw(t, "id")
		thing := ThingName(id)
		if back, ok := DeviceID(thing); !ok || back != id {
			t.Fatalf("%q maps to %q and back to %q, %v", id, thing, back, ok)
		}
		if strings.Trim(thing, alphabet[:62]+"-_.") != "" || thing[0] == '.' || thing == "me" {
			t.Fatalf("%q maps to %q, which is no plain name", id, thing)
		}
	})
}

func TestTwoDeviceIDsNeverShareAName(t *testing.T) {
	for _, pair := range [][2]string{{"Pump1", "pump1"}, {"me", "_x6D_e"}, {".a", "_x2E_a"}, {"a:", "a_x3A_"}, {"me", "Me"}} {
		if one, other := ThingName(pair[0]), ThingName(pair[1]); one == other {
			t.Errorf("%q and %q are both %q", pair[0], pair[1], one)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		one := deviceIDs().Draw(t, "one")
		for _, other := range []string{deviceIDs().Draw(t, "other"), ThingName(one), strings.ToLower(one), strings.ToUpper(one)} {
			if same := ThingName(one) == ThingName(other); same != (one == other) {
				t.Fatalf("%q and %q are both %q", one, other, ThingName(one))
			}
		}
	})
}

func TestEveryCharacterOfAnIDIsTakenAtEachEndAndUpToTheLongest(t *testing.T) {
	for _, c := range alphabet {
		for _, id := range []string{string(c), string(c) + "me", "me" + string(c), strings.Repeat(string(c), 128)} {
			if back, ok := DeviceID(ThingName(id)); !ok || back != id {
				t.Errorf("%q maps to %q and back to %q, %v", id, ThingName(id), back, ok)
			}
		}
	}
}

func TestTheNameOfAPlainIDAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { ThingName("pump-17.line_3") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
